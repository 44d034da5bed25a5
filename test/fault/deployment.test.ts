import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { takeLock } from '../../src/base/lock.ts';
import { run } from '../../src/base/process.ts';
import { type Progress, silent } from '../../src/base/progress.ts';
import { type Bytes, GiB, MiB } from '../../src/base/size.ts';
import { readBootState } from '../../src/firmware/boot.ts';
import { readVariableStore } from '../../src/firmware/store-file.ts';
import { createMachine, type DeployRequest } from '../../src/lifecycle/create.ts';
import { defaults } from '../../src/machine/limits.ts';
import { Machine } from '../../src/machine/machine.ts';
import { type Home, homeAt, machinePaths, parseMachineName } from '../../src/machine/paths.ts';
import { type KeyPair, keyPair } from '../../src/release/keys.ts';
import { storedBaseImage } from '../../src/release/store.ts';
import { machineHardware } from '../../src/supervisor/hardware.ts';
import { makeFakeRelease } from '../support/fake-release.ts';

let scratch: string;
let keys: string;
let key: KeyPair;
let release: string;
let homes = 0;
const name = parseMachineName('gateway-1');

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'holdfast-deploy-'));
  keys = join(scratch, 'keys');
  [key] = await Promise.all([keyPair(keys, 'release'), keyPair(keys, 'platform')]);
  release = join(scratch, 'release');
  await makeFakeRelease(release, key);
});
after(() => rm(scratch, { recursive: true }));

function newHome(): Home {
  return { ...homeAt(join(scratch, `h${++homes}`)), keys };
}

function request(home: Home, changes: Partial<DeployRequest> = {}): DeployRequest {
  return {
    machine: new Machine(home, name),
    settings: defaults,
    release,
    progress: silent,
    signal: new AbortController().signal,
    ...changes,
  };
}

/** Interrupts when a step begins. */
function interruptAt(title: string): Pick<DeployRequest, 'progress' | 'signal'> {
  const controller = new AbortController();
  const progress: Progress = {
    step: (each, work) => {
      if (each === title) controller.abort(new Error('interrupted'));
      return silent.step(each, work);
    },
  };
  return { progress, signal: controller.signal };
}

/** Returns the remains of machines and releases, except for locks, which have no content. */
function leftIn(home: Home): string[] {
  return [home.machines, home.releases]
    .flatMap((directory) => (existsSync(directory) ? readdirSync(directory) : []))
    .filter((entry) => !entry.endsWith('.lock'));
}

async function diskUse(directory: string): Promise<number> {
  const { stdout } = await run('du', ['--summarize', '--block-size=1', directory]);
  return Number.parseInt(stdout.toString(), 10);
}

test('a machine has all its parts, private and small', async () => {
  const home = newHome();
  const settings = { ...defaults, dataSize: (3 * GiB) as Bytes, transport: 'tcp' } as const;
  const configuration = await createMachine(request(home, { settings }));
  assert.deepEqual(await new Machine(home, name).configuration(), configuration);
  const files = machinePaths(home, name);
  const hardware = machineHardware(files, configuration, storedBaseImage(home, configuration.release));
  assert.ok(existsSync(hardware.base ?? ''));
  for (const path of [hardware.disk, hardware.variables, ...Object.values(hardware.credentials)])
    assert.ok(existsSync(path), path);
  for (const path of [
    hardware.variables,
    files.configuration,
    hardware.credentials['holdfast.host-key'] ?? '',
  ])
    assert.equal(statSync(path).mode & 0o777, 0o600, path);
  for (const path of [files.directory, files.secrets, home.machines])
    assert.equal(statSync(path).mode & 0o777, 0o700, path);
  assert.equal(readFileSync(hardware.credentials['system.hostname'] ?? '', 'utf8'), name);
  assert.match(readFileSync(hardware.credentials['system.machine_id'] ?? '', 'utf8'), /^[0-9a-f]{32}$/);
  assert.ok(hardware.credentials['holdfast.tcp']);
  assert.deepEqual(readBootState(await readVariableStore(files.variables)).order, ['A']);
  const { stdout } = await run('qemu-img', ['info', '--output=json', '--backing-chain', hardware.disk]);
  assert.match(stdout.toString(), new RegExp(`releases/${configuration.release}/base.raw`));
  assert.ok((await diskUse(files.directory)) < 64 * MiB);
});

