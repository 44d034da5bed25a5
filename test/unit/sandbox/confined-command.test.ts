import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type ConfinedProgram,
  type Confinement,
  confinedCommand,
} from '../../../src/sandbox/confined-command.ts';
import { covers, machineUsers } from '../../../src/sandbox/machine-user.ts';
import { missingProtections } from '../../../src/sandbox/protection.ts';
import { reportedProcess } from '../../../src/sandbox/start-confined.ts';

const program: ConfinedProgram = {
  program: '/usr/bin/swtpm',
  args: ['socket'],
  readable: ['/home/r/base.raw'],
  writable: ['/home/m/one/tpm/state'],
  devices: ['/dev/kvm'],
  network: false,
};
const root: Confinement = { isRoot: true, user: 1879048200, groups: [104], bubblewrap: '/usr/bin/bwrap' };
const bare = { ...root, user: undefined, groups: [], bubblewrap: undefined };

test('root gives a program namespaces, a user and groups, and takes all privileges away', () => {
  const words = confinedCommand(program, root);
  const text = words.join(' ');
  assert.match(
    text,
    /^\/usr\/bin\/env --block-signal=HUP,INT,TERM \/usr\/bin\/bwrap --info-fd 3 --unshare-pid --as-pid-1 /,
  );
  for (const option of ['--unshare-net', '--unshare-ipc', '--new-session', '--remount-ro /'])
    assert.ok(text.includes(option), option);
  assert.match(text, / -- \/usr\/bin\/setpriv --reuid 1879048200 --regid 1879048200 --groups 104 /);
  assert.match(text, / --bounding-set=-all .*--no-new-privs \/usr\/bin\/swtpm socket$/);
});

test('a program sees its own files at their paths, below directories that it can pass', () => {
  const text = confinedCommand(program, root).join(' ');
  assert.ok(text.includes('--ro-bind /home/r/base.raw /home/r/base.raw'));
  assert.ok(text.includes('--bind /home/m/one/tpm/state /home/m/one/tpm/state'));
  assert.ok(text.includes('--dev-bind-try /dev/kvm /dev/kvm'));
  const [one, all] = ['--perms 0755 --dir /home/m/one/tpm', '--perms 0755 --dir /home'];
  assert.ok(text.includes(all) && text.indexOf(all) < text.indexOf(one), 'from above');
  assert.ok(!text.includes('--dir /home/m/one/tpm/state'));
  for (const path of ['/etc', '/proc', '/sys', '/run', '/tmp'])
    assert.ok(!confinedCommand(program, root).includes(path), path);
});

test('only a program that uses the network has that of the host', () => {
  assert.ok(!confinedCommand({ ...program, network: true }, root).includes('--unshare-net'));
});

test('another user gives a program namespaces; without them, both still give up privileges', () => {
  const words = confinedCommand(program, { ...root, isRoot: false, user: undefined, groups: [] });
  assert.ok(!words.includes('/usr/bin/setpriv'), 'bwrap does it');
  assert.deepEqual(confinedCommand(program, { ...bare, isRoot: false }), [
    ...['/usr/bin/env', '--block-signal=HUP,INT,TERM'],
    ...['/usr/bin/setpriv', '--no-new-privs', '/usr/bin/swtpm', 'socket'],
  ]);
  const [, , first, ...others] = confinedCommand(program, bare);
  assert.equal(first, '/usr/bin/setpriv');
  assert.ok(others.includes('--bounding-set=-all') && !others.includes('--reuid'));
});

test('the IDs of machines must be mapped completely', () => {
  const { first, count } = machineUsers;
  assert.ok(covers('         0          0 4294967295\n', first, count));
  assert.ok(!covers('         0     100000      65536\n', first, count));
  assert.ok(!covers(`0 0 ${first + count - 1}\n`, first, count));
  assert.ok(!covers('', first, count));
});

test("bwrap's report is read in pieces", () => {
  const report = '{\n    "child-pid": 1763,\n    "mnt-namespace": 4026532176\n}\n';
  assert.equal(reportedProcess(report), 1763);
  assert.equal(
    reportedProcess(report.slice(0, report.indexOf('63'))),
    undefined,
    'the number is not complete',
  );
  assert.equal(reportedProcess(''), undefined);
});

test('a process lacks what its status does not show', () => {
  const status = (uid: number, effective: string, bounding: string, gains: number, pids: string) =>
    `Name:\tx\nUid:\t${uid}\t${uid}\t${uid}\t${uid}\nNSpid:\t${pids}\nCapPrm:\t${effective}\nCapEff:\t${effective}\nCapBnd:\t${bounding}\nNoNewPrivs:\t${gains}\n`;
  const none = '0000000000000000';
  const some = '0000000000000400';
  const own = status(0, some, some, 0, '7');
  assert.deepEqual(missingProtections(status(5, none, none, 1, '9\t1'), own), []);
  assert.deepEqual(missingProtections(status(5, none, some, 1, '9\t1'), own), [], 'it cannot gain them');
  assert.deepEqual(missingProtections(status(5, none, some, 0, '9\t1'), own), [
    'capabilities',
    'no_new_privs',
  ]);
  assert.deepEqual(missingProtections(status(0, none, none, 1, '9'), own), ['user', 'namespaces']);
  assert.deepEqual(missingProtections(status(5, some, none, 1, '9\t1'), own), ['capabilities']);
});
