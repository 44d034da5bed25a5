import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { run, start, started } from '../../src/base/process.ts';
import { channelKeyFiles } from '../../src/channel/keys.ts';
import { connectVsock } from '../../src/channel/vsock.ts';
import { runFiles } from '../../src/hypervisor/qemu/run-directory.ts';
import type { MachinePaths } from '../../src/machine/paths.ts';
import { user } from '../../src/release/build/recipe.ts';
import type { Defer } from '../measure.ts';

const sshPort = 22;
const masterLimitMs = 60_000;

/** The program that `holdfast exec` runs. A bare `true` would be a builtin of the guest's shell and start no process. */
const command = 'exec true';

/** Runs `true` in a guest with OpenSSH's client. */
export interface OpenSsh {
  withNewConnection(): Promise<unknown>;
  overControlMaster(): Promise<unknown>;
}

/**
 * Sets OpenSSH's client up for a running machine, with the machine's keys and without user configuration.
 * @param directory directory for its files, with a path short enough for a socket.
 */
export async function openSsh(files: MachinePaths, directory: string, defer: Defer): Promise<OpenSsh> {
  const port = await forward(runFiles(files.run).vsockHost, defer);
  const keys = channelKeyFiles(files.secrets);
  const knownHosts = join(directory, 'known_hosts');
  await writeFile(knownHosts, `guest ${await readFile(keys.hostKeyPublic, 'utf8')}`);
  const options = [
    ...['-F', 'none', '-o', 'BatchMode=yes', '-o', 'IdentitiesOnly=yes', '-i', keys.identity],
    ...['-o', 'HostKeyAlias=guest', '-o', `UserKnownHostsFile=${knownHosts}`],
    ...['-p', String(port), '-l', user.name],
  ];
  const shared = ['-o', `ControlPath=${join(directory, 'master')}`, ...options];
  await startMaster(shared, defer);
  return {
    withNewConnection: () => run('ssh', [...options, '127.0.0.1', command]),
    overControlMaster: () => run('ssh', [...shared, '127.0.0.1', command]),
  };
}

/** Forwards a port to the guest's SSH server. A ProxyCommand would start a program for each connection. */
async function forward(vsockSocket: string, defer: Defer): Promise<number> {
  const server = createServer({ noDelay: true }, (client) => {
    connectGuest(client, vsockSocket).catch(() => client.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  defer(async () => {
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port is free');
  return address.port;
}

async function connectGuest(client: Socket, vsockSocket: string): Promise<void> {
  const guest = await connectVsock(vsockSocket, sshPort);
  await Promise.all([pipeline(client, guest), pipeline(guest, client)]);
}

async function startMaster(shared: readonly string[], defer: Defer): Promise<void> {
  const master = start('ssh', ['-o', 'ControlMaster=yes', '-N', ...shared, '127.0.0.1'], { stdio: 'ignore' });
  await started(master, 'ssh');
  const exit = once(master, 'exit');
  defer(async () => {
    master.kill();
    await exit;
  });
  const giveUpAt = performance.now() + masterLimitMs;
  const isUp = async () =>
    (await run('ssh', ['-O', 'check', ...shared, '127.0.0.1'], { accept: [0, 255] })).code === 0;
  while (!(await isUp())) {
    if (performance.now() > giveUpAt || master.exitCode !== null) throw new Error('no ControlMaster');
    await sleep(100);
  }
}
