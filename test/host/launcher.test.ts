import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { after, before, test } from 'node:test';

const launcher = resolve(import.meta.dirname, '../../bin/holdfast');
let directory: string;

before(() => {
  directory = mkdtempSync(join(tmpdir(), 'holdfast-launcher-'));
});

after(() => rmSync(directory, { recursive: true }));

function launch(program: string, ...words: string[]) {
  const env = { PATH: process.env.PATH, HOME: directory, NO_COLOR: '1' };
  return spawnSync(program, words, { encoding: 'utf8', env, cwd: directory });
}

test('starts through a link from any directory, and stores compiled code in the cache directory only', () => {
  const link = join(directory, 'hf');
  symlinkSync(launcher, link);
  const { status, stdout, stderr } = launch(link, '--version');
  assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
  assert(existsSync(join(directory, '.cache/holdfast/node')));
  assert(!existsSync(join(directory, '.local')), 'help and version make no HOLDFAST_HOME');
});

test('reports misuse with exit code 2 on standard error only, without colours when it is not a terminal', () => {
  const { status, stdout, stderr } = launch(launcher, 'deplyo');
  assert.equal(status, 2);
  assert.equal(stdout, '');
  assert.equal(stderr.split('\n')[0], "error: unknown command 'deplyo'");
});

test('rejects a machine name with a slash before doing anything', () => {
  const { status, stderr } = launch(launcher, 'status', '--machine', '../x');
  assert.equal(status, 2);
  assert.match(stderr, /^error: '\.\.\/x' is not a valid machine name\n/);
});

test('reports how to get the pinned Node when it is missing', () => {
  const bin = join(directory, 'project/bin');
  mkdirSync(bin, { recursive: true });
  copyFileSync(launcher, join(bin, 'holdfast'));
  const { status, stderr } = launch(join(bin, 'holdfast'), 'status');
  assert.equal(status, 2);
  assert.match(
    stderr,
    /^error: Holdfast is not set up\n {2}why: .*node is missing\n {2}next: run `npm run setup`/,
  );
});

test('help and the version are JSON with --json, and a command line without a command is an error', () => {
  const read = (...words: string[]) => JSON.parse(launch(launcher, ...words).stdout);
  assert.match(read('--json', '--version').version, /^\d+\.\d+\.\d+$/);
  for (const words of [
    ['--json', 'help'],
    ['help', '--json'],
    ['--help', '--json'],
  ])
    assert.ok(read(...words).commands.some(({ usage }: { usage: string }) => usage === 'deploy'));
  assert.deepEqual(read('--json', 'help', 'list').usage, ['holdfast list [flags]']);
  for (const words of [['--json'], ['--json', 'update']]) {
    const { status, stdout, stderr } = launch(launcher, ...words);
    assert.deepEqual([status, stdout], [2, '']);
    assert.equal(JSON.parse(stderr).errors[0].code, 'usage');
  }
});

test('an unusable HOLDFAST_HOME is reported at once', () => {
  const file = join(directory, 'file');
  writeFileSync(file, '');
  const homes: readonly (readonly [home: string, why: RegExp])[] = [
    [file, /file is not a directory/],
    [join(file, 'below'), /file is not a directory/],
    ['/proc/x', /\/proc is in a file system of the kernel/],
    ['/sys/holdfast', /\/sys is in a file system of the kernel/],
    [join(directory, 'a,b'), /comma/],
  ];
  for (const [home, why] of homes) {
    const { status, stderr } = spawnSync(launcher, ['deploy'], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, HOME: directory, HOLDFAST_HOME: home },
      timeout: 20_000,
    });
    assert.equal(status, 2, `${home}: ${stderr}`);
    assert.match(stderr, why);
    assert.match(stderr, /next: set HOLDFAST_HOME/);
  }
  assert.ok(!existsSync(join(directory, 'a,b')));
});

test('fails with a reason when its output cannot be written', () => {
  for (const words of ['--help', '--json help', '--version', 'list', '--json list', 'completion bash']) {
    const { status, stderr } = spawnSync('sh', ['-c', `"$0" ${words} >/dev/full`, launcher], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, HOME: directory },
    });
    assert.equal(status, 1, words);
    assert.match(stderr, /cannot write the output\n {2}why: {2}ENOSPC|"output\.failed"/, words);
  }
});

test('uses the bundle until a source is newer', () => {
  const project = join(directory, 'bundled');
  const fakeNode = join(project, 'node_modules/.bin/node');
  const [source, bundle] = [join(project, 'src/cli/main.ts'), join(project, 'dist/cli/main.js')];
  for (const path of [fakeNode, source, bundle, join(project, 'bin/holdfast')])
    mkdirSync(dirname(path), { recursive: true });
  copyFileSync(launcher, join(project, 'bin/holdfast'));
  writeFileSync(fakeNode, '#!/bin/sh\necho "$1"\n', { mode: 0o755 });
  for (const path of [source, 'package.json', 'package-lock.json']) writeFileSync(resolve(project, path), '');
  const started = () => launch(join(project, 'bin/holdfast'), 'list').stdout.trim();
  assert.equal(started(), source);
  writeFileSync(bundle, '');
  const at = (path: string, seconds: number) => utimesSync(resolve(project, path), seconds, seconds);
  for (const path of [source, 'src', 'src/cli', 'package.json', 'package-lock.json']) at(path, 1000);
  at(bundle, 2000);
  assert.equal(started(), bundle);
  for (const path of [source, 'src/cli', 'package-lock.json']) {
    at(path, 3000);
    assert.equal(started(), source, path);
    at(path, 1000);
  }
});

test('ends silently when its output is closed', () => {
  const script = '"$0" --help | head -c 1 >/dev/null; echo "$PIPESTATUS"';
  const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', script, launcher], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, HOME: directory },
  });
  assert.equal(stderr, '');
  assert.match(stdout, /^(0|141)\n$/);
});
