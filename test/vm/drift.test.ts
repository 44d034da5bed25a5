import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { z } from 'zod';
import { verdicts } from '../../src/audit/claim.ts';
import { type Bytes, GiB, MiB } from '../../src/base/size.ts';
import { layout, partitionNamed } from '../../src/disk/layout.ts';
import { writeImage } from '../../src/hypervisor/qemu/disk-image.ts';
import type { MachineStatus } from '../../src/lifecycle/status.ts';
import { machinePaths, parseMachineName } from '../../src/machine/paths.ts';
import { asRoot } from '../support/vm/guest.ts';
import { builtRelease, expectDone, holdfast, home } from '../support/vm/machine.ts';

/*
 * What a machine of its own changes against its release, what gives it back, and how it comes up when Data or Log are not
 * as they should be: in order, each test finds the machine running.
 */

const name = parseMachineName('drift');
const word = ['--machine', name];
const sizes = { logSize: 'small', dataSize: (2 * GiB) as Bytes } as const;
const entry = z.object({ path: z.string(), base64: z.string(), change: z.string(), pending: z.boolean() });
const listing = z.object({ drift: z.array(entry) });
const fresh = ['changed /etc/machine-id'];

before(async () => {
  await expectDone(['deploy', ...word, '--release', await builtRelease(), '--data-size', '2GB']);
});
after(async () => {
  await expectDone(['remove', '--yes', ...word]);
});

async function drift(...words: readonly string[]): Promise<z.infer<typeof entry>[]> {
  return listing.parse(JSON.parse(await expectDone(['drift', ...word, '--json', ...words]))).drift;
}

async function changes(...words: readonly string[]): Promise<string[]> {
  return (await drift(...words)).map(({ change, path }) => `${change} ${path}`);
}

async function status(): Promise<MachineStatus> {
  return JSON.parse(await expectDone(['status', ...word, '--json']));
}

async function failedClaims(): Promise<string[]> {
  const report = z.object({ results: z.array(z.object({ id: z.string(), verdict: z.enum(verdicts) })) });
  const { stdout } = await holdfast(['audit', ...word, '--json']);
  const { results } = report.parse(JSON.parse(stdout));
  return results.filter(({ verdict }) => verdict === 'fail').map(({ id }) => id);
}

/** Runs lines in the guest where /mnt is the root without what is mounted on it: the release. */
function besideRelease(lines: string): Promise<string> {
  return asRoot(name, `unshare --mount sh -euc 'mount --bind / /mnt; ${lines}'`);
}

const drifted = [
  'copied /etc/containers/containers.conf',
  'replaced /etc/debian_version',
  'added /etc/debian_version/new',
  'changed /etc/hosts',
  'deleted /etc/issue',
  ...fresh,
  'added /etc/site',
  'added /etc/site/deep',
  'added /etc/site/deep/file',
  'opaque /etc/skel',
  'changed /etc/skel/.bashrc',
  'attributes /etc/sysctl.d/50-holdfast.conf',
  'added /home/holdfast/\\x1b[2J',
  'added /home/holdfast/a space',
  'added /home/holdfast/grün',
  'added /home/holdfast/link',
  'added /home/holdfast/two\\x0alines',
  'added /home/holdfast/\\xff\\xfe',
  'added /root/secret',
];

test('a new machine differs from its release only in its machine ID', async () => {
  assert.deepEqual(await changes(), fresh);
});

test('lists every kind of change, for any file name', async () => {
  await asRoot(
    name,
    `cd /etc
    chmod 600 containers/containers.conf; chmod 644 containers/containers.conf
    rm debian_version; mkdir debian_version; echo new >debian_version/new
    echo 192.0.2.1 other >>hosts; rm issue
    mkdir -p site/deep; echo file >site/deep/file
    rm -r skel; mkdir skel; echo mine >skel/.bashrc
    chmod 600 sysctl.d/50-holdfast.conf
    cd /home/holdfast
    touch "$(printf 'two\\nlines')" "$(printf '\\377\\376')" "$(printf '\\033[2J')" 'a space' grün
    ln -s /etc/passwd link; echo secret >/root/secret`,
  );
  assert.deepEqual(await changes(), drifted);
  const names = (await drift('/home/holdfast')).map(({ base64 }) =>
    Buffer.from(base64, 'base64').toString('latin1'),
  );
  assert.ok(names.includes('holdfast/\xff\xfe') && names.includes('holdfast/two\nlines'));
  assert.equal(await asRoot(name, 'findmnt --noheadings /mnt || echo none'), 'none', 'nothing stays mounted');
});

test('changes survive a restart', async () => {
  await expectDone(['restart', ...word]);
  assert.deepEqual(await changes(), drifted);
  assert.equal(await asRoot(name, 'grep other /etc/hosts; cat /root/secret'), '192.0.2.1 other\nsecret');
});

test('a reset needs confirmation, and accepts only visible paths of an overlay', async () => {
  const refused = async (...words: readonly string[]) => {
    const { code, stderr } = await holdfast(['drift', ...word, '--json', '--reset', ...words]);
    return [
      code,
      z.object({ errors: z.tuple([z.object({ code: z.string() })]) }).parse(JSON.parse(stderr)).errors[0]
        .code,
    ];
  };
  assert.deepEqual(await refused('/etc/hosts'), [2, 'usage.unconfirmed']);
  assert.deepEqual(await refused('--yes', '/usr/bin/sudo'), [2, 'drift.path']);
  assert.deepEqual(await refused('--yes', '/etc/../usr'), [2, 'drift.path']);
  assert.deepEqual(await refused('--yes', '/etc/skel/.profile'), [1, 'drift.hidden']);
  assert.deepEqual(await refused('--yes'), [2, 'drift.path']);
  assert.ok((await drift()).every(({ pending }) => !pending));
});

