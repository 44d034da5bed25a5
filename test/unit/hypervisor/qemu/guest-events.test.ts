import assert from 'node:assert/strict';
import { mkdtemp, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { boundLog } from '../../../../src/hypervisor/qemu/console-log.ts';
import { oemString, writeOemStrings } from '../../../../src/hypervisor/qemu/credentials.ts';
import { GuestEvents } from '../../../../src/hypervisor/qemu/guest-events.ts';

const directory = await mkdtemp(join(tmpdir(), 'holdfast-credentials-'));
after(() => rm(directory, { recursive: true }));

test('the end of a machine follows from the last event of QEMU', () => {
  const endAfter = (...reasons: unknown[]) => {
    const hung = new GuestEvents();
    hung.onEvent({ name: 'WATCHDOG', data: { action: 'reset' } });
    hung.onEvent({ name: 'SHUTDOWN', data: { guest: true, reason: 'guest-reset' } });
    assert.equal(hung.end, 'hang');
    const listener = new GuestEvents();
    for (const reason of reasons) listener.onEvent({ name: 'SHUTDOWN', data: { guest: true, reason } });
    return listener.end;
  };
  assert.equal(endAfter(), 'killed');
  assert.equal(endAfter('guest-shutdown'), 'shutdown');
  assert.equal(endAfter('guest-reset'), 'reboot');
  assert.equal(endAfter('host-qmp-system-reset'), 'reboot');
  for (const reason of ['host-signal', 'host-qmp-quit', 'host-error', undefined, 7, {}])
    assert.equal(endAfter(reason), 'killed', String(reason));
  const listener = new GuestEvents();
  listener.onEvent({ name: 'POWERDOWN', data: undefined });
  listener.onEvent({ name: 'SHUTDOWN', data: undefined });
  assert.equal(listener.end, 'killed');
});

test('a credential becomes a private file with a firmware string', async () => {
  const source = join(directory, 'source');
  await writeFile(source, Buffer.from([0, 255, 10]));
  const paths = await writeOemStrings({ 'ssh.key': source, other: source }, join(directory, 'strings'));
  assert.equal(paths.length, 2);
  assert.equal(await readFile(paths[0] ?? '', 'utf8'), 'io.systemd.credential.binary:ssh.key=AP8K');
  for (const path of [...paths]) assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.equal((await stat(join(directory, 'strings'))).mode & 0o777, 0o700);
});

test('a credential cannot imitate another or fill the tables', async () => {
  for (const name of ['', 'a=b', 'a:b', 'a b', 'a\nb', '../x/'])
    assert.throws(() => oemString(name, Buffer.alloc(1)), { code: 'credential.name' }, name);
  const source = join(directory, 'large');
  await writeFile(source, Buffer.alloc(20 * 1024));
  const target = join(directory, 'full');
  await assert.rejects(writeOemStrings({ a: source, b: source }, target), { code: 'credential.too-large' });
});

test('a console log above the limit is copied and truncated while its writer continues', async () => {
  const path = join(directory, 'console.log');
  await boundLog(path, 10);
  const writer = await open(path, 'a');
  try {
    await writer.write('0123456789');
    await boundLog(path, 10);
    assert.equal(await readFile(path, 'utf8'), '0123456789');
    await writer.write('x');
    await boundLog(path, 10);
    await writer.write('new');
  } finally {
    await writer.close();
  }
  assert.equal(await readFile(path, 'utf8'), 'new');
  assert.equal(await readFile(`${path}.1`, 'utf8'), '0123456789x');
});
