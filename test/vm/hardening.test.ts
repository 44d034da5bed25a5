import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { z } from 'zod';
import { readIdentity } from '../../src/channel/keys.ts';
import { openSession } from '../../src/channel/ssh.ts';
import { connectVsock } from '../../src/channel/vsock.ts';
import { runFiles } from '../../src/hypervisor/qemu/run-directory.ts';
import { machinePaths } from '../../src/machine/paths.ts';
import { releaseManifest } from '../../src/release/manifest.ts';
import { askGuest } from '../support/vm/guest.ts';
import { builtRelease, home, sharedMachine, sharedName } from '../support/vm/machine.ts';

/*
 * What the running machine itself says about how it is locked down. All is asked at once; each test reads its answers.
 */

const packageManagers =
  'apt apt-* aptitude dpkg dpkg-* rpm rpm2cpio yum dnf dnf5 zypper pacman apk snap flatpak pip pip3 python* perl perl5* gem npm cpan';

const questions = {
  // verified boot
  root: 'findmnt -no SOURCE,FSTYPE,OPTIONS /',
  verity: 'dmsetup status root',
  verityTable: 'dmsetup table root',
  commandLine: 'cat /proc/cmdline',
  signatures: 'cat /sys/module/dm_verity/parameters/require_signatures',
  secureBoot: 'od -An -tu1 -j4 -N1 /sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c',
  setupMode: 'od -An -tu1 -j4 -N1 /sys/firmware/efi/efivars/SetupMode-8be4df61-93ca-11d2-aa0d-00e098032b8c',
  lockdown: 'cat /sys/kernel/security/lockdown',
  unsignedRoot: `
    truncate -s 1M /run/unsigned; device=$(losetup --find --show /run/unsigned)
    dmsetup create unsigned --readonly --table "0 8 verity 1 $device $device 4096 4096 1 2 sha256 $(printf %064d 0) -"
    losetup --detach "$device"; rm /run/unsigned`,
  kernelMemory: 'head -c 1 /dev/mem',
  // a signature is at the end of a module: the last byte off, and there is none
  modules: `
    cp "$(modinfo -n dummy)" /run/signed.ko && head -c -1 /run/signed.ko >/run/unsigned.ko
    for kind in unsigned signed; do insmod /run/$kind.ko && echo "$kind: loaded" && rmmod dummy; rm /run/$kind.ko; done`,
  // disk
  partitions: 'lsblk --json --bytes --output NAME,PARTLABEL,SIZE,PARTTYPE,START /dev/vda',
  mounts: 'findmnt --json --output TARGET,SOURCE,FSTYPE,OPTIONS --list',
  journals:
    'journalctl --sync; find /var/log/journal /logs/journal -name system.journal -exec stat -c %d {} +',
  logDevice: 'stat -c %d /logs',
  writes: `
    for path in /usr/bin/x /usr/lib/x /opt/x /boot/x /x /usr/lib/systemd/systemd /usr/bin/sudo; do
      (echo >>$path) && echo "written: $path"
    done`,
  // software
  packageManagers: `find / -xdev \\( -name bash ${packageManagers
    .split(' ')
    .map((name) => `-o -name '${name}'`)
    .join(' ')} \\) \\( -type f -o -type l \\) -perm /111`,
  // access
  passwords: 'getent shadow',
  sshd: 'sshd -T',
  sudo: 'sudo -l -U holdfast',
  hostKey: 'ssh-keygen -y -f /run/credentials/@system/holdfast.host-key',
  hostKeyMode: 'stat -c "%a %U" /run/credentials/@system /run/credentials/@system/holdfast.host-key',
  otherHostKeys: 'find /etc/ssh /var/.eflow -name "ssh_host_*"',
  sockets: 'ss -Hltun',
  vsockSockets: 'ss -Hl --vsock',
  filter4: 'iptables -S',
  filter6: 'ip6tables -S',
  processes: 'ps -eo args',
  // not requested
  quietMounts: 'for path in /run /tmp /dev/shm /logs; do findmnt -no TARGET,OPTIONS "$path"; done',
  dumps:
    'systemctl show --property=DefaultLimitCORE; ulimit -Hc; sysctl -n kernel.core_pattern fs.suid_dumpable',
  doors:
    'sysctl -n kernel.kexec_load_disabled kernel.io_uring_disabled kernel.unprivileged_bpf_disabled kernel.sysrq',
  forContainers: `
    sysctl -n kernel.panic_on_oops fs.inotify.max_user_instances
    systemctl is-enabled fstrim.timer systemd-networkd-wait-online.service
    systemctl is-active network-online.target
    systemd-analyze cat-config systemd/journald.conf | grep ^RateLimit`,
  terminals:
    'for name in xterm xterm-256color screen-256color rxvt-unicode-256color linux vt220 dumb; do tput -T "$name" longname >/dev/null || echo "$name"; done',
  absentModules:
    'for module in sctp dccp tipc rds nfs cifs usb-storage; do modprobe "$module" && echo "$module: loaded"; done',
  // services
  running: 'systemctl is-system-running --wait',
  failed: 'systemctl list-units --failed --plain --no-legend',
  // all is asked at once, and the host may be quicker than the boot
  weights:
    'systemctl is-system-running --wait >/dev/null; cat /sys/fs/cgroup/channel.slice/cpu.weight /sys/fs/cgroup/system.slice/cpu.weight',
  identity: 'hostname; cat /etc/machine-id',
} as const;