const given = [
  '/etc/hosts',
  '/etc/skel',
  '/etc/issue',
  '/etc/debian_version',
  '/etc/sysctl.d',
  '/home/holdfast/\\xff\\xfe',
  '/home/holdfast/two\\x0alines',
  '/home/holdfast/link',
  '/etc/containers',
];

test('reset paths are as released after the next start, even after a power failure', async () => {
  for (const path of given) await expectDone(['drift', ...word, '--yes', '--reset', path]);
  const again = await expectDone(['drift', ...word, '--reset', '/etc/hosts', '--json']);
  assert.equal(JSON.parse(again).changed, false, 'asked for already');
  assert.ok((await drift('/etc/skel')).every(({ pending }) => pending));
  assert.equal(await asRoot(name, 'grep other /etc/hosts'), '192.0.2.1 other', 'not yet');

  await expectDone(['stop', '--force', ...word]);
  await expectDone(['start', ...word]);
  const isKept = (line: string) => !given.some((path) => line.includes(` ${path}`));
  assert.deepEqual(await changes(), drifted.filter(isKept));
  await besideRelease(
    'diff -r /etc/skel /mnt/etc/skel; cmp /etc/hosts /mnt/etc/hosts; cmp /etc/issue /mnt/etc/issue',
  );
  const left = await asRoot(name, 'ls /var/.eflow/overlays/etc; [ -s /etc/passwd ]');
  assert.equal(left, 'upper\nwork', 'the list is removed, and the target of a link stays');
  assert.deepEqual((await status()).guest?.degraded, []);
});

test('the machine boots with missing, damaged or redirected overlays, and reports what it lacks', async () => {
  await asRoot(
    name,
    `cd /var/.eflow/overlays; mkdir /var/tmp/planted
    mv home/upper home/upper.kept; ln -s /var/tmp/planted home/upper
    rm -rf etc/work; echo >etc/work; rm -rf root; sync
    echo test >/sys/fs/ext4/vda8/trigger_fs_error`,
  );
  await expectDone(['restart', ...word]);
  const said =
    'cannot use the changes in /home: it is as released, and new changes are lost at the next start';
  assert.deepEqual((await status()).guest?.degraded, [said]);
  assert.match(await asRoot(name, 'dmesg'), new RegExp(`holdfast: ${said}`));
  assert.equal(
    await asRoot(name, 'cat /sys/fs/ext4/vda8/errors_count'),
    '0',
    'errors that the kernel recorded are repaired',
  );
  assert.deepEqual(await failedClaims(), ['overlay-home']);
  await asRoot(
    name,
    'echo lost >/home/holdfast/lost; [ ! -e "/home/holdfast/a space" ]; [ -z "$(ls /var/tmp/planted)" ]',
  );
  const { code, stderr } = await holdfast(['drift', ...word, '/home']);
  assert.equal(code, 1);
  assert.match(stderr, /are not stored on Data/);
  assert.deepEqual(await changes('/root'), [], 'its overlay was made again');
  assert.ok(
    (await changes('/etc')).includes('added /etc/site/deep/file'),
    'a work directory holds nothing that lasts',
  );
});

test('the machine boots with a Log and a Data partition that cannot be repaired, and reports that', async () => {
  await asRoot(
    name,
    `cd /var/.eflow/overlays/home; rm upper; mv upper.kept upper
    mkdir /root/held; echo kept >/root/held/file; chattr +i /var/.eflow/overlays/root/upper/held/file`,
  );
  // of a machine that is off, also where root has prevented it
  await expectDone(['stop', ...word]);
  assert.match(
    await expectDone(['drift', ...word, '--reset', '--yes', '/root/held']),
    /^The next start discards/,
  );
  await expectDone(['start', ...word]);
  assert.deepEqual(await changes('/root'), []);
  assert.deepEqual((await status()).guest?.degraded, []);
  assert.equal(
    await asRoot(name, 'ls "/home/holdfast/a space"'),
    '/home/holdfast/a space',
    'nothing was lost',
  );

  // the superblock and all its copies, one in each 128 MB
  await expectDone(['stop', ...word]);
  for (const part of ['Log', 'Data'] as const) {
    const { offset, size } = partitionNamed(layout(sizes), part);
    for (let at = 0; at < size; at += 128 * MiB)
      await writeImage(machinePaths(home, name).disk, offset + at, Buffer.alloc(MiB));
  }
  await expectDone(['start', ...word]);
  assert.deepEqual((await status()).guest?.degraded, [
    'cannot mount or repair Data: /var is in memory, and lost at the next start',
    'cannot mount or repair Log: /logs is in memory, and lost at the next start',
  ]);
  assert.match(await expectDone(['status', ...word]), /^degraded +cannot mount or repair Data/m);
  assert.deepEqual(await failedClaims(), [
    'data-writable',
    'logs-on-log',
    'overlay-etc',
    'overlay-home',
    'overlay-root',
  ]);
});
