import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, test } from 'node:test';
import { exists } from '../../src/base/files.ts';
import { silent } from '../../src/base/progress.ts';
import { ownerText } from '../../src/cli/commands/release/build.ts';
import { commonFlags } from '../../src/cli/framework/common-flags.ts';
import { printOn } from '../../src/cli/framework/output.ts';
import { report } from '../../src/cli/framework/report.ts';
import { understand } from '../../src/cli/program.ts';
import { commands } from '../../src/cli/registry.ts';
import { createMachine } from '../../src/lifecycle/create.ts';
import { lossOf } from '../../src/lifecycle/remove.ts';
import { defaults } from '../../src/machine/limits.ts';
import { Machine } from '../../src/machine/machine.ts';
import { homeAt, parseMachineName } from '../../src/machine/paths.ts';
import { keyPair } from '../../src/release/keys.ts';
import { prepareStart } from '../../src/supervisor/prepare-start.ts';
import { signRelease } from '../support/fake-release.ts';
import { checkJsonOutput } from '../support/json-output.ts';
import { type FakeRelease, Workshop } from '../support/repository.ts';

/*
 * Checks the output of commands with `--json` where no machine runs, against their declared types. The tests
 * with machines check all others in the same way: test/support/vm/machine.ts.
 */

const shop = await Workshop.open();
after(() => shop.close());
const home = homeAt(join(shop.directory, 'home'));
await mkdir(home.keys, { recursive: true, mode: 0o700 });
await symlink(join(shop.directory, 'release-keys/release'), join(home.keys, 'release'));
await symlink(shop.keys, join(home.keys, 'repository'));
await keyPair(home.keys, 'platform');

const older = await releaseWith('13.1', [1, 2, 3, 4], ['curl', '1']);
const newer = await releaseWith('13.2', [1, 2, 3, 5], ['wget', '2']);
const machine = new Machine(home, parseMachineName('default'));
await createMachine({
  ...{ machine, settings: defaults, release: older.directory, progress: silent },
  signal: new AbortController().signal,
});

async function releaseWith(
  version: string,
  blocks: readonly number[],
  [name, packageVersion]: readonly [string, string],
): Promise<FakeRelease> {
  const { directory, manifest } = await shop.release(version, blocks);
  const names = { name, version: packageVersion, source: name, sourceVersion: packageVersion };
  const packages = [{ ...names, architecture: 'all', takenOut: false }];
  const lock = { format: 1, suite: 'trixie', sourceDateEpoch: 1_795_305_600, packages };
  const bytes = Buffer.from(JSON.stringify(lock));
  await writeFile(join(directory, 'packages.json'), bytes);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const changed = { ...manifest, packages: { ...manifest.packages, size: bytes.length, sha256 } };
  await signRelease(directory, changed, shop.key);
  return { directory, manifest: changed as typeof manifest };
}

/** Runs a command with `--json` in this process and checks what it prints; returns its result, parsed. */
async function holdfast(code: number, ...words: string[]): Promise<Record<string, unknown> | undefined> {
  const all = ['--json', ...words];
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const ended = await runHere(all, stdout, stderr);
  const printed = { code: ended, stdout: textOf(stdout), stderr: textOf(stderr) };
  assert.equal(ended, code, `holdfast ${words.join(' ')}: ${printed.stdout}${printed.stderr}`);
  await checkJsonOutput(all, printed);
  return printed.stdout === '' ? undefined : JSON.parse(printed.stdout);
}

/** As src/cli/main.ts does, which takes a third of a second to start. */
async function runHere(words: readonly string[], stdout: PassThrough, stderr: PassThrough): Promise<number> {
  let exitCode = 0;
  try {
    const understood = await understand(words, () => {});
    assert.ok('command' in understood);
    await understood.command.run(understood.given, {
      machine: new Machine(home, commonFlags.machine.read(understood.common.machine)),
      json: true,
      home,
      commands,
      progress: silent,
      output: printOn(stdout, true),
      streams: process,
      signal: new AbortController().signal,
      exitWith: (code) => {
        exitCode = code;
      },
    });
    return exitCode;
  } catch (error) {
    return report(error, stderr, true);
  }
}

