import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { z } from 'zod';
import { verdicts } from '../../src/audit/claim.ts';
import { bootEntry } from '../../src/firmware/boot.ts';
import { serialiseLoadOption } from '../../src/firmware/load-option.ts';
import { attributes, vendors } from '../../src/firmware/names.ts';
import type { Variable } from '../../src/firmware/record.ts';
import { findVariable, setVariables } from '../../src/firmware/store.ts';
import { readVariableStore, writeVariableStore } from '../../src/firmware/store-file.ts';
import { machineLayout } from '../../src/machine/home.ts';
import { asRoot } from './guest.ts';
import { expectDone, holdfast, layout, sharedMachine, sharedName } from './machine.ts';

/*
 * The audit of a machine that runs, as it is and sabotaged. Each sabotage is undone: the machine is shared.
 */

const files = machineLayout(layout, sharedName);
const report = z.object({
  machine: z.string(),
  release: z.string(),
  rootHash: z.string(),
  time: z.iso.datetime(),
  results: z.array(z.object({ id: z.string(), verdict: z.enum(verdicts), evidence: z.string().min(1) })),
});

interface Audit {
  readonly code: number;
  readonly stderr: string;
  readonly failed: readonly string[];
}

async function audit(): Promise<Audit> {
  const { code, stdout, stderr } = await holdfast(['audit', '--machine', sharedName, '--json']);
  const { results } = report.parse(JSON.parse(stdout));
  return { code, stderr, failed: results.filter(({ verdict }) => verdict === 'fail').map(({ id }) => id) };
}

/** Where the sabotage of the host is: a private key. */
const key = join(files.secrets, 'identity');

/** Done in the guest, as root. */
const inGuest: readonly {
  readonly what: string;
  readonly sabotage: string;
  readonly undo: string;
  readonly fails: readonly string[];
}[] = [
  {
    what: 'a packet filter that lets everybody in',
    sabotage: 'iptables -P INPUT ACCEPT',
    undo: 'iptables -P INPUT DROP',
    fails: ['firewall-input-ipv4'],
  },
  {
    what: 'a hole for IPv6, and a way through',
    sabotage: 'ip6tables -A INPUT -p tcp --dport 80 -j ACCEPT; ip6tables -P FORWARD ACCEPT',
    undo: 'ip6tables -D INPUT -p tcp --dport 80 -j ACCEPT; ip6tables -P FORWARD DROP',
    fails: ['firewall-input-ipv6', 'firewall-forward-ipv6'],
  },
  {
    what: 'a service that listens',
    sabotage:
      'systemd-run --quiet --unit=audit-listener --socket-property=ListenStream=0.0.0.0:4444 /bin/true',
    undo: 'systemctl stop audit-listener.socket',
    fails: ['no-listeners'],
  },
  {
    what: 'a password',
    sabotage: 'cp -p /etc/shadow /run/shadow; sed -i "s/^holdfast:[^:]*:/holdfast:\\$y\\$x:/" /etc/shadow',
    undo: 'cp -p /run/shadow /etc/shadow; rm /run/shadow',
    fails: ['no-passwords'],
  },
  {
    what: 'an SSH server that takes passwords and root',
    sabotage:
      'cp -p /etc/ssh/sshd_config /run/; sed -i "s/^PasswordAuthentication no/PasswordAuthentication yes/; s/^PermitRootLogin no/PermitRootLogin yes/" /etc/ssh/sshd_config',
    undo: 'cp -p /run/sshd_config /etc/ssh/; rm /run/sshd_config',
    fails: ['ssh-no-passwords', 'ssh-root-refused'],
  },
  {
    what: 'another file system over /logs',
    sabotage: 'mount -t tmpfs -o nosuid,nodev none /logs',
    undo: 'umount /logs',
    fails: ['logs-on-log'],
  },
  {
    what: 'a folder over programs of the root',
    sabotage: 'mkdir /run/other; mount --bind /run/other /opt',
    undo: 'umount /opt; rmdir /run/other',
    fails: ['root-not-shadowed'],
  },
  {
    what: 'a package manager in an overlay',
    sabotage: 'printf "#!/bin/sh\\n" >/etc/apt-get; chmod +x /etc/apt-get',
    undo: 'rm /etc/apt-get',
    fails: ['no-package-manager'],
  },
  {
    what: 'a login prompt',
    sabotage:
      "systemd-run --quiet --unit=audit-login bash -c 'echo login >/proc/self/comm; sleep 600 & wait'; sleep 1",
    undo: 'systemctl stop audit-login',
    fails: ['no-login-prompt'],
  },
];

let sabotaged: Audit;

/** All at once, and one audit: each of its own would cost an emulated machine half a minute. */
before(async () => {
  await sharedMachine();
  try {
    await asRoot(sharedName, inGuest.map(({ sabotage }) => sabotage).join('\n'));
    await chmod(key, 0o644);
    sabotaged = await audit();
  } finally {
    await chmod(key, 0o600);
    const undone = inGuest.map(({ undo }) => `( ${undo} ) || true`);
    await asRoot(sharedName, undone.join('\n'));
  }
});

for (const { what, fails } of inGuest) {
  test(`${what}: the audit names ${fails.join(', ')}`, () => {
    assert.equal(sabotaged.code, 1);
    for (const id of fails) {
      assert.ok(sabotaged.failed.includes(id), sabotaged.failed.join(', '));
      assert.ok(sabotaged.stderr.includes(id), `${id} is named`);
    }
  });
}

test('a key on the host that others can read: the audit names secrets-private', () => {
  assert.ok(sabotaged.failed.includes('secrets-private'));
});

test('what was left alone does not fail', () => {
  const expected = [...inGuest.flatMap(({ fails }) => fails), 'secrets-private'];
  assert.deepEqual(sabotaged.failed.toSorted(), expected.toSorted());
});

test('what was undone is well again: a machine as deployed passes, and its report is filed as one page', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-audit-'));
  try {
    const page = join(folder, 'audit.html');
    const text = await expectDone(['audit', '--machine', sharedName, '--html', page]);
    assert.doesNotMatch(text, / fail /);
    const html = await readFile(page, 'utf8');
    assert.match(html, /^<!doctype html>/);
    assert.ok(html.includes('<code>root-verity</code>'));
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('another loader ahead of the slots, put there while the machine was off: the audit names boot-order', async () => {
  const word = ['--machine', sharedName];
  await expectDone(['stop', ...word]);
  const isOff = await holdfast(['audit', ...word]);
  assert.equal(isOff.code, 1, 'a machine that is off is not audited');
  assert.match(isOff.stderr, /is not running/);
  const before = await readVariableStore(files.variables);
  const order = findVariable(before, vendors.global, 'BootOrder')?.data ?? Buffer.alloc(0);
  const entry = serialiseLoadOption(bootEntry('A', '\\EFI\\other.efi'));
  const number = Buffer.of(0x42, 0x00);
  try {
    const sabotaged = setVariables(
      before,
      shared('Boot0042', entry),
      shared('BootOrder', Buffer.concat([number, order])),
    );
    await writeVariableStore(files.variables, sabotaged);
    await expectDone(['start', ...word]); // there is no such file: the firmware goes on to slot A
    const { code, failed } = await audit();
    assert.deepEqual(failed, ['boot-order']);
    assert.equal(code, 1);
  } finally {
    await holdfast(['stop', ...word]);
    await writeVariableStore(files.variables, before); // whoever needs the machine next starts it
  }
});

function shared(name: string, data: Buffer): Variable {
  return { name, vendor: vendors.global, attributes: attributes.shared, data };
}
