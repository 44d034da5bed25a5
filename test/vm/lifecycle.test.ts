import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { run, start } from '../../src/base/process.ts';
import { findProcesses } from '../../src/base/process-table.ts';
import { type MachineStatus, machineStatus } from '../../src/lifecycle/status.ts';
import { hardwareIdentity } from '../../src/machine/hardware-identity.ts';
import { Machine } from '../../src/machine/machine.ts';
import { machinePaths, parseMachineName } from '../../src/machine/paths.ts';
import { releaseManifest } from '../../src/release/manifest.ts';
import { machineIdFile } from '../../src/supervisor/hardware.ts';
import { eventually } from '../support/eventually.ts';
import { asRoot } from '../support/vm/guest.ts';
import { builtRelease, environment, expectDone, holdfast, home, program } from '../support/vm/machine.ts';

/*
 * One machine of its own through all that can happen to it, in order: each test finds it running and leaves it running,
 * the last one excepted.
 */

const name = parseMachineName('lifecycle');
const files = machinePaths(home, name);
const kept = '/var/kept';
const bootId = 'cat /proc/sys/kernel/random/boot_id';

before(async () => {
  await expectDone(['deploy', '--machine', name, '--release', await builtRelease(), '--data-size', '2GB']);
  await asRoot(name, `echo precious > ${kept}; sync`);
});
after(async () => {
  await expectDone(['remove', '--yes', '--machine', name]);
});

/** Without a process of its own: it is asked often while the machine needs the processor. */
async function status(): Promise<MachineStatus> {
  return machineStatus(new Machine(home, name));
}

function supervisors() {
  return findProcesses(
    (argv) => argv.some((word) => /\/supervisor\/main\.[jt]s$/.test(word)) && argv.at(-1) === name,
  );
}

async function supervisorLog(): Promise<string> {
  return readFile(files.supervisorLog, 'utf8');
}

async function until(what: string, condition: () => Promise<boolean>, seconds = 300): Promise<void> {
  await eventually(condition, { within: seconds * 1000, every: 500, what });
}

/** Has root run a command that ends this boot, and waits for the next. */
async function comesBackAfter(command: string): Promise<void> {
  const boot = await asRoot(name, bootId);
  await holdfast(['exec', '--machine', name, '--', 'sudo', ...command.split(' ')]);
  await until('the machine is up again', async () => {
    const { code, stdout } = await holdfast(['exec', '--machine', name, '--', ...bootId.split(' ')]);
    return code === 0 && stdout.trim() !== boot;
  });
  assert.equal(await asRoot(name, `cat ${kept}`), 'precious');
}

/** How far the guest's clock is from ours, in seconds, at least. */
async function clockOffset(): Promise<number> {
  const before = Date.now() / 1000;
  const guest = Number(await asRoot(name, 'date +%s.%N'));
  const after = Date.now() / 1000;
  return guest < before ? before - guest : Math.max(guest - after, 0);
}

test('status reports the running release as in its manifest and in the guest', async () => {
  const text = await readFile(join(await builtRelease(), 'release.json'), 'utf8');
  const manifest = releaseManifest.parse(JSON.parse(text));
  const { state, release, slot, verifiedBoot, guest, dataSize } = await status();
  assert.deepEqual(
    { state, release, slot, verifiedBoot, dataSize },
    { state: 'running', release: manifest.version, slot: 'A', verifiedBoot: true, dataSize: 2 * 1024 ** 3 },
  );
  assert.equal(guest?.rootHash, manifest.root.rootHash);
  assert.ok((guest?.uptime ?? 0) > 1);
  assert.match(
    await expectDone(['list']),
    new RegExp(`^${name} +running +${manifest.version} +A +yes `, 'm'),
  );
});

test('the hardware has an identity of its own', async () => {
  const { uuid, mac } = hardwareIdentity(await readFile(machineIdFile(files.secrets), 'utf8'));
  const seen = await asRoot(name, 'cat /sys/class/dmi/id/product_uuid /sys/class/net/e*/address');
  assert.deepEqual(seen.toLowerCase().split('\n'), [uuid, mac]);
});

test('memory that the guest has freed returns to the host', async () => {
  const { pid } = await status();
  const used = async () => {
    const text = await readFile(`/proc/${pid}/status`, 'utf8');
    return Number(/^RssShmem:\s+(\d+) kB$/m.exec(text)?.[1]) / 1024;
  };
  const before = await used();
  await asRoot(name, 'head -c 300M /dev/zero > /dev/shm/filled');
  const filled = await used();
  await asRoot(name, 'rm /dev/shm/filled');
  assert.ok(filled > before + 100, `${before} MB, then ${filled} MB`);
  await until('most of it is back', async () => (await used()) < filled - 200, 120);
});

test('the clock follows the host without a network', async () => {
  const link = 'ip link set dev "$(basename /sys/class/net/e*)"';
  await asRoot(name, `${link} down; date --utc --set @1000000000 >/dev/null`);
  await until('the clock is set', async () => (await clockOffset()) < 0.5, 120);
  assert.match(await supervisorLog(), /clock was -\d{9,} ms off: set/);
  await asRoot(name, `${link} up`);
});