function textOf(stream: PassThrough): string {
  return String(stream.read() ?? '');
}

test('a machine that is off', async () => {
  assert.equal((await holdfast(0, 'status'))?.machine, 'default');
  assert.ok(Array.isArray((await holdfast(0, 'list'))?.machines));
  assert.equal((await holdfast(0, 'stop'))?.changed, false);
  assert.equal((await holdfast(0, 'set', '--repository', shop.directory))?.changed, true);
  assert.equal((await holdfast(0, 'update', 'status'))?.committedSlot, 'A');
  assert.equal((await holdfast(0, 'verity', 'status'))?.configured, 'on');
  assert.equal((await holdfast(0, 'verity', 'disable', '--yes'))?.active, null);
  assert.equal((await holdfast(0, 'verity', 'enable'))?.changed, true);
  assert.equal((await holdfast(0, 'ipe', 'status'))?.active, null);
  assert.equal((await holdfast(0, 'ipe', 'enforce'))?.configured, 'enforce');
  assert.equal((await holdfast(0, 'tpm', 'status'))?.enabled, false);
  assert.equal((await holdfast(0, 'tpm', 'enable', '--yes', '--device', '/nowhere'))?.device, '/nowhere');
  assert.equal((await holdfast(0, 'tpm', 'disable'))?.changed, true);
  assert.ok((await holdfast(0, 'logs', '--archive', join(shop.directory, 'logs.tar.gz')))?.contents);
});

test('releases and repositories', async () => {
  const rotated = await holdfast(0, 'release', 'keys', 'rotate', '--role', 'targets');
  assert.deepEqual(rotated?.rotated, ['targets']);
  await holdfast(0, 'release', 'publish', older.directory, '--repository', shop.repository);
  const published = await holdfast(0, 'release', 'publish', newer.directory, '--repository', shop.repository);
  assert.equal(published?.version, '13.2');
  await holdfast(0, 'release', 'bundle', newer.directory, '--out', join(shop.directory, 'bundle'));
  const check = await holdfast(0, 'update', 'check', '--from', shop.repository);
  assert.deepEqual([check?.runningVersion, check?.offeredVersion], ['13.1', '13.2']);
  const preview = await holdfast(0, 'update', 'apply', '--dry-run', '--from', shop.repository);
  assert.deepEqual([preview?.runningVersion, preview?.version], ['13.1', '13.2']);
  await holdfast(0, 'update', 'stage', '--dry-run', '--from', newer.directory);
  const pruned = await holdfast(0, 'release', 'prune', '--repository', shop.repository, '--keep', '1');
  assert.equal(pruned?.kept, 1);
  await holdfast(2, 'release', 'prune', '--repository', shop.repository, '--keep', '0');
});

test('the host', async () => {
  const { checks } = (await holdfast(0, 'doctor')) ?? {};
  assert.ok(Array.isArray(checks));
  assert.equal((await holdfast(0, 'completion', 'bash'))?.shell, 'bash');
});

test('errors', async () => {
  await holdfast(1, 'status', '--machine', 'absent');
  await holdfast(1, 'exec', '--', 'true');
  await holdfast(1, 'firewall', 'list');
  await holdfast(1, 'attest');
  await holdfast(1, 'attest', 'trust');
  await holdfast(1, 'recovery');
  await holdfast(2, 'deploy', '--cpus', '0', '--memory', '1MB');
  await holdfast(2, 'verity', 'disable', '--no-such');
  await holdfast(2, 'release', 'keys', 'init', '--threshold', 'x');
  await holdfast(2, 'no-such');
});

