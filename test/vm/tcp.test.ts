import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { basename } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '../../src/base/process.ts';
import { readProcess } from '../../src/base/process-table.ts';
import { replaceAllowed } from '../../src/guest/firewall.ts';
import { parseService } from '../../src/guest/firewall-rule.ts';
import type { MachineStatus } from '../../src/lifecycle/status.ts';
import { Machine } from '../../src/machine/machine.ts';
import { machinePaths, parseMachineName } from '../../src/machine/paths.ts';
import { guestOf } from '../../src/supervisor/guest.ts';
import { processesOfAll } from '../support/processes.ts';
import { askGuest, asRoot } from '../support/vm/guest.ts';
import { builtRelease, expectDone, holdfast, home } from '../support/vm/machine.ts';
import { addNeighbours, connectFrom, neighbour, removeNeighbours } from '../support/vm/neighbours.ts';

/*
 * The alternative to channels over vsock: a TCP port for each, and few connections a minute to that of users. The machine also has
 * every size other than the default.
 */

const name = parseMachineName('tcp');
const files = machinePaths(home, name);
const sizes = ['--cpus', '2', '--memory', '1200MB', '--data-size', '3GB', '--log-size', 'large'];

before(async () => {
  await expectDone([
    'deploy',
    '--machine',
    name,
    '--release',
    await builtRelease(),
    '--transport',
    'tcp',
    ...sizes,
  ]);
});
after(async () => {
  await expectDone(['remove', '--yes', '--machine', name]);
});

test('the machine has the requested sizes', async () => {
  const { cpus, memory, data, log } = await askGuest(name, {
    cpus: 'nproc',
    memory: 'grep MemTotal /proc/meminfo',
    data: 'lsblk --bytes --noheadings --output SIZE /dev/vda8',
    log: 'lsblk --bytes --noheadings --output SIZE /dev/vda7',
  });
  assert.equal(cpus, '2');
  const kilobytes = Number(/ (\d+) kB$/.exec(memory)?.[1]);
  assert.ok(kilobytes > 1_100_000 && kilobytes < 1200 * 1024, memory);
  assert.equal(data.trim(), String(3 * 2 ** 30));
  assert.equal(log.trim(), String(6 * 2 ** 30));
});

test('only SSH is reachable, over TCP, from this host only', async () => {
  const { sockets, devices, filter, failed } = await askGuest(name, {
    sockets: 'ss -Hltun',
    devices: 'ls /sys/bus/virtio/drivers/vmw_vsock_virtio_transport',
    filter: 'iptables -S INPUT; ip6tables -S INPUT',
    failed: 'systemctl list-units --failed --plain --no-legend',
  });
  const open = sockets.split('\n').filter((line) => !/^udp .* \S+:(68|546) +\S+$/.test(line));
  assert.ok(open.length > 0);
  for (const line of open) assert.match(line, /^tcp +LISTEN .* \S+:(?:22|222) +\S+$/);
  assert.doesNotMatch(devices, /^virtio\d/m, 'there is a vsock device');
  assert.equal(filter.match(/^-P INPUT DROP$/gm)?.length, 2);
  assert.equal(failed, '');

  const { pid, guest, transport } = await status();
  assert.equal(transport, 'tcp');
  assert.deepEqual(guest?.addresses.slice(0, 1), ['10.0.2.15']);
  assert.match(await expectDone(['status', '--machine', name]), /^address +10\.0\.2\.15 \(tcp\)$/m);
  const { stdout } = await run('ss', ['-Hltnp']);
  const ours = stdout
    .toString()
    .split('\n')
    .filter((line) => line.includes(`pid=${pid},`));
  assert.equal(ours.length, 2, 'one port a channel');
  for (const line of ours) assert.match(line, / 127\.0\.0\.1:\d+ /);
  const daemons = await processesOfAll((argv) => argv.some((word) => word.includes(files.run)));
  const programs = daemons.map(({ argv: [program = ''] }) => basename(program)).toSorted();
  assert.deepEqual(programs, ['qemu-system-x86_64', 'swtpm'], 'no vsock daemon');
});

test('drops the fourth new connection within a minute, and keeps established ones', async () => {
  const { pid } = await status();
  const argv = (await readProcess(pid ?? Number.NaN))?.argv.join(' ') ?? '';
  const port = Number(/hostfwd=tcp:127\.0\.0\.1:(\d+)-:22/.exec(argv)?.[1]);
  await sleep(61_000); // the supervisor's own connection counts too
  const greetings = [];
  for (let count = 0; count < 5; count++) greetings.push(await greeting(port));
  assert.deepEqual(greetings, [
    'SSH-2.0-OpenSSH',
    'SSH-2.0-OpenSSH',
    'SSH-2.0-OpenSSH',
    undefined,
    undefined,
  ]);
  assert.equal((await askGuest(name, { alive: 'echo yes' })).alive, 'yes');
});

/*
 * From several addresses. What a user may not do is done here past the check: a rule for port 22 changes nothing.
 */
test('limits the new connections of each address in a minute, whatever the rules allow', async () => {
  const { code, stderr } = await holdfast(['firewall', 'allow', '--machine', name, 'tcp/1-1024']);
  assert.equal(code, 2);
  assert.match(stderr, /TCP port 222 is a channel/);
  const rule = { service: parseService('tcp/22'), from: undefined, comment: undefined };
  await replaceAllowed(guestOf(new Machine(home, name)), [rule]);

  const [one, other] = [neighbour(1), neighbour(2)];
  await addNeighbours(name, [one, other]);
  const greetings = async (...lines: readonly string[]) =>
    (await asRoot(name, lines.join('\n'))).split('\n').map((line) => line.slice(0, 15));
  const [ssh, silence] = ['SSH-2.0-OpenSSH', 'silence'];
  const again = connectFrom(one, 'ipv4', 22);
  assert.deepEqual(await greetings(again, again, again, again, connectFrom(other, 'ipv4', 22)), [
    ssh,
    ssh,
    ssh,
    silence,
    ssh,
  ]);
  const third = performance.now(); // or a little earlier
  const again6 = connectFrom(one, 'ipv6', 22);
  assert.deepEqual(await greetings(again6, again6, again6, again6), [ssh, ssh, ssh, silence]);
  await sleep(third + 40_000 - performance.now());
  assert.deepEqual(await greetings(again), [silence], 'within the minute');
  await sleep(third + 61_000 - performance.now());
  assert.deepEqual(await greetings(again), [ssh], 'after the minute, although it was tried again meanwhile');
  await removeNeighbours(name, [one, other]);
});

async function status(): Promise<MachineStatus> {
  return JSON.parse(await expectDone(['status', '--machine', name, '--json']));
}

/** What the server says first, or undefined when it is silent. QEMU itself takes any connection. */
async function greeting(port: number): Promise<string | undefined> {
  const socket = connect(port, '127.0.0.1');
  try {
    const [data] = (await once(socket, 'data', { signal: AbortSignal.timeout(12_000) })) as [Buffer];
    return data.toString('latin1', 0, 15);
  } catch {
    return undefined;
  } finally {
    socket.destroy();
  }
}
