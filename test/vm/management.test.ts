import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { z } from 'zod';
import { until } from '../../src/base/until.ts';
import { type MachineStatus, machineStatus } from '../../src/lifecycle/status.ts';
import { Machine } from '../../src/machine/machine.ts';
import { parseMachineName } from '../../src/machine/paths.ts';
import { guestOf } from '../../src/supervisor/guest.ts';
import { startMachine } from '../../src/supervisor/power.ts';
import { builtRelease, expectDone, holdfast, home } from '../support/vm/machine.ts';

/*
 * Whatever is in the overlays, the host reaches the machine, says what is wrong, and gives it back. The tests are in order, and
 * share a machine. They sabotage it over the management channel, as the user channel ends with the sabotage.
 */

const name = parseMachineName('management');
const word = ['--machine', name];
const machine = new Machine(home, name);

before(async () => {
  await expectDone(['deploy', ...word, '--release', await builtRelease(), '--data-size', '2GB']);
});
after(async () => {
  await expectDone(['remove', '--yes', ...word]);
});

/** Runs lines as root next to the running system, whose files are below /run/guest. */
async function manage(lines: string): Promise<string> {
  const { stdout } = await guestOf(machine).run(['sh', '-euc', lines], { timeoutMs: 60_000 });
  return stdout.toString().trimEnd();
}

async function status(): Promise<MachineStatus> {
  return JSON.parse(await expectDone(['status', ...word, '--json']));
}

/** Everything in the overlays that a login, sudo and a program of the running system stand on. */
const files = [
  ...['passwd', 'shadow', 'group', 'nsswitch.conf', 'ld.so.cache', 'ld.so.preload', 'ld.so.conf', 'hosts'],
  ...['ssh/sshd_config', 'sudoers', 'sudoers.d/holdfast', 'pam.d/sudo', 'pam.d/common-session', 'login.defs'],
  ...['profile', 'bash.bashrc', 'environment', 'localtime', 'machine-id', 'security/limits.conf'],
].map((each) => `/etc/${each}`);
const homes = ['/home/holdfast', '/root'].flatMap((directory) =>
  ['.bashrc', '.profile', '.ssh/rc', '.ssh/environment'].map((each) => `${directory}/${each}`),
);

/** Shell lines that replace the file "$1" by something else. */
const kinds: Readonly<Record<string, string>> = {
  'an empty file': ': >"$1"',
  garbage: 'head -c 4096 /dev/urandom >"$1"',
  'a directory': 'mkdir "$1"',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: of the shell
  'a loop of links': 'ln -s "${1##*/}" "$1"',
};

/** Lines that do so for each file. The originals stay next to them. */
function replaceAll(how: string): string {
  const each = [...files, ...homes].map((path) => `replace /run/guest${path}`).join('\n');
  return `replace() {
  mkdir -p "\${1%/*}"
  if [ ! -e "$1.kept" ] && [ -e "$1" ]; then mv "$1" "$1.kept"; fi
  rm -rf "$1"
  ${how}
}
${each}`;
}

const restoreAll = [...files, ...homes]
  .map((path) => `p=/run/guest${path}; rm -rf "$p"; [ ! -e "$p.kept" ] || mv "$p.kept" "$p"`)
  .join('\n');

/** Asks all that the host asks, which must succeed; `status` must report that users cannot log in. */
async function askEverything(): Promise<void> {
  const { state, guest, guestProblem } = await status();
  assert.equal(guestProblem, undefined);
  assert.equal(state, 'running');
  assert.ok(guest && guest.users.length > 0, 'status names what is broken');
  for (const command of ['drift', 'logs', 'firewall list', 'attest', 'ipe status'])
    await expectDone([...command.split(' '), ...word]);
}

for (const [kind, how] of Object.entries(kinds)) {
  test(`the host manages a machine whose files are each ${kind}`, async () => {
    await manage(replaceAll(how));
    try {
      await askEverything();
    } finally {
      await manage(restoreAll);
    }
  });
}

/** Start-up files of the shells, and programs that come first in a user's PATH. */
const startUp: Readonly<Record<string, string>> = {
  'that print': 'echo forged; echo forged >&2',
  'that exit': 'exit 7',
  'that sleep': 'sleep 600',
  'that execute another program': 'exec /bin/false',
};
for (const [what, line] of Object.entries(startUp)) {
  test(`the host is not affected by start-up files ${what}`, async () => {
    const paths = ['/home/holdfast/.bashrc', '/root/.bashrc', '/etc/bash.bashrc', '/etc/profile'];
    const write = paths.map(
      (path) => `p=/run/guest${path}; cp "$p" "$p.kept"; printf '%s\\n' '${line}' >"$p"`,
    );
    await manage(write.join('\n'));
    try {
      assert.deepEqual((await status()).guest?.users, []);
      assert.doesNotMatch(await expectDone(['drift', ...word]), /^forged/m);
      assert.equal(await expectDone(['exec', ...word, '--', 'echo', 'alone']), 'alone\n');
    } finally {
      await manage(paths.map((path) => `mv /run/guest${path}.kept /run/guest${path}`).join('\n'));
    }
  });
}

test('programs of the guest are never those of the host', async () => {
  await expectDone(['exec', ...word, '--', 'sudo', 'mount', '-o', 'remount,subset=pid', '/proc']);
  await manage(`for name in sudo tar find iptables bash sh journalctl systemctl cat; do
    for directory in etc home/holdfast root var; do
      printf '#!/bin/sh\\necho forged\\n' >/run/guest/$directory/$name; chmod 755 /run/guest/$directory/$name
    done
  done
  printf 'PATH=/etc:/home/holdfast:/root:/var\\nLD_PRELOAD=/var/x.so\\nBASH_ENV=/etc/profile\\n' >/run/guest/etc/environment`);
  const { guest } = await status();
  assert.equal(guest?.slot, 'A');
  assert.doesNotMatch(await expectDone(['drift', ...word]), /^forged/m);
});

