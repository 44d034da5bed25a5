import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { GiB } from '../../../src/base/size.ts';
import {
  parseConfiguration,
  readConfiguration,
  writeConfiguration,
} from '../../../src/machine/configuration.ts';
import { homeAt, machinePaths, parseMachineName } from '../../../src/machine/paths.ts';

const home = mkdtempSync(join(tmpdir(), 'holdfast-configuration-'));
after(() => rmSync(home, { recursive: true }));

const stored = {
  format: 1,
  name: 'gateway-1',
  release: 'ab'.repeat(32),
  cpus: 2,
  memory: GiB,
  dataSize: 10 * GiB,
  logSize: 'small',
  transport: 'vsock',
  created: '2026-11-22T16:00:00.000Z',
};

test('reads a configuration back as written, with private permissions', async () => {
  const paths = machinePaths(homeAt(join(home, 'a')), parseMachineName('gateway-1'));
  const { directory, configuration: path } = paths;
  mkdirSync(directory, { recursive: true });
  const configuration = parseConfiguration(JSON.stringify(stored), 'x');
  await writeConfiguration(path, configuration);
  assert.deepEqual(await readConfiguration(paths), configuration);
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('names a machine that does not exist', async () => {
  await assert.rejects(
    readConfiguration(machinePaths(homeAt(join(home, 'none')), parseMachineName('gateway-1'))),
    {
      code: 'machine.none',
      message: "there is no machine 'gateway-1'",
    },
  );
});

test('distinguishes a newer format from damage', () => {
  assert.throws(() => parseConfiguration(JSON.stringify({ format: 2, other: true }), 'machine.json'), {
    code: 'machine.format',
    exitCode: 1,
    why: 'its format is 2; this program supports 1',
  });
});

const damaged: Readonly<Record<string, unknown>> = {
  'an unknown key': { ...stored, disk: '/dev/sda' },
  'no format': { ...stored, format: undefined },
  'format zero': { ...stored, format: 0 },
  'a name with a slash': { ...stored, name: '../other' },
  'a short digest': { ...stored, release: 'ab' },
  'memory as text': { ...stored, memory: '1024' },
  'a fraction of a CPU': { ...stored, cpus: 1.5 },
  'an unknown transport': { ...stored, transport: 'udp' },
  'no date': { ...stored, created: 'today' },
  'a list': [stored],
};
for (const [what, value] of Object.entries(damaged))
  test(`rejects damage: ${what}`, () => {
    assert.throws(() => parseConfiguration(JSON.stringify(value), 'machine.json'), {
      code: 'machine.damaged',
      exitCode: 1,
    });
  });

test('rejects a file that is not JSON', () => {
  assert.throws(() => parseConfiguration('{"format": 1', 'machine.json'), { code: 'machine.damaged' });
});
