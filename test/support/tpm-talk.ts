import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { message } from '../../src/tpm/codec/message.ts';
import { u16 } from '../../src/tpm/codec/wire.ts';
import type { FakeGuest } from './swtpm.ts';

/** TPM2_GetRandom. */
export const random = (bytes: number) => message(0x17b, u16(bytes));

/** Sends these bytes and returns everything received until the broker ends the connection or `count` responses have arrived. */
export async function talk(
  { socket }: Pick<FakeGuest, 'socket'>,
  count: number,
  ...chunks: Buffer[]
): Promise<Buffer[]> {
  const client = connect(socket);
  let received = Buffer.alloc(0);
  const responses: Buffer[] = [];
  const done = Promise.withResolvers<void>();
  client.on('data', (bytes: Buffer) => {
    received = Buffer.concat([received, bytes]);
    while (received.length >= 10 && received.length >= received.readUInt32BE(2)) {
      const size = received.readUInt32BE(2);
      responses.push(received.subarray(0, size));
      received = received.subarray(size);
    }
    if (responses.length >= count) done.resolve();
  });
  client.on('error', () => {});
  client.on('close', () => done.resolve());
  for (const chunk of chunks) {
    client.write(chunk);
    await sleep(1); // send separate packets
  }
  await done.promise;
  client.destroy();
  return responses;
}

export function codesOf(responses: readonly Buffer[]): number[] {
  return responses.map((response) => response.readUInt32BE(6));
}
