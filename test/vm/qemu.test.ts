import assert from 'node:assert/strict';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { after, test } from 'node:test';
import { HoldfastError } from '../../src/base/errors.ts';
import { exists, makePrivateDirectory } from '../../src/base/files.ts';
import { run, start, started } from '../../src/base/process.ts';
import { isGone, killProcess, readProcess } from '../../src/base/process-table.ts';
import { GiB, MiB } from '../../src/base/size.ts';
import { debian } from '../../src/debian/debian.ts';
import { connectNbd } from '../../src/disk/nbd.ts';
import type { MachineHardware } from '../../src/hypervisor/hypervisor.ts';
import { qemuArguments } from '../../src/hypervisor/qemu/arguments.ts';
import { prepareFiles } from '../../src/hypervisor/qemu/confined-programs.ts';
import { freePort, startSwtpm } from '../../src/hypervisor/qemu/launch.ts';
import { platform } from '../../src/hypervisor/qemu/platforms.ts';
import { qemuHypervisor } from '../../src/hypervisor/qemu/qemu.ts';
import { connectQmp } from '../../src/hypervisor/qemu/qmp.ts';
import { earlierRunFiles, runFiles } from '../../src/hypervisor/qemu/run-directory.ts';
import { chooseConfinement } from '../../src/sandbox/confinement.ts';
import { makeVirtualTpm, virtualTpmState } from '../../src/tpm/virtual/virtual-tpm.ts';
import { eventually } from '../support/eventually.ts';
import { processesOfAll } from '../support/processes.ts';
import { home } from '../support/vm/machine.ts';

/*
 * Machines with an empty disk: their firmware runs and finds nothing to boot. That is enough to see processes come and
 * go, and takes a second per machine instead of a boot.
 */

await makePrivateDirectory(home.directory);
const directory = await mkdtemp(join(home.directory, 'qemu-'));
const hypervisor = qemuHypervisor({
  tools: home.tools,
  acceleratorMemory: join(directory, 'accelerator.json'),
  distribution: debian,
});
after(async () => {
  for (const entry of await processesOfAll((argv) => argv.some((word) => word.includes(directory))))
    await killProcess(entry);
  await rm(directory, { recursive: true });
});

const emptyVariables = '/usr/share/OVMF/OVMF_VARS_4M.fd';

async function emptyMachine(name: string, changes: Partial<MachineHardware> = {}): Promise<MachineHardware> {
  const path = join(directory, name);
  await mkdir(path);
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', join(path, 'disk.qcow2'), '64M']);
  await copyFile(emptyVariables, join(path, 'variables.fd'));
  await writeFile(join(path, 'secret'), 'a secret', { mode: 0o600 });
  await makeVirtualTpm(join(path, 'tpm'));
  return {
    name,
    cpus: 1,
    memory: (256 * MiB) as MachineHardware['memory'],
    disk: join(path, 'disk.qcow2'),
    base: undefined,
    variables: join(path, 'variables.fd'),
    credentials: { 'test.secret': join(path, 'secret') },
    transport: 'vsock',
    tpm: virtualTpmState(join(path, 'tpm')),
    run: join(path, 'run'),
    consoleLog: join(path, 'console.log'),
    ...changes,
  };
}

/** The processes of a machine, found without the code under test. */
async function processesOf(hardware: MachineHardware): Promise<string[]> {
  const found = await processesOfAll((argv) => argv.some((word) => word.includes(hardware.run)));
  return found.map(({ argv }) => basename(argv[0] ?? '')).sort();
}

/** A hypervisor in a process of its own, which is killed while its machine runs. */
async function startByAnother(hardware: MachineHardware): Promise<void> {
  const source = `
    import { qemuHypervisor } from ${JSON.stringify(join(import.meta.dirname, '../../src/hypervisor/qemu/qemu.ts'))};
    import { debian } from ${JSON.stringify(join(import.meta.dirname, '../../src/debian/debian.ts'))};
    const files = ${JSON.stringify({ tools: home.tools, acceleratorMemory: join(directory, 'accelerator.json') })};
    await qemuHypervisor({ ...files, distribution: debian })
      .start(${JSON.stringify(hardware)});
    process.kill(process.pid, 'SIGKILL');`;
  const child = start(process.execPath, ['--input-type=module-typescript', '--eval', source], {
    stdio: 'inherit',
  });
  await started(child, 'node');
  assert.deepEqual(await once(child, 'exit'), [null, 'SIGKILL']);
}

