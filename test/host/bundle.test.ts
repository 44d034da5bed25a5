import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, test } from 'node:test';

/** A checkout whose dist/ is its own: the tests must not replace the bundle that others run. */
const source = resolve(import.meta.dirname, '../..');
const project = mkdtempSync(join(tmpdir(), 'holdfast-bundle-'));
after(() => rmSync(project, { recursive: true }));
for (const name of ['node_modules', 'package.json', 'package-lock.json'])
  symlinkSync(join(source, name), join(project, name));
execFileSync('cp', ['-a', ...['src', 'scripts', 'bin'].map((name) => join(source, name)), project]);
execFileSync(process.execPath, [join(project, 'scripts/build-cli.ts')]);

function bundled(...words: string[]) {
  const env = { PATH: process.env.PATH, HOME: project, NO_COLOR: '1' };
  return spawnSync(process.execPath, [join(project, 'dist/cli/main.js'), ...words], {
    encoding: 'utf8',
    env,
  });
}

test('every command loads from the bundle, and is the same as from the sources', () => {
  // the completion script is made of all commands
  const fromSource = spawnSync(process.execPath, [join(source, 'src/cli/main.ts'), 'completion', 'bash'], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, HOME: project },
  });
  assert.ok(fromSource.stdout.length > 1000);
  assert.equal(bundled('completion', 'bash').stdout, fromSource.stdout);
  const { status, stdout } = bundled('release', 'publish', '--help');
  assert.equal(status, 0);
  assert.match(stdout, /^Usage: holdfast release publish /);
});

test('commands run from the bundle, and their errors are those of the sources', () => {
  assert.deepEqual(JSON.parse(bundled('--json', 'list').stdout), { machines: [] });
  const { status, stderr } = bundled('--json', 'exec', '--', 'true');
  assert.equal(status, 1);
  assert.equal(JSON.parse(stderr).errors[0].code, 'machine.none');
});

test('a supervisor is started from the bundle, which is one file that runs', () => {
  assert.deepEqual(readdirSync(join(project, 'dist/supervisor')), ['main.js']);
  const launch = readdirSync(join(project, 'dist/chunks'), { encoding: 'utf8' });
  assert.ok(
    launch.some((name) =>
      readFileSync(join(project, 'dist/chunks', name), 'utf8').includes('"supervisor/main"'),
    ),
  );
  const { status, stderr } = spawnSync(
    process.execPath,
    [join(project, 'dist/supervisor/main.js'), 'start', 'absent'],
    { encoding: 'utf8', env: { PATH: process.env.PATH, HOLDFAST_HOME: join(project, 'home') } },
  );
  assert.equal(status, 1);
  assert.match(stderr, /there is no machine 'absent'/);
});

test('few files are read: the start of a command is mostly files', () => {
  const files = (...words: string[]) => {
    const trace = join(project, 'trace.txt');
    const hook = join(project, 'hook.mjs');
    execFileSync('sh', ['-c', `cat >${hook}`], {
      input: `import { registerHooks } from 'node:module'; import { appendFileSync } from 'node:fs';
registerHooks({ load(url, context, next) { if (url.startsWith('file:')) appendFileSync(${JSON.stringify(trace)}, url + '\\n'); return next(url, context); } });`,
    });
    rmSync(trace, { force: true });
    spawnSync(process.execPath, ['--import', hook, join(project, 'dist/cli/main.js'), ...words], {
      env: { PATH: process.env.PATH, HOME: project },
    });
    return readFileSync(trace, 'utf8').trim().split('\n').length;
  };
  assert.ok(files('--help') <= 4, `--help reads ${files('--help')}`);
  assert.ok(files('list') <= 10, `list reads ${files('list')}`);
  assert.ok(files('exec', '--', 'true') <= 14, `exec reads ${files('exec', '--', 'true')}`);
});