const files = machinePaths(home, sharedName);
let answers: Record<keyof typeof questions, string>;

before(async () => {
  answers = await askGuest(await sharedMachine(), questions);
});

test('the root is read-only EROFS on dm-verity with the root hash of the release', async () => {
  const text = await readFile(join(await builtRelease(), 'release.json'), 'utf8');
  const { rootHash } = releaseManifest.parse(JSON.parse(text)).root;
  assert.match(answers.root, /^\/dev\/dm-0 +erofs +ro,/);
  assert.match(answers.verity, /^0 \d+ verity V/);
  assert.ok(answers.verityTable.includes(` sha256 ${rootHash} `));
  assert.ok(answers.commandLine.split(' ').includes(`holdfast.root=${rootHash}`));
});

test('the kernel requires a signed root hash, and panics on a corrupted block', () => {
  assert.match(answers.verityTable, / root_hash_sig_key_desc /);
  assert.match(answers.verityTable, / panic_on_corruption /);
  assert.equal(answers.signatures, 'Y');
  assert.match(
    answers.unsignedRoot,
    /device-mapper: reload ioctl on unsigned .*failed: Required key not available/i,
  );
});

test('Secure Boot is enabled with our keys, and the kernel is locked down', () => {
  assert.equal(answers.secureBoot.trim(), '1');
  assert.equal(answers.setupMode.trim(), '0');
  assert.equal(answers.lockdown, 'none integrity [confidentiality]');
});

test('the disk has the eight partitions of the design, in order', () => {
  const table = z.object({
    blockdevices: z.tuple([
      z.object({
        children: z.array(
          z.object({ partlabel: z.string(), size: z.number(), parttype: z.string(), start: z.number() }),
        ),
      }),
    ]),
  });
  const [{ children }] = table.parse(JSON.parse(answers.partitions)).blockdevices;
  const [MB, GB] = [2 ** 20, 2 ** 30];
  const system = 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b';
  const boot = 'bc13c2ff-59e6-4262-a352-b275fd6f7172';
  const root = '4f68bce3-e8cd-4db1-96e7-fbcaf984b709';
  const linux = '0fc63daf-8483-4772-8e79-3d69d8477de4';
  assert.deepEqual(
    children.map(({ partlabel, size, parttype }) => [partlabel, size, parttype]),
    [
      ['BootEFIA', 8 * MB, system],
      ['BootA', 192 * MB, boot],
      ['RootFS-A', 4 * GB, root],
      ['BootEFIB', 8 * MB, system],
      ['BootB', 192 * MB, boot],
      ['RootFS-B', 4 * GB, root],
      ['Log', 1 * GB, linux],
      ['Data', 10 * GB, linux],
    ],
  );
  const starts = children.map(({ start }) => start);
  assert.deepEqual(
    starts,
    starts.toSorted((one, other) => one - other),
  );
});

test('Log at /logs holds the journal; Data at /var holds the changes in /etc, /home and /root', () => {
  const table = z.object({
    filesystems: z.array(
      z.object({ target: z.string(), source: z.string(), fstype: z.string(), options: z.string() }),
    ),
  });
  const { filesystems } = table.parse(JSON.parse(answers.mounts));
  const at = (target: string) => {
    const mount = filesystems.find((mount) => mount.target === target);
    assert.ok(mount, `${target} is no mount point`);
    return mount;
  };
  for (const [target, source] of [
    ['/logs', '/dev/vda7'],
    ['/var', '/dev/vda8'],
  ] as const) {
    const mount = at(target);
    assert.deepEqual([mount.source, mount.fstype], [source, 'ext4']);
    assert.match(mount.options, /^rw,nosuid,nodev,/);
  }
  const journals = answers.journals.split('\n');
  for (const journal of journals) assert.equal(journal, answers.logDevice);
  for (const name of ['etc', 'home', 'root']) {
    const { fstype, options } = at(`/${name}`);
    assert.equal(fstype, 'overlay');
    assert.match(options, new RegExp(`upperdir=(/sysroot)?/var/\\.eflow/overlays/${name}/upper,`));
  }
});

test('root can write only to the overlays and Data', () => {
  assert.doesNotMatch(answers.writes, /written/);
  assert.equal(answers.writes.match(/Read-only file system/g)?.length, 7);
});

test('no package manager is installed', () => {
  assert.deepEqual(answers.packageManagers.split('\n'), ['/usr/bin/bash']);
});