test('device files that root in the guest replaced are not those of the host', async () => {
  const devices = 'null zero urandom kmsg tpmrm0 tpm0 mapper/control';
  await manage(`cd /run/guest/dev; for name in ${devices}; do mv $name $name.kept; mkfifo $name; done`);
  try {
    assert.equal((await status()).state, 'running');
    for (const command of ['drift', 'firewall list', 'attest'])
      await expectDone([...command.split(' '), ...word]);
  } finally {
    await manage(`cd /run/guest/dev; for name in ${devices}; do mv $name.kept $name; done`);
  }
});

test('a machine that starts with pipes for files and with masked units is managed, and given back', async () => {
  await manage(replaceAll('mkfifo "$1"'));
  await manage(`cd /run/guest/etc/systemd/system
    for unit in sshd-vsock.socket sshd-vsock@.service sshd.service systemd-journald.service firewall.service; do
      ln -sf /dev/null $unit
    done
    mkdir -p scope.d; printf '[Scope]\\nTasksMax=4\\n' >scope.d/own.conf
    sync`);
  await expectDone(['stop', '--force', ...word]);
  await startMachine(machine); // `start` would wait for the end of a boot that hangs
  const seen = await until(
    { within: 300_000, every: 1000 },
    async () => (await machineStatus(machine)).guest,
  );
  assert.ok(seen?.users.some((each) => each.includes('sshd_config')));
  assert.equal(await manage('cat /proc/self/cgroup'), '0::/management');
  for (const path of ['/etc', '/home', '/root'])
    await expectDone(['drift', '--reset', '--yes', path, ...word]);
  await expectDone(['stop', '--force', ...word]);
  await expectDone(['start', ...word]);
  assert.deepEqual((await status()).guest?.users, []);
  assert.equal((await expectDone(['exec', ...word, '--', 'sudo', 'echo', 'back'])).trim(), 'back');
});

test('a management channel that root in the guest has ended is reported, and the next start has it again', async () => {
  await expectDone([
    'exec',
    ...word,
    '--',
    'sudo',
    'sh',
    '-c',
    'pkill -9 socat; pkill -9 -f "[s]shd-session: root"', // not this shell
  ]);
  const { state, guestProblem } = await status();
  assert.notEqual(state, 'running');
  assert.match(guestProblem ?? '', /management channel|port 222/);
  await expectDone(['exec', ...word, '--', 'true']);
  await expectDone(['stop', '--force', ...word]);
  await expectDone(['start', ...word]);
  assert.equal((await status()).state, 'running');
});

test('a machine started as released has nothing of what it kept, and shows it as data', async () => {
  await manage(`printf 'echo forged\\n' >>/run/guest/home/holdfast/.bashrc
    printf '[Service]\\nExecStart=/bin/sleep 999\\n' >/run/guest/etc/systemd/system/own.service
    mkdir -p /run/guest/etc/systemd/system/multi-user.target.wants
    ln -s ../own.service /run/guest/etc/systemd/system/multi-user.target.wants/own.service`);
  await expectDone(['restart', '--as-released', ...word]);
  const { guest } = await status();
  assert.equal(guest?.asReleased, true);
  const own = z.object({ drift: z.array(z.object({ path: z.string() })) });
  const { drift } = own.parse(JSON.parse(await expectDone(['drift', '--json', ...word])));
  assert.ok(drift.some(({ path }) => path === '/etc/systemd/system/own.service'));
  const looked =
    'systemctl is-active own.service; ls /etc/systemd/system/own.service; grep forged ~/.bashrc; true';
  const exec = await expectDone(['exec', ...word, '--', 'sh', '-c', looked]);
  assert.equal(exec.trim(), 'inactive');
  assert.match(
    await expectDone([
      'exec',
      ...word,
      '--',
      'sudo',
      'grep',
      'forged',
      '/run/holdfast/data/.eflow/overlays/home/upper/holdfast/.bashrc',
    ]),
    /forged/,
  );
  const refused = await holdfast(['exec', ...word, '--', 'sudo', 'touch', '/run/holdfast/data/new']);
  assert.match(refused.stderr, /Read-only/);
  for (const path of ['/etc', '/home']) await expectDone(['drift', '--reset', '--yes', path, ...word]);
  await expectDone(['restart', ...word]);
  const again = await status();
  assert.equal(again.guest?.asReleased, false);
  assert.doesNotMatch(await expectDone(['drift', ...word]), /own\.service/);
});

test('an audit as released holds on a machine that was taken over, and leaves it as it was', async () => {
  await manage("printf 'holdfast ALL=(ALL) ALL\\nevil:x:0:0::/:/bin/sh\\n' >>/run/guest/etc/passwd");
  await expectDone(['stop', ...word]);
  const report = z.object({
    asReleased: z.boolean(),
    results: z.array(z.object({ id: z.string(), verdict: z.string(), evidence: z.string() })),
  });
  const { stdout } = await holdfast(['audit', '--as-released', '--json', ...word]);
  const { asReleased, results } = report.parse(JSON.parse(stdout));
  assert.equal(asReleased, true);
  assert.deepEqual(
    results.filter(({ verdict }) => verdict === 'fail'),
    [],
  );
  assert.equal((await status()).state, 'stopped');
  await expectDone(['start', ...word]);
  assert.equal((await status()).guest?.asReleased, false);
});
