import { misuse } from '../../base/errors.ts';
import { allowedIn, allowIn, disallowIn, resetFirewall } from '../../guest/firewall-changes.ts';
import {
  describeRule,
  describeService,
  type FirewallRule,
  parseComment,
  parseService,
} from '../../guest/firewall-rule.ts';
import { parseSource } from '../../guest/firewall-source.ts';
import { type Context, defineVerb, oneOf, optional, required, setting } from '../framework/command.ts';
import { columns } from '../terminal/columns.ts';

const actions = ['list', 'allow', 'remove', 'reset'] as const;

export const verb = defineVerb({
  arguments: {
    action: required(actions.join('|'), 'what to do with the rules', oneOf(...actions)),
    service: optional('WHAT', 'tcp/PORT, udp/PORT, icmp or icmpv6; FIRST-LAST for many ports', parseService),
  },
  flags: {
    from: setting('CIDR', 'only from this address or network (default: from everybody)', parseSource),
    comment: setting('TEXT', 'what it is for', parseComment),
  },
  examples: [
    ['holdfast firewall list', 'show what is let in'],
    ['holdfast firewall allow tcp/8080', 'let everybody in, also to a port that Podman publishes'],
    ['holdfast firewall allow udp/5000-5010 --from 192.0.2.0/24 --comment "sensors"', 'let some in'],
    ['holdfast firewall remove tcp/8080', 'let them in no longer; connections that stand go on'],
    ['holdfast firewall reset', 'let nobody in'],
  ],
  async run({ arguments: { action, service }, flags, ...context }) {
    const given = { service, ...flags };
    if (action === 'list' || action === 'reset') {
      refuse(action, given, ['service', 'from', 'comment']);
      await (action === 'list' ? list(context) : reset(context));
      return;
    }
    if (service === undefined) {
      throw misuse('usage', `nothing is named to ${action}`, {
        next: `write for example holdfast firewall ${action} tcp/8080`,
      });
    }
    if (action === 'remove') refuse(action, given, ['comment']);
    const rule = { service, from: flags.from, comment: flags.comment };
    await (action === 'allow' ? allow(context, rule) : remove(context, rule));
  },
});

/** @throws HoldfastError `usage.conflict` when something is given that the action has no use for. */
function refuse<Name extends 'service' | 'from' | 'comment'>(
  action: string,
  given: Readonly<Record<Name, unknown>>,
  unused: readonly Name[],
): void {
  const name = unused.find((each) => given[each] !== undefined);
  if (name === undefined) return;
  throw misuse(
    'usage.conflict',
    `\`firewall ${action}\` takes no ${name === 'service' ? 'WHAT' : `--${name}`}`,
    {
      next: '`holdfast firewall --help` shows what can be given',
    },
  );
}

async function list({ machine, layout, output }: Context): Promise<void> {
  const rules = await allowedIn(layout, machine);
  const rows = rules.map(({ service, from, comment }) => [
    describeService(service),
    from ?? 'everybody',
    comment ?? '',
  ]);
  const text = rules.length === 0 ? 'nothing is allowed' : columns(['WHAT', 'FROM', 'COMMENT'], rows);
  output.result({ machine, rules: rules.map(asJson) }, text);
}

async function allow({ machine, layout, output }: Context, rule: FirewallRule): Promise<void> {
  const changed = await allowIn(layout, machine, rule);
  output.result(
    { machine, ...asJson(rule), allowed: true, changed },
    `${machine} ${changed ? 'lets in' : 'lets in already'} ${describeRule(rule)}`,
  );
}

async function remove({ machine, layout, output }: Context, rule: FirewallRule): Promise<void> {
  await disallowIn(layout, machine, rule);
  const { service, from } = asJson(rule);
  output.result(
    { machine, service, from, allowed: false, changed: true },
    `${machine} has no rule any more that lets in ${describeRule(rule)}`,
  );
}

async function reset({ machine, layout, output }: Context): Promise<void> {
  await resetFirewall(layout, machine);
  output.result({ machine, rules: [] }, `${machine} has no rules any more`);
}

/** `from` and `comment` are null when there is none: each key is always there. */
function asJson({ service, from, comment }: FirewallRule) {
  return { service: describeService(service), from: from ?? null, comment: comment ?? null };
}
