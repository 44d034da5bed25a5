import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { after, test } from 'node:test';
import { forgetShown } from '../../../../../src/cli/commands/recovery/shown-key.ts';
import { printOn } from '../../../../../src/cli/framework/output.ts';
import { keepDataKeys, makeDataKeys } from '../../../../../src/machine/data-keys.ts';

const secrets = mkdtempSync(join(tmpdir(), 'holdfast-shown-'));
after(() => rmSync(secrets, { recursive: true }));
const signal = new AbortController().signal;
const isKept = () => existsSync(join(secrets, 'recovery-key'));

/** A stream that completes a write a moment later, or fails. */
function stream(error?: Error): Writable {
  const taken = new Writable({ write: (_chunk, _encoding, done) => void setTimeout(done, 5, error) });
  taken.on('error', () => {});
  return taken;
}

test('a recovery key is deleted once it was shown, and only then', async () => {
  await keepDataKeys(secrets, makeDataKeys());
  const gone = Object.assign(new Error('no reader'), { code: 'EPIPE' });
  const closed = printOn(stream(gone), false);
  closed.result({}, 'the key');
  await assert.rejects(forgetShown(secrets, closed, signal));
  assert.ok(isKept(), 'it was not shown');

  const open = printOn(stream(), false);
  open.result({}, 'the key');
  await assert.rejects(
    forgetShown(secrets, open, AbortSignal.abort(new Error('interrupted'))),
    /interrupted/,
  );
  assert.ok(isKept());
  await forgetShown(secrets, open, signal);
  assert.ok(!isKept());
});