function isOf(hardware: MachineHardware, argv: readonly string[], program: string): boolean {
  return basename(argv[0] ?? '') === program && argv.some((word) => word.includes(hardware.run));
}

const all = ['qemu-system-x86_64', 'swtpm', 'vhost-device-vsock'];

test('a machine outlives its supervisor, is found again, and leaves nothing when killed', async () => {
  const hardware = await emptyMachine('outlive');
  assert.equal(await hypervisor.adopt(hardware), undefined);
  await startByAnother(hardware);
  assert.deepEqual(await processesOf(hardware), all);
  const machine = await hypervisor.adopt(hardware);
  assert.ok(machine);
  assert.match(machine.accelerator, /^(kvm|tcg)$/);
  assert.ok(Math.abs(machine.startedAt.getTime() - Date.now()) < 60_000);
  const stat = await readFile(`/proc/${machine.pid}/stat`, 'utf8');
  assert.equal(stat.split(') ')[1]?.split(' ')[3], String(machine.pid), 'it leads a session of its own');

  machine.release();
  const again = await hypervisor.adopt(hardware);
  assert.equal(again?.pid, machine.pid);
  await again?.kill();
  assert.equal(await again?.ended, 'killed');
  assert.deepEqual(await processesOf(hardware), []);
  assert.deepEqual((await readdir(hardware.run)).sort(), ['qemu.log', 'tpm.log', 'vsock.log']);
});

test('the disk of a running machine can be read and written until the export is closed', async () => {
  const hardware = await emptyMachine('exported');
  const machine = await hypervisor.start(hardware);
  await (await machine.exportDisk()).close();
  const { socket, name, close } = await machine.exportDisk();
  const disk = await connectNbd(socket, name);
  assert.equal(disk.size, 64 * MiB);
  await disk.write(5 * MiB, Buffer.alloc(8192, 'slot'));
  await disk.flush();
  await close();
  await assert.rejects(disk.read(Buffer.alloc(512), 0), { code: 'disk.device' });
  await assert.rejects(connectNbd(socket, name), { code: 'disk.device' });
  await machine.kill();
  const { stdout } = await run('qemu-io', ['-r', '-c', 'read -v 5242880 16', hardware.disk]);
  assert.match(stdout.toString(), /slotslotslotslot/);
});

test('no secret appears in a process list or stays on disk', async () => {
  const hardware = await emptyMachine('secret');
  const machine = await hypervisor.start(hardware);
  const argv = (await readProcess(machine.pid))?.argv.join(' ') ?? '';
  assert.match(argv, /-smbios/);
  for (const secret of ['a secret', Buffer.from('a secret').toString('base64')])
    assert.ok(!argv.includes(secret));
  assert.ok(!(await readdir(hardware.run)).includes('credentials'));
  await machine.kill();
});

test('a killed QEMU is detected, and its daemon ends', async () => {
  const hardware = await emptyMachine('killed');
  const machine = await hypervisor.start(hardware);
  process.kill(machine.pid, 'SIGKILL');
  assert.equal(await machine.ended, 'killed');
  assert.deepEqual(await processesOf(hardware), []);
  await (await hypervisor.start(hardware)).kill();
});

test('remains of a machine that ended unobserved are removed', async () => {
  const hardware = await emptyMachine('left');
  await startByAnother(hardware);
  const [qemu] = await processesOfAll((argv) => isOf(hardware, argv, platform.program));
  assert.ok(qemu);
  const [tpm] = await processesOfAll((argv) => isOf(hardware, argv, 'swtpm'));
  assert.ok(tpm);
  await killProcess(qemu);
  assert.ok(await isGone(tpm, 5000), 'the TPM ends with QEMU');
  assert.deepEqual(await processesOf(hardware), ['vhost-device-vsock']);
  // what its programs left in their directories does not prevent the next start
  await mkdir(join(runFiles(hardware.run).qemuDirectory, 'left', 'behind'), { recursive: true });
  assert.equal(await hypervisor.adopt(hardware), undefined);
  assert.deepEqual(await processesOf(hardware), []);
  await (await hypervisor.start(hardware)).kill();
});

