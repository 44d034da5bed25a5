import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { z } from 'zod';
import { holdfast } from '../support/vm/machine.ts';

const directory = await mkdtemp(join(tmpdir(), 'holdfast-doctor-'));
after(() => rm(directory, { recursive: true }));

const report = z.object({
  ready: z.boolean(),
  checks: z.array(
    z.object({
      name: z.string(),
      verdict: z.enum(['ok', 'warning', 'missing']),
      found: z.string(),
      remedy: z.string().optional(),
    }),
  ),
});

async function examine(env: NodeJS.ProcessEnv) {
  const { code, stdout } = await holdfast(['doctor', '--json'], { env });
  const { ready, checks } = report.parse(JSON.parse(stdout));
  return { code, ready, byName: new Map(checks.map((check) => [check.name, check])) };
}

test('reports a host that can run machines', async () => {
  const { code, ready, byName } = await examine({});
  assert.deepEqual([code, ready], [0, true]);
  for (const { name, verdict, remedy } of byName.values())
    assert.equal(
      remedy === undefined,
      verdict === 'ok',
      `${name}: advice where it is wanted, and only there`,
    );
});

test('reports missing QEMU and build tools with the packages to install', async () => {
  const absent = ['qemu-system-x86_64', 'mmdebstrap'];
  for (const source of ['/usr/bin', '/bin']) {
    for (const name of await readdir(source))
      if (!absent.includes(name)) await symlink(join(source, name), join(directory, name)).catch(() => {});
  }
  const { code, ready, byName } = await examine({ PATH: directory });
  assert.deepEqual([code, ready], [1, false]);
  assert.equal(byName.get('qemu-system-x86')?.verdict, 'missing');
  assert.match(byName.get('qemu-system-x86')?.remedy ?? '', /apt-get install qemu-system-x86/);
  assert.equal(byName.get('accelerator')?.verdict, 'missing');
  assert.equal(byName.get('mmdebstrap')?.verdict, 'warning');
  assert.equal(byName.get('ovmf')?.verdict, 'ok');
});

test('prints the same report as text', async () => {
  const { code, stdout } = await holdfast(['doctor'], { env: { PATH: directory } });
  assert.equal(code, 1);
  assert.match(stdout, /^missing +qemu-system-x86 .*\n +→ run `sudo apt-get install qemu-system-x86`$/m);
  assert.match(stdout, /^Machines cannot run here: 2 of \d+ checks failed\.$/m);
});
