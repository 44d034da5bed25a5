import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { formatLine, parseDebug, subsystems } from '../../../src/base/log.ts';
import { run } from '../../../src/base/process.ts';

const names = Object.keys(subsystems);

test('HOLDFAST_DEBUG enables all subsystems or those that it names', () => {
  for (const value of ['1', 'all', '*', 'qemu,all']) {
    assert.deepEqual([...parseDebug(value).enabled], names, value);
  }
  for (const value of ['', '0', ',']) {
    assert.deepEqual(parseDebug(value), { enabled: new Set(), unknown: [] }, value);
  }
  assert.deepEqual(parseDebug('qemu, channel'), { enabled: new Set(['channel', 'qemu']), unknown: [] });
});

test('a name that is no subsystem is unknown, and the others count', () => {
  assert.deepEqual(parseDebug('qemuu,channel,toString'), {
    enabled: new Set(['channel']),
    unknown: ['qemuu', 'toString'],
  });
});

test('the documentation names every subsystem', () => {
  const page = readFileSync(new URL('../../../docs/reference/files.md', import.meta.url), 'utf8');
  const row = page.split('\n').find((line) => line.startsWith('| `HOLDFAST_DEBUG`')) ?? '';
  for (const name of names) assert.ok(row.includes(`\`${name}\``), name);
});

test('a line has time and subsystem, and stays one line', () => {
  const line = formatLine('qemu', 'a\r\nb\u001b[2J', new Date(0));
  assert.equal(line, '1970-01-01T00:00:00.000Z qemu: a b [2J\n');
});

/** Logs one line of two subsystems in a process of its own, and returns its standard error. */
async function log(value: string): Promise<string> {
  const url = new URL('../../../src/base/log.ts', import.meta.url).href;
  const program = `import { debug } from '${url}'; debug('qemu', 'a'); debug('channel', 'b');`;
  const args = ['--input-type=module', '--eval', program];
  const { stderr } = await run(process.execPath, args, {
    env: { ...process.env, HOLDFAST_DEBUG: value, NODE_OPTIONS: '--no-warnings' },
  });
  return stderr;
}

test('only the subsystems that are enabled reach standard error', async () => {
  assert.match(await log('channel'), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z channel: b\n$/);
  assert.equal(await log('0'), '');
});

test('an unknown subsystem is reported once, with those that are known', async () => {
  const [first = '', ...lines] = (await log('qemuu,channel,qemu')).split('\n');
  assert.match(first, /unknown subsystem "qemuu"; known are cli, .*, repository, all$/);
  assert.deepEqual(
    lines.map((line) => line.replace(/^\S+ /, '')),
    ['qemu: a', 'channel: b', ''],
  );
});
