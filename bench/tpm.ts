import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { hostPortSocket, listenVsock } from '../src/channel/vsock.ts';
import { Broker } from '../src/tpm/broker/broker.ts';
import { message } from '../src/tpm/codec/message.ts';
import { u16 } from '../src/tpm/codec/wire.ts';
import { hostTpm } from '../src/tpm/host/host-tpm.ts';
import { type Swtpm, startSwtpm } from '../test/support/swtpm.ts';
import { type Bench, type Comparison, type Defer, timed } from './measure.ts';

/** Below the burst that a guest may send, so that the rate limit does not affect the measurement. */
const runs = 150;

/** TPM2_GetRandom of 16 bytes. */
const getRandom = message(0x17b, u16(16));

/**
 * Compares a command through the broker with the same command sent to swtpm directly, each over an open connection. Leaves
 * out vsock to the guest, which is the same with any broker.
 */
export const bench: Bench = { name: 'tpm', prepare };

async function prepare(defer: Defer): Promise<readonly Comparison[]> {
  const swtpm = await startSwtpm();
  defer(() => swtpm.remove());
  const own = () => atTpm(swtpm);
  const first = await throughBroker(swtpm, 'first', defer);
  const second = await throughBroker(swtpm, 'second', defer);
  return [
    {
      ...{ name: 'round-trip', peerName: 'swtpm itself', unit: 'ms', runs },
      ours: () => timed(() => exchange(first)),
      peer: own,
    },
    {
      ...{ name: 'added', peerName: 'swtpm itself', unit: 'ms', runs, target: 1, targetOf: 'ours' },
      ours: async () => {
        const own = await atTpm(swtpm);
        return (await timed(() => exchange(second))) - own;
      },
      peer: own,
    },
  ];
}

/** Opens a guest's connection to a broker. */
async function throughBroker(swtpm: Swtpm, name: string, defer: Defer): Promise<Socket> {
  const broker = new Broker({ tpm: hostTpm(swtpm.socket), log: console.error });
  defer(() => broker.close());
  const vsock = join(swtpm.directory, name);
  const listener = await listenVsock(vsock, 2321, (stream) => broker.accept(stream));
  defer(() => listener.close());
  const socket = connect(hostPortSocket(vsock, 2321));
  await once(socket, 'connect');
  defer(async () => void socket.destroy());
  return socket;
}

/** Opens a connection to swtpm, which serves one at a time. */
async function atTpm({ socket: path }: Swtpm): Promise<number> {
  const socket = connect(path);
  await exchange(socket); // wait until it is served
  const took = await timed(() => exchange(socket));
  socket.destroy();
  await once(socket, 'close');
  return took;
}

async function exchange(socket: Socket): Promise<void> {
  socket.write(getRandom);
  const [response] = (await once(socket, 'data')) as [Buffer];
  if (response.readUInt32BE(6) !== 0)
    throw new Error(`the TPM returned response code 0x${response.toString('hex', 6, 10)}`);
}
