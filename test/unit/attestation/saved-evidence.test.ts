import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { serializeEvidence } from '../../../src/attestation/evidence.ts';
import { judgeSaved } from '../../../src/attestation/saved-evidence.ts';
import { Machine } from '../../../src/machine/machine.ts';
import { homeAt, parseMachineName } from '../../../src/machine/paths.ts';
import { real } from '../../support/start-evidence.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdfast-kept-'));
after(() => rmSync(directory, { recursive: true }));
const machine = new Machine(homeAt(join(directory, 'home')), parseMachineName('default'));
const [file, trustFile] = [join(directory, 'evidence'), join(directory, 'trust')];
writeFileSync(trustFile, JSON.stringify(real.trust));
const judge = () => judgeSaved(machine, file, trustFile, real.evidence.nonce);

test('accepts evidence of the named machine only', async () => {
  writeFileSync(file, serializeEvidence(real.evidence));
  assert.equal((await judge()).judgement.passed, true);
  writeFileSync(file, serializeEvidence({ ...real.evidence, machine: 'web' }));
  await assert.rejects(judge(), { code: 'attest.machine', exitCode: 2 });
});

test('reports that this home does not know a machine', async () => {
  writeFileSync(file, serializeEvidence(real.evidence));
  await assert.rejects(judgeSaved(machine, file, undefined, undefined), { code: 'attest.trust' });
});
