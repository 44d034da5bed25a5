import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { run } from '../../src/base/process.ts';
import { greet, stopGreeting } from '../support/vm/greeters.ts';
import { asRoot } from '../support/vm/guest.ts';
import { expectDone, sharedMachine, sharedName } from '../support/vm/machine.ts';
import { neighbour } from '../support/vm/neighbours.ts';

/*
 * nmap looks for open ports from a neighbour. The machine has no nmap: the host's is copied in, with what it needs, and
 * runs in a root of its own. Services listen on ports 8080 and 9090 all the while.
 */

const near = neighbour(4);
/** On Data: what is in memory cannot be run. */
const root = '/var/tmp/nmap';

before(async () => {
  await sharedMachine();
  await expectDone(['firewall', 'reset']);
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-nmap-'));
  try {
    const archive = join(directory, 'nmap.tar.gz');
    const { stdout } = await run('ldd', ['/usr/bin/nmap']);
    const libraries = stdout.toString().match(/\/\S+/g) ?? [];
    const data = ['nmap-services', 'nmap-payloads', 'nmap-protocols'].map(
      (name) => `/usr/share/nmap/${name}`,
    );
    await run('tar', ['-czhf', archive, '--absolute-names', '/usr/bin/nmap', ...libraries, ...data]);
    await expectDone(['copy', archive, ':/tmp/nmap.tar.gz']);
  } finally {
    await rm(directory, { recursive: true });
  }
  await asRoot(
    sharedName,
    `mkdir -p ${root}/proc ${root}/dev
    tar -C ${root} -xzf /tmp/nmap.tar.gz; rm /tmp/nmap.tar.gz
    mount --bind /dev ${root}/dev; mount --bind /proc ${root}/proc`,
  );
  await greet(sharedName, [near]);
});

after(async () => {
  await expectDone(['firewall', 'reset']);
  await stopGreeting(sharedName, [near]);
  await asRoot(sharedName, `umount ${root}/proc ${root}/dev; rm -r ${root}`);
});

/** What nmap prints about the machine. */
function nmap(...words: readonly string[]): Promise<string> {
  // most probes get no answer: one more try each, without a wait
  const patience = '--max-retries 1 --min-rate 2000';
  return asRoot(
    sharedName,
    `ip netns exec ${near.name} chroot ${root} /usr/bin/nmap -n -Pn ${patience} ${words.join(' ')} 2>/dev/null`,
  );
}

const addresses = { IPv4: [near.ipv4.machine], IPv6: ['-6', near.ipv6.machine] };

for (const [family, address] of Object.entries(addresses)) {
  test(`every TCP port is filtered over ${family}`, async (context) => {
    const output = await nmap('-sS -p-', ...address);
    context.diagnostic(output);
    assert.match(output, /^All 65535 scanned ports on \S+ are in ignored states\.$/m);
    assert.match(output, /^Not shown: 65535 filtered tcp ports \(no-response\)$/m);
  });

  test(`none of the thousand most common UDP ports answers over ${family}`, async (context) => {
    const output = await nmap('-sU --top-ports 1000', ...address);
    context.diagnostic(output);
    assert.match(output, /^Not shown: 1000 open\|filtered udp ports \(no-response\)$/m);
  });
}

test('only an allowed port is visible', async (context) => {
  await expectDone(['firewall', 'allow', 'tcp/8079-8080']);
  const output = await nmap('-sS -p 7000-9999', ...addresses.IPv4);
  context.diagnostic(output);
  assert.deepEqual(output.match(/^\d+\/tcp +\S+/gm), ['8079/tcp closed', '8080/tcp open']);
});
