import assert from 'node:assert/strict';
import { chmod, chown, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { listenPrivately, withSocket } from '../../src/base/private-socket.ts';
import { run } from '../../src/base/process.ts';
import {
  type ConfinedProgram,
  type Confinement,
  confinedCommand,
} from '../../src/sandbox/confined-command.ts';
import { chooseConfinement } from '../../src/sandbox/confinement.ts';
import { isMachineUser, machineUser } from '../../src/sandbox/machine-user.ts';
import { giveDirectory, giveFile } from '../../src/sandbox/owned-files.ts';
import { missingProtections, readMissingProtections } from '../../src/sandbox/protection.ts';
import { startConfined } from '../../src/sandbox/start-confined.ts';
import { eventually } from '../support/eventually.ts';

const directory = await mkdtemp(join(tmpdir(), 'holdfast-sandbox-'));
await chmod(directory, 0o755);
after(() => rm(directory, { recursive: true }));

/** A user without privileges that every Debian has. */
const nobody = 65534;

interface Home {
  /** What the programs of the first machine may write. */
  readonly own: readonly string[];
  /** What they may only read. */
  readonly base: string;
  /** What they must not reach. */
  readonly foreign: readonly string[];
}

/** A home with two machines. All belongs to `owner`, and what the first machine's programs write to `user`. */
async function makeHome(name: string, owner: number, user: number): Promise<Home> {
  const home = join(directory, name);
  const at = (...parts: readonly string[]) => join(home, ...parts);
  for (const each of ['machines/one/run/qemu', 'machines/one/secrets', 'machines/two', 'releases/r', 'keys'])
    await mkdir(at(each), { recursive: true, mode: 0o700 });
  const [disk, base] = [at('machines/one/disk.qcow2'), at('releases/r/base.raw')];
  const foreign = [
    'machines/one/secrets/identity',
    'machines/one/machine.json',
    'machines/two/disk.qcow2',
    'keys/key',
  ];
  for (const path of [disk, base, ...foreign.map((each) => at(each))])
    await writeFile(path, 'content', { mode: 0o600 });
  await chmod(base, 0o644);
  await run('chown', ['-R', `${owner}:${owner}`, home]);
  await giveFile(disk, user);
  await giveDirectory(at('machines/one/run/qemu'), user);
  return { own: [disk, at('machines/one/run/qemu')], base, foreign: foreign.map((each) => at(each)) };
}

/** What a shell inside the sandbox tries: it has no other program. */
const attempt = `
for path in "$@"; do
  (: < "$path") 2>/dev/null && echo "read $path"
  (: >> "$path") 2>/dev/null && echo "wrote $path"
  (: > "$path/planted") 2>/dev/null && echo "planted in $path"
done
for program in /usr/bin/* /usr/sbin/*; do [ -e "$program" ] && echo "has $program"; done
for process in /proc/[0-9]*; do [ -e "$process" ] && echo "sees $process"; done
true`;

const hostPaths = ['/etc/shadow', '/etc/passwd', '/root', '/home', '/tmp', '/var', '/run', '/sys', '/proc'];
const shared = ['/', '/usr/lib', '/dev', '/dev/shm', '/lib'];

function shell(home: Home, script: string, words: readonly string[]): ConfinedProgram {
  return {
    program: '/usr/bin/dash',
    args: ['-c', script, 'sh', ...words],
    readable: [home.base],
    writable: home.own,
    devices: ['/dev/kvm'],
    network: false,
  };
}

/** Runs the command of a confined program with descriptor 3 closed. */
async function runConfined(
  program: ConfinedProgram,
  confinement: Confinement,
  user: number,
): Promise<string[]> {
  const command = confinedCommand(program, confinement).filter(
    (word, index, all) => word !== '--info-fd' && all[index - 1] !== '--info-fd',
  );
  const as =
    user === 0 ? [] : ['setpriv', '--reuid', String(user), '--regid', String(user), '--clear-groups'];
  const [first = '', ...args] = [...as, ...command];
  return (await run(first, args, { timeoutMs: 30_000 })).stdout.toString().trim().split('\n');
}

for (const caller of [0, nobody]) {
  test(`a program of user ${caller} reaches only its own files`, async () => {
    const user = caller === 0 ? 0x7000_0001 : nobody;
    const home = await makeHome(`home-${caller}`, caller, user);
    const { confinement, obstacle } = await chooseConfinement(undefined);
    assert.equal(obstacle, undefined);
    assert.ok(confinement.bubblewrap);
    const own: Confinement = { ...confinement, isRoot: caller === 0, user: caller === 0 ? user : undefined };
    const paths = [...home.own, home.base, ...home.foreign, ...hostPaths, ...shared];
    const done = await runConfined(shell(home, attempt, paths), own, caller);
    const [disk, sockets] = home.own;
    const expected = [
      `read ${disk}`,
      `wrote ${disk}`,
      `read ${sockets}`,
      `planted in ${sockets}`,
      `read ${home.base}`,
    ];
    const programs = ['/usr/bin/dash', ...(caller === 0 ? ['/usr/bin/setpriv'] : [])].map(
      (path) => `has ${path}`,
    );
    const open = [...shared, join(directory)].map((path) => `read ${path}`);
    const surplus = done.filter((line) => ![...expected, ...programs, ...open].includes(line));
    // the directories that lead to its files exist, and are empty otherwise
    assert.deepEqual(
      surplus.filter((line) => line !== 'read /tmp'),
      [],
    );
    for (const line of [...expected, ...programs]) assert.ok(done.includes(line), line);
    // the test can fail: without namespaces the same shell reads what its user may
    const bare = await runConfined(
      shell(home, attempt, paths),
      { ...own, user: undefined, bubblewrap: undefined },
      caller,
    );
    assert.ok(bare.includes(`read ${home.foreign[0]}`) && bare.includes('read /etc/passwd'));
  });
}

test('a confined program has nothing to gain privileges with', async () => {
  const home = await makeHome('status', 0, 0x7000_0002);
  const { confinement } = await chooseConfinement(undefined);
  const program = { ...shell(home, '', []), program: '/usr/bin/sleep', args: ['60'] };
  const started = await startConfined(program, {
    confinement: { ...confinement, user: 0x7000_0002, groups: [nobody] },
    log: join(directory, 'log'),
  });
  try {
    await eventually(async () => {
      const pid = started.pid();
      return pid !== undefined && (await readFile(`/proc/${pid}/cmdline`, 'utf8')).includes('60');
    });
    const pid = started.pid() ?? Number.NaN;
    assert.deepEqual(await readMissingProtections(pid), []);
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    for (const field of ['Inh', 'Prm', 'Eff', 'Bnd', 'Amb'])
      assert.match(status, new RegExp(`^Cap${field}:\t0+$`, 'm'));
    assert.match(status, /^Uid:\t1879048194\t1879048194\t1879048194\t1879048194$/m);
    assert.match(status, /^Groups:\t65534 $/m);
    assert.match(status, /^NoNewPrivs:\t1$/m);
    const own = await readFile('/proc/self/status', 'utf8');
    assert.deepEqual(missingProtections(own, own), ['user', 'capabilities', 'no_new_privs', 'namespaces']);
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8');
    assert.doesNotMatch(environment, /HOME|HOLDFAST/);
  } finally {
    started.kill();
  }
  await eventually(() => started.hasEnded());
});

test('a host without namespaces is named, and its programs still have no privileges', async () => {
  const programs = join(directory, 'programs');
  await mkdir(programs);
  await writeFile(
    join(programs, 'bwrap'),
    '#!/bin/sh\necho "bwrap: No permissions to create a new namespace" >&2\nexit 1\n',
    {
      mode: 0o755,
    },
  );
  const path = process.env.PATH;
  try {
    process.env.PATH = `${programs}:${path}`;
    const { confinement, obstacle } = await chooseConfinement(undefined);
    assert.match(obstacle?.reason ?? '', /^No permissions to create a new namespace/);
    assert.deepEqual([confinement.bubblewrap, confinement.user], [undefined, undefined]);
    const home = await makeHome('bare', 0, 0);
    const script = 'while read -r line; do echo "$line"; done < /proc/self/status';
    const status = (await runConfined(shell(home, script, []), confinement, 0)).join('\n');
    for (const field of ['CapPrm', 'CapEff', 'CapBnd'])
      assert.match(status, new RegExp(`^${field}:\\s0+$`, 'm'));
    assert.match(status, /^NoNewPrivs:\s1$/m);
    await rm(join(programs, 'bwrap'));
    process.env.PATH = programs;
    assert.match((await chooseConfinement(undefined)).obstacle?.reason ?? '', /not installed/);
  } finally {
    process.env.PATH = path;
  }
});

test('each machine has a user of its own, whose only record is the owner of its disk', async () => {
  const machines = join(directory, 'machines');
  const disk = async (name: string) => {
    await mkdir(join(machines, name), { recursive: true });
    await writeFile(join(machines, name, 'disk.qcow2'), '');
    return join(machines, name, 'disk.qcow2');
  };
  const [one, two] = [await disk('one'), await disk('two')];
  const first = await machineUser(one);
  assert.ok(isMachineUser(first));
  assert.equal(await machineUser(one), first, 'its path determines it');
  await giveFile(one, first);
  await chown(two, first, first); // as in a copy of the home
  assert.notEqual(await machineUser(two), first);
  assert.notEqual(await machineUser(one), first, 'as another machine has it');
  await giveFile(two, await machineUser(two));
  assert.equal(await machineUser(one), first);
  assert.equal(
    await machineUser(join(machines, 'none', 'disk.qcow2')),
    await machineUser(join(machines, 'none', 'disk.qcow2')),
  );
});

test('a link in the place of a file of a machine is given to no user', async () => {
  const target = join(directory, 'target');
  await writeFile(target, '');
  await symlink(target, join(directory, 'link'));
  await assert.rejects(giveFile(join(directory, 'link'), nobody), { code: 'sandbox.file' });
  await run('mkfifo', [join(directory, 'fifo')]);
  await assert.rejects(giveFile(join(directory, 'fifo'), nobody), { code: 'sandbox.file' });
  await giveFile(join(directory, 'missing'), nobody);
});

test('a socket that its program has replaced by a link is not used', async () => {
  const other = join(directory, 'other.sock');
  const server = createServer();
  await listenPrivately(server, other);
  try {
    assert.equal(await withSocket(other, async (path) => path.startsWith('/proc/self/fd/')), true);
    await symlink(other, join(directory, 'own.sock'));
    await assert.rejects(
      withSocket(join(directory, 'own.sock'), async () => {}),
      { code: 'socket.foreign' },
    );
    assert.equal(
      await withSocket(join(directory, 'none.sock'), async (path) => path),
      join(directory, 'none.sock'),
    );
  } finally {
    server.close();
  }
});