test('logs shows, follows and archives the journal without secrets', async () => {
  await asRoot(name, 'echo "a line to be found" | systemd-cat; journalctl --sync');
  assert.match(await expectDone(['logs', '--machine', name]), /a line to be found$/m);

  const child = start(program, ['logs', '--follow', '--json', '--machine', name], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: environment,
  });
  const closed = once(child, 'close');
  let followed = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    followed += chunk;
  });
  await until('old lines come', async () => followed.includes('a line to be found'), 60);
  await asRoot(name, 'echo "a new line" | systemd-cat');
  await until('a new line comes', async () => followed.includes('a new line'), 60);
  child.kill('SIGINT');
  assert.deepEqual(await closed, [130, null]);

  const archive = join(home.cache, 'lifecycle-logs.tar.gz');
  await expectDone(['logs', '--archive', archive, '--machine', name]);
  const { stdout } = await run('tar', ['--extract', '--to-stdout', '--file', archive]);
  const content = stdout.toString();
  assert.match(content, /a line to be found/);
  assert.match(content, /^journal\.txt: included$/m);
  for (const file of ['identity', 'guest-host-key']) {
    const secret = await readFile(join(files.secrets, file), 'utf8');
    for (const line of secret.trim().split('\n')) assert.ok(!content.includes(line), `${file} is in it`);
  }
});

test('the next command replaces a killed supervisor', async () => {
  const { pid } = await status();
  const [supervisor, ...others] = await supervisors();
  assert.deepEqual(others, []);
  process.kill(supervisor?.pid ?? Number.NaN, 'SIGKILL');
  assert.equal(await asRoot(name, `cat ${kept}`), 'precious');
  assert.equal((await status()).pid, pid);
});

test('the machine returns after a reboot in the guest, and a log that is followed goes on', async () => {
  const child = start(program, ['logs', '--follow', '--machine', name], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: environment,
  });
  let followed = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    followed += chunk;
  });
  await until('old lines come', async () => followed.includes('a line to be found'), 60);
  await comesBackAfter('systemctl reboot');
  assert.match(await supervisorLog(), /reboot: starting/);
  await asRoot(name, 'echo "a line after the reboot" | systemd-cat');
  await until('a line of the next boot comes', async () => followed.includes('a line after the reboot'), 120);
  child.kill('SIGINT');
});

test('the watchdog resets a hanging system', async () => {
  // two minutes are much to wait for; a process 1 that crashed does nothing any more, but stays
  await asRoot(
    name,
    `systemctl is-system-running --wait
    busctl set-property org.freedesktop.systemd1 /org/freedesktop/systemd1 \
      org.freedesktop.systemd1.Manager RuntimeWatchdogUSec t 5000000`,
  );
  await comesBackAfter('kill -SEGV 1');
  assert.match(await supervisorLog(), /hang: starting/);
  assert.match((await status()).lastCrash?.reason ?? '', /^the guest hung/);
});

test('with a full Data partition the machine is reachable, stops and starts', async () => {
  await asRoot(name, 'fallocate -l 1G /var/fill1; cat /dev/zero > /var/fill2 || true; sync');
  const { guest } = await status();
  assert.ok(guest && guest.data.used / guest.data.size > 0.95, JSON.stringify(guest?.data));
  await expectDone(['restart', '--machine', name]);
  assert.equal(await asRoot(name, `rm /var/fill1 /var/fill2; cat ${kept}`), 'precious');
});

test('signals to all processes shut the guest down; Data grows meanwhile, and keeps its content', async () => {
  const { programs } = await status();
  const ours = [...(await supervisors()), ...programs];
  assert.equal(ours.length, 4);
  for (const { pid } of ours) process.kill(pid ?? Number.NaN, 'SIGTERM');
  await until('the guest is off', async () => (await status()).state === 'stopped', 75);
  assert.match(await supervisorLog(), /SIGTERM: shutting the guest down/);
  await expectDone(['set', '--data-size', '4GB', '--machine', name]);
  await expectDone(['start', '--machine', name]);
  assert.ok(((await status()).guest?.data.size ?? 0) > 3.5 * 1024 ** 3);
  assert.match(await asRoot(name, 'journalctl --boot=-1 --lines=20'), /Journal stopped|Reached target/);
  assert.equal(await asRoot(name, `cat ${kept}`), 'precious');
});

test('the machine comes back when one of its programs is killed, and synced data is not lost', async () => {
  for (const victim of ['vhost-device-vsock', 'QEMU']) {
    const { programs } = await status();
    assert.deepEqual(
      programs.map(({ program, missing }) => [program, missing]),
      [
        ['QEMU', []],
        ['vhost-device-vsock', []],
        ['swtpm', []],
      ],
    );
    const [qemu] = programs;
    process.kill(programs.find(({ program }) => program === victim)?.pid ?? Number.NaN, 'SIGKILL');
    let problem: string | undefined;
    await until(
      `the end of ${victim} shows`,
      async () => {
        ({ problem } = await status());
        return problem?.startsWith(`${victim} has ended unexpectedly`) === true;
      },
      30,
    );
    await until(`the machine is back after ${victim}`, async () => {
      const now = await status();
      return now.state === 'running' && now.pid !== qemu?.pid && now.problem === undefined;
    });
    assert.equal(await asRoot(name, `cat ${kept}`), 'precious');
  }
  assert.match(await supervisorLog(), /vhost-device-vsock has ended: restarting the machine/);
});

test('a guest that halts is switched off; a stop during boot shuts the guest down', async () => {
  await holdfast(['exec', '--machine', name, '--', 'sudo', 'systemctl', 'halt']);
  await until('the halted guest is off', async () => (await status()).state === 'stopped', 90);
  assert.match(await supervisorLog(), /the guest has halted: switching its power off/);
  const starting = holdfast(['start', '--machine', name]);
  await until('it boots', async () => (await status()).state === 'booting', 30);
  await expectDone(['stop', '--machine', name]);
  const { code, stderr } = await starting;
  assert.equal(code, 1);
  assert.match(stderr, /stopped before it was ready/);
  assert.equal((await status()).state, 'stopped');
  assert.match(await supervisorLog(), /shutdown: stopped\n.*supervisor ends: stopped\n$/);
});