test('a second machine of a release has its own keys and shares the release', async () => {
  const home = newHome();
  await createMachine(request(home));
  const started = performance.now();
  const second = parseMachineName('gateway-2');
  await createMachine(request(home, { machine: new Machine(home, second) }));
  assert.ok(performance.now() - started < 5000); // the limit of bench/deploy is 2 seconds; here other tests run too
  const secrets = [name, second].map((each) => machinePaths(home, each).secrets);
  for (const file of ['identity', 'guest-host-key', 'machine-id'])
    assert.notDeepEqual(
      ...(secrets.map((directory) => readFileSync(join(directory, file))) as [Buffer, Buffer]),
    );
  assert.equal(readdirSync(home.releases).filter((entry) => entry !== '.lock').length, 1);
});

test('with vsock the guest does not listen on TCP', async () => {
  const home = newHome();
  const configuration = await createMachine(request(home));
  const { credentials } = machineHardware(machinePaths(home, name), configuration, '/nowhere');
  assert.equal(credentials['holdfast.tcp'], undefined);
});

test('an existing machine is left unchanged', async () => {
  const home = newHome();
  await createMachine(request(home));
  const before = readFileSync(machinePaths(home, name).configuration);
  await assert.rejects(createMachine(request(home)), { code: 'machine.exists', exitCode: 1 });
  assert.deepEqual(readFileSync(machinePaths(home, name).configuration), before);
});

test('all settings out of range are reported before anything is created', async () => {
  const home = newHome();
  const settings = { ...defaults, cpus: 0, dataSize: GiB };
  await assert.rejects(createMachine(request(home, { settings })), AggregateError);
  assert.equal(existsSync(home.directory), false);
});

test('a home with a path too long for sockets is rejected', async () => {
  const home = homeAt(join(scratch, 'x'.repeat(100)));
  await assert.rejects(createMachine(request(home)), { code: 'home.too-long', exitCode: 2 });
  assert.equal(existsSync(home.directory), false);
});

test('a second command on the machine names the first in its error', async () => {
  const home = newHome();
  mkdirSync(home.machines, { recursive: true });
  const lock = await takeLock(machinePaths(home, name).lock, 'deploy');
  await assert.rejects(createMachine(request(home)), {
    code: 'lock.held',
    why: new RegExp(`holdfast deploy \\(process ${process.pid}\\)`),
  });
  await lock.release();
});

for (const step of ['Verifying the release', 'Importing the release', 'Creating the machine'])
  test(`Ctrl-C at '${step}' leaves nothing behind, and the next deployment works`, async () => {
    const home = newHome();
    await assert.rejects(createMachine(request(home, interruptAt(step))));
    assert.deepEqual(leftIn(home), []);
    await createMachine(request(home));
  });

test('an interruption keeps the release that another machine runs from', async () => {
  const home = newHome();
  await createMachine(request(home));
  const before = leftIn(home);
  const interrupted = {
    machine: new Machine(home, parseMachineName('gateway-2')),
    ...interruptAt('Creating the machine'),
  };
  await assert.rejects(createMachine(request(home, interrupted)), /interrupted/);
  assert.deepEqual(leftIn(home), before);
});

test('the next deployment removes the remains of a killed one', async () => {
  const home = newHome();
  const script = `
    import { createMachine } from '${join(import.meta.dirname, '../../src/lifecycle/create.ts')}';
    const progress = { step: (title, work) => {
      if (title === 'Creating the machine') setTimeout(() => process.kill(process.pid, 'SIGKILL'), 30);
      return work({ update() {}, note() {} });
    } };
    await createMachine({ ...JSON.parse(process.argv[1]), progress, signal: new AbortController().signal });
  `;
  const parts = JSON.stringify(request(home));
  const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', script, parts], {
    stdio: 'inherit',
  });
  const [, signal] = await once(child, 'close');
  assert.equal(signal, 'SIGKILL');
  assert.ok(leftIn(home).includes(`.${name}`), 'it was killed too early to leave anything');
  await createMachine(request(home));
  assert.deepEqual(
    leftIn(home).filter((entry) => entry.startsWith('.')),
    [],
  );
});

