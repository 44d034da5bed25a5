import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { z } from 'zod';
import { exampleImage } from '../../scripts/example-image.ts';
import { verdicts } from '../../src/audit/claim.ts';
import { readAllowed, replaceAllowed } from '../../src/guest/firewall.ts';
import { chainLines } from '../../src/guest/firewall-file.ts';
import { describeRule, ruleLimit } from '../../src/guest/firewall-rule.ts';
import { Machine } from '../../src/machine/machine.ts';
import { guestOf } from '../../src/supervisor/guest.ts';
import { firewallRules } from '../support/firewall-rules.ts';
import { greet, stopGreeting } from '../support/vm/greeters.ts';
import { askGuest, asRoot } from '../support/vm/guest.ts';
import { expectDone, holdfast, home, sharedMachine, sharedName } from '../support/vm/machine.ts';
import { connectFrom, neighbour } from '../support/vm/neighbours.ts';

/*
 * What is let in and what is not, tried from other hosts: network namespaces in the guest. Two services greet who comes,
 * on ports 8080 and 9090, and a container publishes its port 80 as 8081.
 */

const near = neighbour(1);
const far = neighbour(2);
const file = '/var/.eflow/firewall/allowed.rules';

function firewall(...words: readonly string[]): Promise<string> {
  return expectDone(['firewall', ...words]);
}

before(async () => {
  const image = await exampleImage(home);
  await sharedMachine();
  await firewall('reset');
  await greet(sharedName, [near, far]);
  await expectDone(['copy', image, ':/tmp/example.tar']);
  await asRoot(
    sharedName,
    `
    podman import --quiet /tmp/example.tar example; rm /tmp/example.tar
    podman network create --ipv6 outside >/dev/null
    podman run --detach --restart=always --name server --network outside --publish 8081:80 example \
      sh -c 'exec /bin/busybox httpd -f -h / -p 80' >/dev/null`,
  );
});

after(async () => {
  await firewall('reset');
  await asRoot(
    sharedName,
    `
    podman rm --all --force --time 0; podman network rm outside; podman system prune --all --volumes --force`,
  );
  await stopGreeting(sharedName, [near, far]);
});

test('denies all connections until one is allowed, even to listening services and published ports', async () => {
  assert.deepEqual(
    await askGuest(sharedName, {
      itself: 'timeout 9 bash -c "cat </dev/tcp/127.0.0.1/8080"',
      ipv4: connectFrom(near, 'ipv4', 8080),
      ipv6: connectFrom(near, 'ipv6', 8080),
      published: connectFrom(near, 'ipv4', 8081),
      published6: connectFrom(near, 'ipv6', 8081),
      ping: `ip netns exec ${near.name} ping -q -c 1 -W 3 ${near.ipv4.machine} >/dev/null || echo silence`,
    }),
    {
      itself: 'hello',
      ipv4: 'silence',
      ipv6: 'silence',
      published: 'silence',
      published6: 'silence',
      ping: 'silence',
    },
  );
});

