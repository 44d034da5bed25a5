import assert from 'node:assert/strict';
import { test } from 'node:test';
import { vendors } from '../../../src/firmware/names.ts';
import { writeVariables } from '../../../src/guest/boot-variables.ts';
import { guestThat } from '../../support/guest.ts';

test('variables are written in their order, also where the running system made them read-only', async () => {
  let script = '';
  const guest = guestThat(async (argv) => {
    script = argv.at(-1) ?? '';
    return { code: 0, stdout: Buffer.alloc(0), stderr: '' };
  });
  const variable = { name: 'BootNext', vendor: vendors.global, attributes: 7 };
  await writeVariables(guest, [
    { ...variable, data: Buffer.from([1, 0]) },
    { ...variable, data: undefined },
  ]);
  const path = `/sys/firmware/efi/efivars/BootNext-${vendors.global}`;
  assert.deepEqual(script.split('\n'), [
    'mount -o remount,rw,nosuid,nodev,noexec /sys/firmware/efi/efivars',
    `printf '\\007\\000\\000\\000\\001\\000' >${path}`,
    `rm -f ${path}`,
  ]);
});
