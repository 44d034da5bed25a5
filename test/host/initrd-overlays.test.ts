import assert from 'node:assert/strict';
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { exampleImage } from '../../scripts/example-image.ts';
import { run } from '../../src/base/process.ts';
import { home } from '../support/vm/machine.ts';

/*
 * The initrd's script for the overlays, run by busybox as at boot, in a separate root and mount namespace. Data
 * is a small tmpfs. Needs root.
 */

const source = resolve(import.meta.dirname, '../../image/initrd/overlays');
let busybox: string;
let scratch: string;

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'holdfast-overlays-'));
  const image = await exampleImage(home);
  await run('tar', ['--extract', '--file', image, '--directory', scratch, './bin/busybox']);
  busybox = join(scratch, 'bin/busybox');
});
after(async () => {
  await rm(scratch, { recursive: true });
});

interface Boot {
  /** Output of the lines after the mount. */
  readonly output: string;
  /** The reported problems. */
  readonly degraded: readonly string[];
}

const upper = '/sysroot/var/.eflow/overlays/etc/upper';
const reset = '/sysroot/var/.eflow/overlays/etc/reset';

/**
 * Runs lines that prepare Data, mounts the overlay of /etc, then runs lines that examine the result.
 * @param resets the host's credential of that name.
 */
async function boot(data: string, look: string, options = 'size=1m', resets = ''): Promise<Boot> {
  const root = await mkdtemp(join(scratch, 'root-'));
  for (const directory of [
    'bin',
    'dev',
    'proc',
    'run/holdfast',
    'sysroot/etc/ssh',
    'sysroot/var',
    'elsewhere',
  ])
    await mkdir(join(root, directory), { recursive: true });
  await copyFile(busybox, join(root, 'bin/busybox'));
  for (const applet of ['sh', 'cat', 'chroot', 'grep', 'ls', 'mkdir', 'mknod', 'mount', 'rm', 'umount'])
    await symlink('busybox', join(root, 'bin', applet));
  await writeFile(join(root, 'dev/kmsg'), '');
  await writeFile(join(root, 'elsewhere/file'), 'elsewhere\n');
  await writeFile(join(root, 'sysroot/etc/hosts'), 'released\n');
  await writeFile(join(root, 'sysroot/etc/ssh/config'), 'released\n');
  const script = `export PATH=/bin
    fail() { echo "fail: $*"; exit 1; }
    has_credential() { [ "$1" = resets ] && [ '${resets}' ]; }
    credential() { busybox printf '%s' '${resets}'; }
    mount -t proc proc /proc
    mount -t tmpfs -o ${options} data /sysroot/var
    ${data}
    . /overlays
    open_overlay etc 0755
    ${look}`;
  await copyFile(source, join(root, 'overlays'));
  const { stdout } = await run('unshare', ['--mount', 'chroot', root, '/bin/sh', '-euc', script]);
  const said = await readFile(join(root, 'run/holdfast/degraded'), 'utf8').catch(() => '');
  const kernelLog = await readFile(join(root, 'dev/kmsg'), 'utf8');
  const degraded = said.split('\n').slice(0, -1);
  assert.equal(kernelLog, degraded.length === 0 ? '' : `holdfast: ${degraded.at(-1)}\n`); // the file has the last message only
  assert.equal(await readFile(join(root, 'elsewhere/file'), 'utf8'), 'elsewhere\n');
  assert.equal(await readFile(join(root, 'sysroot/etc/hosts'), 'utf8'), 'released\n');
  return { output: stdout.toString().trimEnd(), degraded };
}

const writes = 'echo new >/sysroot/etc/new; cat /sysroot/etc/new /sysroot/etc/hosts';

test('creates the directories on an empty Data, which stores changes', async () => {
  const { output, degraded } = await boot('', `${writes}; cat ${upper}/new`);
  assert.deepEqual([output, degraded], ['new\nreleased\nnew', []]);
});

for (const [what, data] of [
  ['a file in place of the upper directory', `mkdir -p ${upper}; rm -r ${upper}; echo precious >${upper}`],
  ['a symbolic link to another directory', `mkdir -p ${upper}; rm -r ${upper}; ln -s /elsewhere ${upper}`],
  ['a symbolic link to nothing', `mkdir -p ${upper}; rm -r ${upper}; ln -s /nothing ${upper}`],
  ['a device', `mkdir -p ${upper}; rm -r ${upper}; mknod ${upper} c 1 3`],
  ['a link above it', 'ln -s /elsewhere /sysroot/var/.eflow'],
  ['a file above it', 'mkdir /sysroot/var/.eflow; echo precious >/sysroot/var/.eflow/overlays'],
] as const)
  test(`with ${what}, /etc is as in the release and writable, and nothing is removed`, async () => {
    const before = `${data.replace(/\bln\b/g, 'busybox ln')}; busybox find /sysroot/var /elsewhere -exec busybox ls -ld {} + >/before`;
    const { output, degraded } = await boot(
      before,
      `${writes}; busybox find /sysroot/var /elsewhere -exec busybox ls -ld {} + | busybox cmp - /before`,
    );
    assert.equal(output, 'new\nreleased');
    assert.equal(degraded.length, 1);
    assert.match(degraded[0] ?? '', /^cannot use the changes in \/etc/);
  });