test('allows at once what a rule allows, for both families and its source only', async (context) => {
  const began = performance.now();
  await firewall('allow', 'tcp/8080', '--comment', 'the greeter');
  context.diagnostic(`allowed after ${Math.round(performance.now() - began)} ms`);
  await firewall('allow', 'tcp/9090', '--from', `${near.ipv4.own}/32`);
  await firewall('allow', 'icmp');
  await firewall('allow', 'icmpv6', '--from', 'fd99:1::/64');
  const ping = (from: typeof near, family: 'ipv4' | 'ipv6') =>
    `ip netns exec ${from.name} ping -q -c 1 -W 3 ${from[family].machine} >/dev/null && echo yes || echo silence`;
  assert.deepEqual(
    await askGuest(sharedName, {
      near: connectFrom(near, 'ipv4', 8080),
      near6: connectFrom(near, 'ipv6', 8080),
      far: connectFrom(far, 'ipv4', 8080),
      nearOnly: connectFrom(near, 'ipv4', 9090),
      nearOnly6: connectFrom(near, 'ipv6', 9090),
      farNot: connectFrom(far, 'ipv4', 9090),
      ping: ping(far, 'ipv4'),
      ping6: ping(near, 'ipv6'),
      farPing6: ping(far, 'ipv6'),
      published: connectFrom(near, 'ipv4', 8081),
      shown: `iptables -L HOLDFAST -n | grep -o "dpt.*\\|ctorigdstport 8080.*"`,
    }),
    {
      ...{ near: 'hello', near6: 'hello', far: 'hello' },
      ...{ nearOnly: 'hello', nearOnly6: 'silence', farNot: 'silence' },
      ...{ ping: 'yes', ping6: 'yes', farPing6: 'silence' },
      published: 'silence',
      shown: 'ctorigdstport 8080 /* the greeter */',
    },
  );
  const { rules } = JSON.parse(await firewall('list', '--json'));
  assert.deepEqual(rules.slice(0, 2), [
    { service: 'tcp/8080', from: null, comment: 'the greeter' },
    { service: 'tcp/9090', from: `${near.ipv4.own}/32`, comment: null },
  ]);
});

const report = z.object({
  results: z.array(z.object({ id: z.string(), verdict: z.enum(verdicts), evidence: z.string() })),
});

async function failedClaims(): Promise<Record<string, string>> {
  const { results } = report.parse(JSON.parse((await holdfast(['audit', '--json'])).stdout));
  return Object.fromEntries(
    results.filter(({ verdict }) => verdict === 'fail').map(({ id, evidence }) => [id, evidence]),
  );
}

test('the audit accepts allowed services, and reports open ports without a rule', async () => {
  assert.deepEqual(await failedClaims(), {
    'no-listeners': 'tcp 0.0.0.0:8081 listens',
  });
  await asRoot(
    sharedName,
    'iptables -A HOLDFAST -p tcp --dport 80 -j ACCEPT; ip6tables -D HOLDFAST 1; systemctl stop greet-9090.socket',
  );
  const failed = await failedClaims();
  assert.deepEqual(Object.keys(failed), ['firewall-input-ipv4', 'firewall-input-ipv6', 'no-listeners']);
  assert.match(failed['firewall-input-ipv4'] ?? '', /does not show -A HOLDFAST -p tcp -m tcp --dport 80 /);
  assert.match(failed['firewall-input-ipv6'] ?? '', /not in force: .* --ctorigdstport 8080 /);
  await asRoot(sharedName, 'systemctl start greet-9090.socket');
});

test('a published port is reachable once its port on the machine is allowed, even after Podman recreated its chains', async () => {
  const ways = {
    ipv4: connectFrom(near, 'ipv4', 8081),
    ipv6: connectFrom(near, 'ipv6', 8081),
    direct: `ip netns exec ${near.name} ip route add 10.89.0.0/16 via ${near.ipv4.machine} 2>/dev/null
      address=$(podman inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' server)
      ip netns exec ${near.name} timeout 4 bash -c "exec 3<>/dev/tcp/$address/80" 2>/dev/null && echo open || echo closed`,
  };
  const closed = { ipv4: 'silence', ipv6: 'silence', direct: 'closed' };
  const open = { ipv4: 'HTTP/1.1 404 Not Found', ipv6: 'HTTP/1.1 404 Not Found', direct: 'closed' };
  await firewall('allow', 'tcp/80'); // the container's own port
  assert.deepEqual(await askGuest(sharedName, ways), closed);
  await firewall('allow', 'tcp/8081');
  assert.deepEqual(await askGuest(sharedName, ways), open);
  await asRoot(sharedName, 'podman network reload --all');
  assert.deepEqual(await askGuest(sharedName, ways), open);
  await firewall('remove', 'tcp/8081');
  assert.deepEqual(await askGuest(sharedName, ways), closed);
  await asRoot(sharedName, 'podman network reload --all');
  assert.deepEqual(await askGuest(sharedName, ways), closed);
});

/** The filter without counters, and the file. */
const state = `iptables -S; ip6tables -S; cat ${file}; ls -A /var/.eflow/firewall`;

