import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { start } from '../../src/base/process.ts';
import { hostPortSocket, listenVsock } from '../../src/channel/vsock.ts';
import { Broker } from '../../src/tpm/broker/broker.ts';
import { message } from '../../src/tpm/codec/message.ts';
import { startFakeGuest, startSwtpm } from '../support/swtpm.ts';
import { codesOf, random, talk } from '../support/tpm-talk.ts';

/*
 * A TPM that is missing, appears late, hangs, or is slow.
 */

const swtpm = await startSwtpm();
const unlimited = { rate: { burst: 1e9, perSecond: 1e9 } };
after(() => swtpm.remove());

test('a guest that keeps the TPM busy leaves half of its time to others', async () => {
  let later = 0; // a clock that the slow command advances, so that the test need not wait
  const broker = new Broker({
    tpm: {
      open: async () => ({
        isIsolated: true,
        transmit: async () => {
          later += 1200;
          return message(0);
        },
        close: async () => {},
      }),
    },
    log: () => {},
    now: () => performance.now() + later,
  });
  const directory = join(swtpm.directory, 'busy');
  const listener = await listenVsock(directory, 2321, (stream) => broker.accept(stream));
  const began = performance.now();
  assert.equal((await talk({ socket: hostPortSocket(directory, 2321) }, 2, random(1), random(1))).length, 2);
  const took = performance.now() - began;
  assert.ok(took >= 1190 && took < 3000, `${took} ms`);
  await listener.close();
  await broker.close();
});

test('returns errors while the TPM is missing and works when it appears', async () => {
  const late = await startSwtpm();
  await late.stop();
  const early = await startFakeGuest(late, 'early', late.socket, unlimited);
  assert.deepEqual(codesOf(await talk(early, 1, random(4))), [0x101]);
  await late.start();
  assert.deepEqual(codesOf(await talk(early, 2, random(4), random(4))), [0, 0]);
  await late.stop();
  assert.deepEqual(codesOf(await talk(early, 1, random(4))), [0x101]);
  await late.start();
  assert.deepEqual(codesOf(await talk(early, 1, random(4))), [0]);
  await early.end();
  await late.remove();
});

test('does not write to a path that is not a TPM', async () => {
  const path = join(swtpm.directory, 'file');
  await writeFile(path, 'precious');
  const mistaken = await startFakeGuest(swtpm, 'mistaken', path, unlimited);
  assert.deepEqual(codesOf(await talk(mistaken, 1, random(4))), [0x101]);
  assert.match(mistaken.log.join(), /neither a device nor a socket/);
  assert.equal(await readFile(path, 'utf8'), 'precious');
  await mistaken.end();
  const odd = await startFakeGuest(swtpm, 'odd', '/dev/null', unlimited); // a device without responses
  assert.deepEqual(codesOf(await talk(odd, 1, random(4))), [0x101]);
  await odd.end();
});

test('limits the time of a hanging TPM, and uses it again when it responds', async () => {
  const limited = { ...unlimited, limits: { usual: 300, slow: 300 } };
  const waiting = await startFakeGuest(swtpm, 'waiting', swtpm.socket, limited);
  swtpm.pause();
  const began = performance.now();
  assert.deepEqual(codesOf(await talk(waiting, 1, random(4))), [0x101]);
  assert.ok(performance.now() - began < 3000);
  swtpm.resume();
  await sleep(200);
  assert.deepEqual(codesOf(await talk(waiting, 1, random(4))), [0]);
  assert.match(waiting.log.join('\n'), /no response within 300 ms/);
  await waiting.end();
});

test('sends a device the next command only after the response to the previous one', async () => {
  const device = join(swtpm.directory, 'tpm0');
  // as a character device: whole messages by read and write
  const pty = start('socat', [`PTY,raw,echo=0,link=${device}`, `UNIX-CONNECT:${swtpm.socket}`], {
    stdio: 'ignore',
  });
  await sleep(300);
  const limited = { ...unlimited, limits: { usual: 1000, slow: 1000 } };
  const user = await startFakeGuest(swtpm, 'device', device, limited);
  assert.deepEqual(
    (await talk(user, 3, random(4), random(5), random(6))).map((response) => response.readUInt16BE(10)),
    [4, 5, 6],
  );
  swtpm.pause();
  assert.deepEqual(codesOf(await talk(user, 2, random(4), random(4))), [0x101, 0x101]);
  assert.match(user.log.join('\n'), /an earlier command has no response yet/);
  swtpm.resume();
  await sleep(300);
  assert.deepEqual(codesOf(await talk(user, 1, random(4))), [0]);
  await user.end();
  const ended = once(pty, 'exit');
  pty.kill();
  await ended;
});
