import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { writeConfiguration } from '../../../src/machine/configuration.ts';
import { Machine } from '../../../src/machine/machine.ts';
import { homeAt, parseMachineName } from '../../../src/machine/paths.ts';
import { guestOf } from '../../../src/supervisor/guest.ts';
import { goodFacts } from '../../support/audit-evidence.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdfast-guest-'));
after(() => rmSync(directory, { recursive: true }));

const machine = new Machine(homeAt(directory), parseMachineName('default'));

test('reports a machine that does not exist, and one that is off', async () => {
  const guest = guestOf(machine);
  await assert.rejects(guest.run(['true']), { code: 'machine.none' });
  mkdirSync(machine.paths.directory, { recursive: true });
  await writeConfiguration(machine.paths.configuration, goodFacts.configuration);
  await assert.rejects(guest.start(['true']), { code: 'machine.off', why: 'it is shut down' });
  mkdirSync(machine.paths.run);
  await assert.rejects(guest.run(['true']), { code: 'machine.off', why: /without a shutdown/ });
});
