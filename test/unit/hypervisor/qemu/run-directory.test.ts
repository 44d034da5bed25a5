import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { test } from 'node:test';
import { runFiles, runLogFiles } from '../../../../src/hypervisor/qemu/run-directory.ts';
import { longestSocketName } from '../../../../src/hypervisor/socket-paths.ts';

test('every socket name is within the limit, also that of a port', () => {
  const { vsockHost, ...files } = runFiles('/home/m/run');
  const sockets = Object.values(files).filter((path) => path.endsWith('.sock'));
  assert.equal(sockets.length, 4);
  // vhost-device-vsock connects to this path for each port that the host listens on
  for (const path of [...sockets, `${vsockHost}_${0xffff_ffff}`])
    assert.ok(Buffer.byteLength(basename(path)) <= longestSocketName, path);
});

test('a path that no socket can have is denied, counted in bytes', () => {
  const longest = `/${'x'.repeat(107 - longestSocketName - 2)}`;
  assert.ok(runFiles(longest));
  assert.throws(() => runFiles(`${longest}x`), { code: 'home.too-long', why: /108.*107/ });
  assert.throws(() => runFiles(`/${'ü'.repeat(60)}`), { code: 'home.too-long' });
});

test('every log file of the processes is listed, whatever the length of the path', () => {
  const logs = Object.values(runFiles('/home/m/run')).filter((path) => path.endsWith('.log'));
  assert.deepEqual([...runLogFiles('/home/m/run')].sort(), logs.sort());
  assert.equal(runLogFiles(`/${'x'.repeat(200)}`).length, logs.length);
});