test('each program of a machine is confined to its own files', async () => {
  const [hardware, other] = [await emptyMachine('confined'), await emptyMachine('neighbour')];
  const machine = await hypervisor.start(hardware);
  const neighbour = await hypervisor.start(other);
  assert.deepEqual(
    machine.programs.map(({ program, missing }) => ({ program, missing })),
    ['QEMU', 'vhost-device-vsock', 'swtpm'].map((program) => ({ program, missing: [] })),
  );
  const files = runFiles(hardware.run);
  const writable = {
    QEMU: [
      hardware.disk,
      hardware.variables,
      hardware.consoleLog,
      files.qemuDirectory,
      files.vsockDevice,
      files.tpm,
    ],
    'vhost-device-vsock': [files.vsockDirectory],
    swtpm: [hardware.tpm?.directory ?? '', files.tpmDirectory],
  };
  const users = new Set<string>();
  for (const { program, pid } of machine.programs) {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    assert.match(status, /^NoNewPrivs:\t1$/m);
    for (const field of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
      assert.match(status, new RegExp(`^${field}:\t0+$`, 'm'), program);
    if (program !== 'vhost-device-vsock') assert.match(status, /^Seccomp:\t2$/m, program);
    users.add(/^Uid:\t(.*)$/m.exec(status)?.[1] ?? '');
    // the view of its root: neither secrets, nor the host, nor the neighbour
    const seen = [
      join(directory, 'confined', 'secret'),
      other.disk,
      hardware.tpm?.key ?? '',
      '/etc/shadow',
      '/root/.ssh',
      '/usr/bin/sh',
      '/proc/1',
    ];
    for (const path of seen)
      assert.equal(await exists(`/proc/${pid}/root${path}`), false, `${program} sees ${path}`);
    const mounts = (await readFile(`/proc/${pid}/mountinfo`, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => line.split(' '));
    const open = mounts
      .filter(([, , , , , options = '']) => options.split(',').includes('rw'))
      .map(([, , , , point = '']) => point);
    const ours: readonly string[] = writable[program as keyof typeof writable];
    assert.deepEqual(open.filter((point) => !point.startsWith('/dev/')).sort(), [...ours].sort(), program);
  }
  assert.equal(users.size, 1, 'the programs of a machine share its user');
  const [pid] = neighbour.programs.map((each) => each.pid);
  assert.ok(!users.has(/^Uid:\t(.*)$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1] ?? ''));
  assert.deepEqual(await readdir(join(hardware.run, 'etc')), ['resolv.conf']);
  await machine.kill();
  await neighbour.kill();
});

test('a TPM without its QEMU is removed, and a killed TPM is noticed, also by the next supervisor', async () => {
  const hardware = await emptyMachine('tpm');
  assert.ok(hardware.tpm);
  await makePrivateDirectory(hardware.run);
  const { confinement } = await chooseConfinement(hardware.disk);
  const files = runFiles(hardware.run);
  await makePrivateDirectory(files.credentials);
  await prepareFiles(hardware, files, confinement);
  await startSwtpm(hardware.tpm, { hardware, files, confinement });
  assert.deepEqual(await processesOf(hardware), ['swtpm']);
  const machine = await hypervisor.start(hardware);
  assert.deepEqual(await processesOf(hardware), all);
  const [tpm] = await processesOfAll((argv) => isOf(hardware, argv, 'swtpm'));
  assert.ok(tpm);
  await killProcess(tpm);
  const killed = performance.now();
  assert.equal(await machine.lost, 'swtpm');
  assert.ok(performance.now() - killed < 5000);
  assert.deepEqual(
    machine.programs.map(({ program, pid }) => pid === undefined && program),
    [false, false, 'swtpm'],
  );
  await assert.rejects(machine.connect('management'), { code: 'channel.refused' });
  machine.release();
  const again = await hypervisor.adopt(hardware);
  assert.equal(again?.pid, machine.pid);
  assert.equal(await again?.lost, 'swtpm');
  await again?.kill();
  assert.deepEqual(await processesOf(hardware), []);
});

test('a machine that an earlier version started, without a sandbox, is found and judged', async () => {
  const hardware = await emptyMachine('earlier');
  await makePrivateDirectory(hardware.run);
  const files = earlierRunFiles(hardware.run);
  const changed = { ...hardware, transport: 'tcp' as const, tpm: undefined };
  const launch = {
    ...{ hardware: changed, accelerator: 'tcg' as const, firmware: platform.firmware },
    ...{ files, oemStrings: [], ports: { management: await freePort(), user: await freePort() } },
  };
  const child = start(platform.program, qemuArguments(launch), { stdio: 'ignore', detached: true });
  child.unref();
  await eventually(() => exists(files.qmp));
  const machine = await hypervisor.adopt(changed);
  assert.equal(machine?.pid, child.pid);
  assert.deepEqual(machine?.programs[0]?.missing, ['user', 'capabilities', 'namespaces']);
  await machine?.kill();
  assert.deepEqual(await readdir(hardware.run), []);
  await (await hypervisor.start(changed)).kill();
});

test('a machine starts once, and a second supervisor is denied', async () => {
  const hardware = await emptyMachine('twice');
  const machine = await hypervisor.start(hardware);
  await assert.rejects(hypervisor.start(hardware), { code: 'hypervisor.running' });
  const { qmp } = runFiles(hardware.run);
  await assert.rejects(connectQmp(qmp, { onEvent: () => {}, timeoutMs: 200 }), { code: 'qmp.timeout' });
  await machine.kill();
});

test('the channel reports a guest that has not booted; a machine without its daemon is started again', async () => {
  const hardware = await emptyMachine('channel');
  const machine = await hypervisor.start(hardware);
  await assert.rejects(machine.connect('management'), { code: 'channel.refused' });
  const [daemon] = await processesOfAll((argv) => isOf(hardware, argv, 'vhost-device-vsock'));
  assert.ok(daemon);
  await killProcess(daemon);
  await assert.rejects(machine.connect('management'), { code: 'vsock.gone' });
  assert.equal(await machine.lost, 'vhost-device-vsock');
  machine.restart();
  // the firmware does not hear the power button: after half a minute the machine is reset
  assert.equal(await machine.ended, 'reboot');
  assert.deepEqual(await processesOf(hardware), []);
});

test('TCP needs no daemon, and the next supervisor finds the ports of a running machine', async () => {
  const hardware = await emptyMachine('tcp', { transport: 'tcp' });
  const machine = await hypervisor.start(hardware);
  assert.deepEqual(await processesOf(hardware), ['qemu-system-x86_64', 'swtpm']);
  machine.release();
  const again = await hypervisor.adopt(hardware);
  // the guest's network is not up: with unknown ports there would be another reason
  for (const name of ['management', 'user'] as const)
    await assert.rejects(again?.connect(name) ?? Promise.resolve(), { why: /its kernel has not started/ });
  await again?.kill();
});

test('a disk in use by another program is an error, and nothing is left behind', async () => {
  const hardware = await emptyMachine('locked');
  const other = await emptyMachine('other', { disk: hardware.disk });
  const machine = await hypervisor.start(hardware);
  await assert.rejects(hypervisor.start(other), { code: 'hypervisor.disk-locked' });
  assert.deepEqual(await processesOf(other), []);
  await machine.kill();
});

test('missing files and impossible settings are reported before anything starts', async () => {
  const hardware = await emptyMachine('missing');
  const cases: [Partial<MachineHardware>, string, RegExp][] = [
    [{ memory: (1024 * 1024 * GiB) as MachineHardware['memory'] }, 'hypervisor.memory', /are available/],
    [{ disk: join(directory, 'none') }, 'hypervisor.start', /No such file/],
    [{ variables: hardware.disk }, 'hypervisor.start', /./],
    [{ run: join(directory, 'x'.repeat(108)) }, 'home.too-long', /107/],
    [{ credentials: { 'a=b': join(directory, 'missing/secret') } }, 'credential.name', /./],
  ];
  for (const [change, code, why] of cases) {
    await assert.rejects(hypervisor.start({ ...hardware, ...change }), (error) => {
      assert.ok(error instanceof HoldfastError);
      assert.equal(error.code, code);
      assert.match(`${error.message} ${error.why}`, why);
      return true;
    });
    assert.deepEqual(await processesOf(hardware), []);
  }
});

test('reports a host without QEMU', async () => {
  const hardware = await emptyMachine('no-qemu');
  const path = process.env.PATH;
  process.env.PATH = directory;
  try {
    await assert.rejects(hypervisor.start(hardware), { code: 'process.missing' });
  } finally {
    process.env.PATH = path;
  }
});
