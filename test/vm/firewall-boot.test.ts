import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { serializeRules } from '../../src/guest/firewall-file.ts';
import { parseService } from '../../src/guest/firewall-rule.ts';
import { greet, stopGreeting } from '../support/vm/greeters.ts';
import { askGuest, asRoot } from '../support/vm/guest.ts';
import { expectDone, holdfast, sharedMachine, sharedName } from '../support/vm/machine.ts';
import { connectFrom, neighbour } from '../support/vm/neighbours.ts';

/*
 * What the machine makes of a file of rules that is not as `holdfast firewall` wrote it.
 */

const near = neighbour(3);
const file = '/var/.eflow/firewall/allowed.rules';

before(async () => {
  await sharedMachine();
  await expectDone(['firewall', 'reset']); // makes the directory
});

after(async () => {
  await asRoot(sharedName, `rm -rf ${file}; systemctl reset-failed`);
  await expectDone(['firewall', 'reset']);
  await stopGreeting(sharedName, [near]);
});

const good = serializeRules([{ service: parseService('tcp/8080'), from: undefined, comment: undefined }]);

/** Shell lines that put something else in the file's place. */
const damages: Readonly<Record<string, string>> = {
  missing: `rm ${file}`,
  empty: `: >${file}`,
  truncated: `printf '%s' '${good.slice(0, -8)}' >${file}`,
  'random bytes': `head -c 5000 /dev/urandom >${file}`,
  'an open policy': `printf '*filter\\n:INPUT ACCEPT [0:0]\\nCOMMIT\\n' >${file}`,
  'a rule for everything': `printf '*filter\\n:HOLDFAST - [0:0]\\n-A HOLDFAST -p tcp -j ACCEPT\\nCOMMIT\\n' >${file}`,
  'a rule in INPUT': `printf '*filter\\n:HOLDFAST - [0:0]\\n-I INPUT -j ACCEPT\\nCOMMIT\\n' >${file}`,
  'a source of the other family': `printf '%s' '${good.replace('-p', '-s fd00::/8 -p')}' >${file}`,
  'a directory': `rm ${file}; mkdir ${file}`,
  'a pipe without a writer': `rm ${file}; mkfifo ${file}`,
  'an endless device': `rm ${file}; ln -s /dev/zero ${file}`,
};

test('a damaged or missing rules file keeps the machine closed, without delaying the boot', async () => {
  const tries = Object.fromEntries(
    Object.entries(damages).map(([what, damage]) => [
      what,
      `rm -rf ${file}; printf '%s' '${good}' >${file}; ${damage}
       timeout 20 systemctl restart firewall-allowed.service >/dev/null 2>&1
       [ $? = 124 ] && echo waited
       iptables -S | grep -e '-P' -e HOLDFAST; ip6tables -S | grep -e '-P' -e HOLDFAST
       systemctl reset-failed firewall-allowed.service 2>/dev/null`,
    ]),
  );
  const closed = (
    await askGuest(sharedName, {
      shipped: `rm -rf ${file}; systemctl restart firewall-allowed.service; iptables -S | grep -e '-P' -e HOLDFAST; ip6tables -S | grep -e '-P' -e HOLDFAST`,
    })
  ).shipped;
  assert.match(closed, /^-P INPUT DROP$/m);
  assert.doesNotMatch(closed, /-A HOLDFAST/);
  const seen = await askGuest(sharedName, tries);
  for (const what of Object.keys(damages)) assert.equal(seen[what], closed, what);
});

test('the machine boots with a damaged rules file, is closed, and reports that', async () => {
  await asRoot(sharedName, `rm -rf ${file}; ${damages['a rule in INPUT']}`); // not through a link to a device
  await expectDone(['restart']);
  await greet(sharedName, [near]);
  assert.deepEqual(
    await askGuest(sharedName, {
      ipv4: connectFrom(near, 'ipv4', 8080),
      ipv6: connectFrom(near, 'ipv6', 8080),
      state: 'systemctl is-system-running --wait',
      failed: 'systemctl list-units --failed --plain --no-legend | cut -d " " -f 1',
    }),
    { ipv4: 'silence', ipv6: 'silence', state: 'degraded', failed: 'firewall-allowed.service' },
  );
  const listed = await holdfast(['firewall', 'list']);
  assert.equal(listed.code, 1);
  assert.match(listed.stderr, /is damaged\n.*\n.*firewall reset/);
  const { stderr } = await holdfast(['audit']);
  for (const id of ['firewall-input-ipv4', 'firewall-input-ipv6', 'no-listeners'])
    assert.ok(stderr.includes(id), `the audit names ${id}`);
  await expectDone(['firewall', 'reset']);
  assert.equal(await expectDone(['firewall', 'list']), 'nothing is allowed\n');
});