test('a damaged release and one with another key leave nothing behind', async () => {
  const damaged = join(scratch, 'damaged');
  await makeFakeRelease(damaged, key, 'd');
  await truncate(join(damaged, 'holdfast.efi'), 10);
  const foreign = join(scratch, 'foreign');
  await makeFakeRelease(foreign, await keyPair(join(scratch, 'foreign-keys'), 'release'), 'f');
  for (const [directory, code] of [
    [damaged, 'release.damaged'],
    [foreign, 'release.signature'],
    [scratch, 'release.none'],
  ] as const) {
    const home = newHome();
    await assert.rejects(createMachine(request(home, { release: directory })), { code, exitCode: 1 });
    assert.deepEqual(leftIn(home), []);
  }
});

test('a damaged machine configuration keeps all releases', async () => {
  const home = newHome();
  await createMachine(request(home));
  writeFileSync(machinePaths(home, name).configuration, 'x');
  const releases = readdirSync(home.releases);
  const interrupted = {
    machine: new Machine(home, parseMachineName('gateway-2')),
    ...interruptAt('Creating the machine'),
  };
  await assert.rejects(createMachine(request(home, interrupted)), /interrupted/);
  assert.deepEqual(readdirSync(home.releases), releases);
});

/**
 * Deploys in a process of its own that `wrap`, a shell script ending in `"$@"`, has prepared; in a user and
 * mount namespace, where it may mount without root.
 * @returns the error's code and texts, and the remains of machines and releases.
 */
async function deployIn(home: Home, wrap: string) {
  const script = `
    import { readdirSync } from 'node:fs';
    import { createMachine } from '${join(import.meta.dirname, '../../src/lifecycle/create.ts')}';
    const request = JSON.parse(process.argv[1]);
    const progress = { step: (title, work) => work({ update() {}, note() {} }) };
    await createMachine({ ...request, progress, signal: new AbortController().signal }).catch((error) => {
      const { machines, releases } = request.machine.home;
      const left = [machines, releases].flatMap((directory) => readdirSync(directory)).filter((name) => !name.endsWith('.lock'));
      console.log(JSON.stringify({ code: error.code, text: [error.message, error.why].join(': '), left }));
    });
  `;
  mkdirSync(home.directory, { recursive: true });
  const command = [process.execPath, '--input-type=module-typescript', '--eval', script];
  const { stdout } = await run('unshare', [
    ...['--map-root-user', '--mount', 'sh', '-c', wrap, 'sh'],
    ...[...command, JSON.stringify(request(home))],
  ]);
  return JSON.parse(stdout.toString());
}

test('without QEMU the error names the missing program, and nothing is left behind', async () => {
  const home = newHome();
  // a private mount of an empty file over qemu-img: a host without it, for this process alone
  const result = await deployIn(home, 'mount --bind /dev/null "$(command -v qemu-img)" && exec "$@"');
  assert.match(result.text, /qemu-img/);
  assert.deepEqual(result.left, []);
});

for (const [size, purpose] of [
  ['3m', 'the release'],
  ['30m', 'the machine'],
])
  test(`a disk too small for ${purpose} is reported before it is filled`, async () => {
    const home = newHome();
    const wrap = `mount -t tmpfs -o size=${size},mode=0700 tmpfs '${home.directory}' && exec "$@"`;
    const result = await deployIn(home, wrap);
    assert.equal(result.code, 'disk.full');
    assert.match(result.text, new RegExp(`not enough disk space for ${purpose}`));
    assert.deepEqual(result.left, []);
  });

test('a failing write leaves nothing behind', async () => {
  const home = newHome();
  const result = await deployIn(home, 'ulimit -f 4096 && exec "$@"');
  assert.match(result.text, /EFBIG|SIGXFSZ|too large/i);
  assert.deepEqual(result.left, []);
});