test('no account has a password', () => {
  const fields = answers.passwords.split('\n').map((line) => line.split(':'));
  assert.ok(fields.some(([user]) => user === 'root'));
  assert.ok(fields.some(([user]) => user === 'holdfast'));
  for (const [user, password = ''] of fields) assert.match(password, /^(\*|!|!\*)$/, user);
});

test('SSH accepts one key of one user, and denies root', async () => {
  const settings = answers.sshd.split('\n');
  for (const line of [
    'permitrootlogin no',
    'passwordauthentication no',
    'kbdinteractiveauthentication no',
    'authenticationmethods publickey',
    'allowusers holdfast',
    'permitemptypasswords no',
  ])
    assert.ok(settings.includes(line), line);
  assert.match(answers.sudo, /\(ALL : ALL\) NOPASSWD: ALL/);

  const { vsockHost } = runFiles(files.run);
  const open = async (user: string) =>
    openSession(await connectVsock(vsockHost, 22), await readIdentity(files.secrets, user));
  const session = await open('holdfast'); // the key is good
  assert.equal((await session.run(['id', '-un'])).stdout.toString(), 'holdfast\n');
  await session.close();
  await assert.rejects(open('root'), { code: 'channel.identity' });
});

test('the only keys are the host key and the identity made at deployment', async () => {
  const ours = await readFile(join(files.secrets, 'machine-id'), 'utf8');
  assert.equal(answers.identity, `${sharedName}\n${ours}`);
  const { hostKey } = await readIdentity(files.secrets, 'holdfast');
  assert.equal(
    answers.hostKey.split(' ').slice(0, 2).join(' '),
    hostKey.trim().split(' ').slice(0, 2).join(' '),
  );
  assert.equal(answers.hostKeyMode, '700 root\n400 root');
  assert.equal(answers.otherHostKeys, '');
});

test('only the DHCP client listens on the network, and only SSH on the channel', () => {
  const dhcpClient = /^udp .* \S+:(68|546) +\S+$/;
  for (const line of answers.sockets.split('\n')) if (line !== '') assert.match(line, dhcpClient);
  const ports = answers.vsockSockets.split('\n').map((line) => /^v_str +LISTEN .* \*:(\d+) /.exec(line)?.[1]);
  assert.deepEqual(ports.toSorted(), ['22', '222']);
});

test('the packet filter drops incoming and forwarded packets', () => {
  for (const rules of [answers.filter4, answers.filter6]) {
    const lines = rules.split('\n');
    assert.ok(lines.includes('-P INPUT DROP'));
    assert.ok(lines.includes('-P FORWARD DROP'));
    assert.deepEqual(
      lines.filter((line) => / -j ACCEPT/.test(line) && / --dport | -s /.test(line)),
      [],
      'no login is possible',
    );
  }
});

test('file systems for data do not allow execution', () => {
  const lines = answers.quietMounts.split('\n');
  assert.equal(lines.length, 4);
  for (const line of lines) assert.match(line, / rw,nosuid,nodev,noexec,/);
});

test('core dumps and unused kernel interfaces are disabled', () => {
  assert.equal(answers.dumps, 'DefaultLimitCORE=0\n0\n|/bin/false\n0');
  assert.equal(answers.doors, '1\n2\n1\n0');
  assert.doesNotMatch(answers.absentModules, /: loaded/);
  assert.match(answers.absentModules, /^modprobe: FATAL: Module nfs not found/m);
});

test('an oops restarts the machine', () => {
  assert.ok(answers.commandLine.split(' ').includes('oops=panic'));
  assert.equal(answers.forContainers.split('\n')[0], '1');
});

test('containers have inotify instances, the journal drops no lines, and a machine without containers does not wait for the network', () => {
  assert.deepEqual(answers.forContainers.split('\n').slice(1), [
    '8192',
    'enabled',
    'enabled',
    'inactive',
    'RateLimitIntervalSec=0',
  ]);
});

test('every terminal type that the host sends is described', () => {
  assert.equal(answers.terminals, '');
});

test('no console offers a login', async () => {
  assert.match(answers.processes, /systemd-journald/, 'processes are listed');
  assert.doesNotMatch(answers.processes, /getty|\blogin\b(?!d)/);
  const console = await readFile(files.consoleLog, 'latin1');
  assert.match(console, /Holdfast A/, 'the firmware writes there');
  assert.doesNotMatch(console, /login: *$/im);
});

test('every unit started', async () => {
  assert.equal(answers.failed, '');
  assert.equal(answers.running, 'running');
});

test('after boot, the channel has the same processor share as other services', () => {
  assert.equal(answers.weights, '100\n100');
});

test('root can neither read kernel memory nor load an unsigned module', () => {
  assert.match(answers.kernelMemory, /Operation not permitted/);
  assert.match(answers.modules, /^signed: loaded$/m, 'loading works');
  assert.match(answers.modules, /not permitted|Key was rejected/);
  assert.doesNotMatch(answers.modules, /^unsigned: loaded/m);
});