const work = '/sysroot/var/.eflow/overlays/etc/work';
const kept = `mkdir -p ${upper}; echo kept >${upper}/kept`;
for (const [what, data] of [
  ['missing', ''],
  ['a file', `echo >${work}`],
  ['a symbolic link', `busybox ln -s /elsewhere ${work}`],
  [
    'full of what was left',
    `mkdir -p ${work}; (cd ${work}; mkdir -p work/deep/er index; echo >work/deep/er/file)`,
  ],
  ['marked as volatile by another kernel', `mkdir -p ${work}; (cd ${work}; mkdir -p work/incompat/volatile)`],
] as const)
  test(`recreates a work directory that is ${what} without loss`, async () => {
    const { output, degraded } = await boot(`${kept}; ${data}`, `${writes}; cat /sysroot/etc/kept`);
    assert.deepEqual([output, degraded], ['new\nreleased\nkept', []]);
  });

test('with a full Data without directories, /etc is as in the release and writable', async () => {
  const { output, degraded } = await boot('', writes, 'nr_inodes=2');
  assert.equal(output, 'new\nreleased');
  assert.match(degraded.join(), /^cannot use the changes in \/etc/);
});

test('with no space for the work directory, /etc has its changes and is writable', async () => {
  const full = `${kept}; echo changed >${upper}/hosts; i=0; while mkdir /sysroot/var/$i 2>/run/full; do i=$((i+1)); done`;
  const { output, degraded } = await boot(full, `${writes}; cat /sysroot/etc/kept`, 'nr_inodes=40');
  assert.equal(output, 'new\nchanged\nkept');
  assert.match(degraded.join(), /^cannot write \/etc on Data/);
});

test('with a read-only Data, /etc has its changes and deleted files stay deleted', async () => {
  const readOnly = `${kept}; mknod ${upper}/hosts c 0 0; mkdir ${work}; mount -o remount,ro /sysroot/var`;
  const look = 'echo new >/sysroot/etc/new; cat /sysroot/etc/kept; [ ! -e /sysroot/etc/hosts ]';
  const { output, degraded } = await boot(readOnly, look);
  assert.equal(output, 'kept');
  assert.match(degraded.join(), /^cannot write \/etc on Data/);
});

const drifted = `mkdir -p ${upper}/ssh ${upper}/more/deep; mknod ${upper}/hosts c 0 0; echo changed >${upper}/ssh/config
  echo >${upper}/more/deep/file; echo >"${upper}/two
lines"; echo >"${upper}/ends
"; busybox ln -s /elsewhere ${upper}/link; echo kept >${upper}/kept`;
const count = `busybox find ${upper} -exec echo \\; | busybox wc -l`;

for (const [lines, look, rest] of [
  ['hosts', 'cat /sysroot/etc/hosts', 'released'],
  ['ssh/config', 'cat /sysroot/etc/ssh/config', 'released'],
  ['ssh', 'cat /sysroot/etc/ssh/config', 'released'],
  ['two\\0012lines', `busybox find ${upper} -name "two*"`, ''],
  ['ends\\0012', `busybox find ${upper} -name "ends*"`, ''],
  ['link', `busybox find ${upper} -name link`, ''],
  ['more\nkept\nhosts', 'busybox ls /sysroot/etc', 'ends?\nhosts\nlink\nssh\ntwo?lines'],
  [
    '',
    `busybox find ${upper}; cat /sysroot/etc/hosts /sysroot/etc/ssh/config`,
    `${upper}\nreleased\nreleased`,
  ],
  // missing paths, or paths below something that is not a directory, are no errors
  ['gone\ngone/further\nkept/below\nlink/file', count, '11'],
] as const)
  test(`resets ${JSON.stringify(lines)}`, async () => {
    const { output, degraded } = await boot(
      `${drifted}; busybox printf '%s\\n' '${lines.replaceAll("'", '')}' >${reset}`,
      `[ ! -e ${reset} ]; ${look}`,
    );
    assert.deepEqual([output, degraded], [rest, []]);
  });

test('resets what the host requests, next to what the list has', async () => {
  const { output, degraded } = await boot(
    `${drifted}; busybox printf 'kept\\n' >${reset}`,
    `[ ! -e ${reset} ]; busybox ls /sysroot/etc; cat /sysroot/etc/hosts`,
    'size=1m',
    'home hosts\netc more\netc hosts\n',
  );
  assert.deepEqual(
    [output.split('\n'), degraded],
    [['ends?', 'hosts', 'link', 'ssh', 'two?lines', 'released'], []],
  );
});

test('a request of the host for the whole overlay removes whatever is in its place', async () => {
  for (const data of [`echo >${upper}`, `busybox ln -s /elsewhere ${upper}`, `busybox mkfifo ${upper}`]) {
    const { output, degraded } = await boot(
      `mkdir -p ${upper}; rm -r ${upper}; ${data}`,
      writes,
      'size=1m',
      'etc \n',
    );
    assert.deepEqual([output, degraded], ['new\nreleased', []]);
  }
});

test('a list that leads out of the overlay removes nothing, is reported, and is not retried', async () => {
  const evil = ['../other', 'more/../../other', '/etc/hosts', 'more//deep', '.', 'ssh/.'];
  const { output, degraded } = await boot(
    `${drifted}; mkdir ${upper}/../other; busybox printf '%s\\n' ${evil.join(' ')} >${reset}`,
    `[ ! -e ${reset} ]; ${count}; busybox ls -d ${upper}/../other`,
  );
  assert.equal(output, `11\n${upper}/../other`);
  assert.deepEqual(degraded, ['cannot reset all requested paths in /etc']);
});

test('ignores a list that is a symbolic link', async () => {
  const { output } = await boot(
    `${drifted}; echo kept >/elsewhere/list; busybox ln -s /elsewhere/list ${reset}`,
    'cat /sysroot/etc/kept; rm /elsewhere/list',
  );
  assert.equal(output, 'kept');
});
