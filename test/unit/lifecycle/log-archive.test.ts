import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { archivedLogs } from '../../../src/lifecycle/log-archive.ts';
import { homeAt, machinePaths, parseMachineName } from '../../../src/machine/paths.ts';
import { hostHypervisor } from '../../../src/supervisor/host-hypervisor.ts';

test("the archive has the logs of the machine's processes, its TPM's among them, and the rotated ones", () => {
  const home = homeAt('/home');
  const files = machinePaths(home, parseMachineName('default'));
  const paths = archivedLogs(files, hostHypervisor(home));
  for (const name of ['tpm.log', 'vsock.log']) assert.ok(paths.includes(join(files.run, name)), name);
  assert.ok(paths.includes(files.consoleLog) && paths.includes(files.supervisorLog));
  assert.equal(paths.length, 7);
});
