import assert from 'node:assert/strict';
import { test } from 'node:test';
import { qemuPackages } from '../../../../src/hypervisor/qemu/packages.ts';
import { platform } from '../../../../src/hypervisor/qemu/platforms.ts';
import { swtpmProgram } from '../../../../src/tpm/virtual/swtpm.ts';

test('the packages provide the programs that the hypervisor starts', () => {
  const provided = qemuPackages.filter((each) => each.for === 'run').map((each) => each.provides);
  for (const used of [platform.firmware, platform.program, swtpmProgram])
    assert.ok(provided.includes(used), used);
});
