import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import {
  describeKeys,
  forgetKeys,
  forgetRecovery,
  isRecoveryKey,
  keepDataKeys,
  keepRecoveryKey,
  keptKeys,
  makeDataKeys,
  measuredVolume,
  parseRecoveryKey,
  unshownRecoveryKey,
  volumeId,
} from '../../../src/machine/data-keys.ts';

test('recognizes a recovery key in any typing, and rejects others', () => {
  const keys = makeDataKeys();
  const { recoveryKey } = keys;
  assert.match(recoveryKey, /^([cbdefghijklnrtuv]{8}-){7}[cbdefghijklnrtuv]{8}$/);
  const known = describeKeys(keys)?.recoveryKey ?? '';
  for (const typed of [recoveryKey, ` ${recoveryKey.toUpperCase()}\n`, recoveryKey.replaceAll('-', ' ')])
    assert.equal(isRecoveryKey(parseRecoveryKey(typed), known), true);
  assert.equal(isRecoveryKey(makeDataKeys().recoveryKey, known), false);
  for (const typed of ['', recoveryKey.slice(1), `${recoveryKey}c`, recoveryKey.replace(/./, 'a')])
    assert.throws(() => parseRecoveryKey(typed), { code: 'recovery.malformed', exitCode: 2 });
});

test('machine.json has digests of the keys, not the keys', () => {
  const keys = makeDataKeys();
  const text = JSON.stringify(describeKeys(keys));
  for (const secret of [keys.recoveryKey, keys.volumeKey.toString('hex'), keys.volumeKey.toString('base64')])
    assert.equal(text.includes(secret), false);
});

test('computes the measurement of a volume as systemd does, with the name and UUID of the initrd', () => {
  const key = Buffer.alloc(64, 7);
  const event = createHmac('sha256', key).update(`cryptsetup:Data:${volumeId}`).digest();
  const value = createHash('sha256')
    .update(Buffer.concat([Buffer.alloc(32), event]))
    .digest();
  assert.deepEqual(measuredVolume(key), value);
  const script = readFileSync(resolve(import.meta.dirname, '../../../image/initrd/unlock'), 'utf8');
  assert.ok(script.includes(`volume=${volumeId}\n`));
});

test('keys are stored for their owner only, shown once, and deleted', async () => {
  const secrets = mkdtempSync(join(tmpdir(), 'holdfast-keys-'));
  try {
    assert.deepEqual(await keptKeys(secrets), {});
    const keys = makeDataKeys();
    await keepDataKeys(secrets, keys);
    const kept = await keptKeys(secrets);
    assert.deepEqual(Object.keys(kept).sort(), ['holdfast.recovery-key', 'holdfast.volume-key']);
    for (const path of Object.values(kept)) assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(await unshownRecoveryKey(secrets), keys.recoveryKey);
    await forgetKeys(secrets);
    assert.deepEqual([await keptKeys(secrets), await unshownRecoveryKey(secrets)], [{}, undefined]);
    await keepDataKeys(secrets, keys);
    rmSync(join(secrets, 'recovery-key'));
    assert.deepEqual(await keptKeys(secrets), {}, 'the removal was interrupted');
    assert.equal(existsSync(join(secrets, 'volume-key')), false);
    await keepRecoveryKey(secrets, keys.recoveryKey);
    assert.deepEqual(Object.keys(await keptKeys(secrets)), ['holdfast.recovery-key']);
    assert.equal(await unshownRecoveryKey(secrets), undefined, 'its user has typed it: it was shown');
    await forgetRecovery(secrets);
    assert.deepEqual(readdirSync(secrets), [], 'the start that it was for has had it');
    await keepRecoveryKey(secrets, keys.recoveryKey);
    const before = new Date(Date.now() - 61_000);
    utimesSync(join(secrets, 'recovery-key'), before, before);
    assert.deepEqual(await keptKeys(secrets), {}, 'a recovery was killed: the key has expired');
    assert.deepEqual(readdirSync(secrets), []);
    await keepDataKeys(secrets, keys);
    utimesSync(join(secrets, 'recovery-key'), before, before);
    await forgetRecovery(secrets);
    assert.equal(
      Object.keys(await keptKeys(secrets)).length,
      2,
      'those of a first start stay until they were shown',
    );
  } finally {
    rmSync(secrets, { recursive: true });
  }
});