const guest = guestOf(new Machine(home, sharedName));
/** Faults are put into the view of the management channel: what the guest changes does not reach the host's commands. */
const manage = (lines: string) => guest.run(['sh', '-euc', lines]);

test('when the rules of one family fail, the other family and the file stay unchanged', async () => {
  const { before } = await askGuest(sharedName, { before: state });
  for (const program of ['ip6tables-restore', 'iptables-restore']) {
    await manage(`cp -a /etc/alternatives /tmp/; ln -sfn /usr/bin/false /tmp/alternatives/${program}
      mount --bind /tmp/alternatives /etc/alternatives`);
    try {
      const { code, stderr } = await holdfast(['firewall', 'allow', 'tcp/7070']);
      assert.equal(code, 1);
      assert.match(stderr, /^error: setarch in the guest failed/);
    } finally {
      await manage('umount /etc/alternatives; rm -r /tmp/alternatives');
    }
    assert.deepEqual(await askGuest(sharedName, { before: state }), { before }, program);
  }
});

test('an impossible change and a read-only disk change nothing', async () => {
  const { before } = await askGuest(sharedName, { before: state });
  const { code, stderr } = await holdfast(['firewall', 'remove', 'tcp/7070']);
  assert.equal(code, 1);
  assert.match(stderr, /^error: there is no rule tcp\/7070/);
  const rules = '/run/guest/var/.eflow/firewall';
  await manage(`mount --bind ${rules} ${rules}; mount -o remount,bind,ro ${rules}`);
  try {
    assert.equal((await holdfast(['firewall', 'allow', 'tcp/7070'])).code, 1);
  } finally {
    await manage(`umount ${rules}`);
  }
  assert.deepEqual(await askGuest(sharedName, { before: state }), { before });
});

test('concurrent changes do not undo one another', async () => {
  const wanted = ['tcp/7001', 'tcp/7002', 'tcp/7003'];
  await Promise.all(wanted.map((service) => firewall('allow', service)));
  const { rules } = JSON.parse(await firewall('list', '--json')) as { rules: { service: string }[] };
  assert.deepEqual(
    wanted.filter((service) => !rules.some((rule) => rule.service === service)),
    [],
  );
  for (const service of wanted) await firewall('remove', service);
});

test('applies the maximum number of rules of every kind as written', async () => {
  const rules = await readAllowed(guest);
  const many =
    fc.sample(
      fc.uniqueArray(firewallRules, { selector: describeRule, minLength: ruleLimit, maxLength: ruleLimit }),
      1,
    )[0] ?? [];
  await replaceAllowed(guest, many);
  try {
    const { ipv4, ipv6, form } = await askGuest(sharedName, {
      ipv4: 'iptables -S HOLDFAST | tail -n +2',
      ipv6: 'ip6tables -S HOLDFAST | tail -n +2',
      form: 'systemctl restart firewall-allowed.service && echo loaded',
    });
    assert.deepEqual(ipv4.split('\n'), chainLines(many, 'ipv4'));
    assert.deepEqual(ipv6.split('\n'), chainLines(many, 'ipv6'));
    assert.equal(form, 'loaded', 'the machine would load them at boot');
    assert.deepEqual(await readAllowed(guest), many);
  } finally {
    await replaceAllowed(guest, rules);
  }
});

test('rules apply after a restart, also to published ports', async () => {
  await firewall('allow', 'tcp/8081');
  await expectDone(['restart']);
  await greet(sharedName, [near, far]);
  assert.deepEqual(
    await askGuest(sharedName, {
      greeter: connectFrom(near, 'ipv4', 8080),
      greeter6: connectFrom(near, 'ipv6', 8080),
      other: connectFrom(far, 'ipv4', 9090),
      published: connectFrom(near, 'ipv4', 8081),
      failed: 'systemctl list-units --failed --plain --no-legend',
    }),
    {
      greeter: 'hello',
      greeter6: 'hello',
      other: 'silence',
      published: 'HTTP/1.1 404 Not Found',
      failed: '',
    },
  );
});
