import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { writeArchive } from '../../../src/base/archive.ts';
import { run } from '../../../src/base/process.ts';
import { silent } from '../../../src/base/progress.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdfast-archive-'));
after(() => rmSync(directory, { recursive: true }));
const signal = new AbortController().signal;

async function extract(archive: string, name: string): Promise<string> {
  return (await run('tar', ['--extract', '--to-stdout', '--file', archive, name])).stdout.toString();
}

test('archives the available entries and lists the missing ones with the reason', async () => {
  const source = join(directory, 'supervisor.log');
  writeFileSync(source, 'a line\n');
  const target = join(directory, 'logs.tar.gz');
  const outcomes = await writeArchive(
    target,
    'gateway-1',
    [
      { name: 'supervisor.log', copy: source },
      { name: 'supervisor.log.1', copy: `${source}.1` },
      { name: 'host.json', make: async () => '{}\n' },
      { name: 'journal.txt', make: () => Promise.reject(new Error('the machine hangs\nstack')) },
    ],
    silent,
    signal,
  );
  assert.deepEqual(
    outcomes.map(({ outcome }) => outcome),
    ['included', 'does not exist', 'included', 'failed: the machine hangs'],
  );
  assert.equal(await extract(target, 'gateway-1/supervisor.log'), 'a line\n');
  assert.equal(await extract(target, 'gateway-1/host.json'), '{}\n');
  assert.match(await extract(target, 'gateway-1/contents.txt'), /^journal\.txt: failed: the machine hangs$/m);
  assert.equal(statSync(target).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(directory).sort(), ['logs.tar.gz', 'supervisor.log']);
});

test('an interrupted run leaves an older archive unchanged and no temporary files', async () => {
  const target = join(directory, 'kept.tar.gz');
  writeFileSync(target, 'older');
  const controller = new AbortController();
  const entries = [
    {
      name: 'a',
      make: async () => {
        controller.abort(new Error('interrupted'));
        return 'a';
      },
    },
    { name: 'b', make: async () => 'b' },
  ];
  await assert.rejects(writeArchive(target, 'x', entries, silent, controller.signal), /interrupted/);
  assert.equal(statSync(target).size, 5);
  assert.ok(!readdirSync(directory).some((name) => name.startsWith('.archive-')));
});

test('rejects a target that is a directory before collecting anything', async () => {
  const never = { name: 'never', make: () => assert.fail('collected') };
  await assert.rejects(writeArchive(directory, 'x', [never], silent, signal), { code: 'archive.target' });
});

test('rejects a target in a missing directory and does not create it', async () => {
  await assert.rejects(writeArchive(join(directory, 'none', 'x.tar.gz'), 'x', [], silent, signal), {
    code: 'archive.target',
  });
  assert.equal(existsSync(join(directory, 'none')), false);
});
