import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parseOverlayPath } from '../../../src/guest/overlay-path.ts';
import { chooseAsReleased } from '../../../src/machine/as-released.ts';
import {
  forgetResets,
  requestResetAtStart,
  resetsCredential,
} from '../../../src/machine/requested-resets.ts';

let secrets: string;
before(async () => {
  secrets = await mkdtemp(join(tmpdir(), 'holdfast-resets-'));
});
after(() => rm(secrets, { recursive: true }));

const request = (path: string) => requestResetAtStart(secrets, parseOverlayPath(path));

test('requests are passed to the next start, once each, and forgotten', async () => {
  assert.deepEqual(await resetsCredential(secrets), {});
  assert.equal(await request('/etc/hosts'), true);
  assert.equal(await request('/etc/hosts'), false);
  assert.equal(await request('/home'), true);
  assert.equal(await request('/etc/two\\x0alines'), true);
  const { 'holdfast.resets': file = '' } = await resetsCredential(secrets);
  assert.equal(await readFile(file, 'utf8'), 'etc hosts\nhome \netc two\\0012lines\n');
  await forgetResets(secrets);
  assert.deepEqual(await resetsCredential(secrets), {});
});

test('a start as released neither resets nor forgets', async () => {
  await request('/root');
  await chooseAsReleased(secrets, true);
  assert.deepEqual(await resetsCredential(secrets), {});
  await forgetResets(secrets);
  await chooseAsReleased(secrets, false);
  assert.equal(Object.keys(await resetsCredential(secrets)).length, 1);
  await forgetResets(secrets);
});

test('requests are bounded', async () => {
  await request(`/etc/${'x'.repeat(200)}/${'y'.repeat(200)}`);
  await assert.rejects(
    async () => {
      for (let count = 0; count < 100; count++) await request(`/etc/${'x'.repeat(200)}${count}`);
    },
    { code: 'drift.requests', exitCode: 2 },
  );
  await forgetResets(secrets);
});