test('the attestation key of a machine that is off', async () => {
  assert.deepEqual((await holdfast(0, 'tpm', 'status'))?.unguarded, []);
  const made = await holdfast(0, 'attest', 'enrol');
  assert.deepEqual([made?.changed, made?.before, made?.cleared], [true, undefined, false]);
  assert.equal((await holdfast(0, 'attest', 'enrol'))?.changed, false);
  // authorizations that the host does not know
  const path = join(machine.paths.tpm, 'authorizations.json');
  const saved = JSON.parse(await readFile(path, 'utf8'));
  await writeFile(path, JSON.stringify({ ...saved, owner: saved.lockout, foreign: ['owner'] }));
  assert.match(String((await holdfast(0, 'tpm', 'status'))?.unguarded), /owner.*attest enrol/);
  await holdfast(2, 'attest', 'enrol'); // without --yes
  const cleared = await holdfast(0, 'attest', 'enrol', '--yes');
  assert.deepEqual(
    [cleared?.changed, cleared?.cleared, cleared?.needsRecovery, cleared?.before],
    [true, true, false, made?.fingerprint],
  );
  assert.equal(cleared?.fingerprint, made?.fingerprint);
  assert.deepEqual((await holdfast(0, 'tpm', 'status'))?.unguarded, []);
  assert.match(String((await holdfast(0, 'attest', 'trust'))?.attestationKey), /PUBLIC KEY/);
});

test('a release that is gone from the store is named, and can be brought back', async () => {
  const { release } = await machine.configuration();
  await rm(join(home.releases, release), { recursive: true });
  const gone = await holdfast(0, 'status');
  assert.match(String(gone?.problem), new RegExp(`gone from the store.*${release}.*release import`));
  const log = new PassThrough();
  await assert.rejects(
    prepareStart(machine, (line) => log.write(line)),
    { code: 'release.gone' },
  );
  assert.equal((await holdfast(0, 'release', 'import', older.directory))?.digest, release);
  assert.equal((await holdfast(0, 'status'))?.problem, undefined);
  await prepareStart(machine, (line) => log.write(line));
});

test('a build with sudo says whose the release is', () => {
  assert.match(
    ownerText('/root/x', { SUDO_USER: 'ada' }),
    /belong to root, in \/root\/x: deploy with sudo, too, as ada/,
  );
  assert.equal(ownerText('/root/x', { SUDO_USER: 'root' }) + ownerText('/root/x', {}), '');
});

test('a damaged machine, and none', async () => {
  const text = await readFile(machine.paths.configuration);
  await writeFile(machine.paths.configuration, '{');
  await holdfast(1, 'list');
  await writeFile(machine.paths.configuration, text);
  await holdfast(2, 'remove'); // would ask, and --json is no terminal
  assert.ok(await exists(machine.paths.disk));
  assert.match(await lossOf(machine), /^'default' loses its disk \(\d.* on this host\) with all data/);
  assert.equal((await holdfast(0, 'remove', '--yes'))?.changed, true);
  assert.equal((await holdfast(0, 'remove'))?.changed, false); // nothing to lose, nothing to ask
});

test('detects an undeclared key, a wrong value, and text', async () => {
  const words = ['remove', '--json'];
  const printed = (stdout: string, stderr = '') => checkJsonOutput(words, { code: 0, stdout, stderr });
  await printed('{"machine":"default","changed":true}\n');
  for (const wrong of [
    '{"machine":"default","changed":true,"more":1}\n',
    '{"machine":"default","changed":"yes"}\n',
    '{"machine":"default"}\n',
    'default was removed\n',
    '{"machine":"default","changed":true}\nmore\n',
  ]) {
    await assert.rejects(printed(wrong), wrong);
  }
  await assert.rejects(printed('', '{"errors":[]}\n'));
  await assert.rejects(printed('', '{"errors":[{"code":"no.such","message":"x"}]}\n'));
});
