import { mostEvents } from '../../src/attestation/event-log.ts';
import { formatSize, KiB, MiB } from '../../src/base/size.ts';
import { type Bound, bounds } from '../../src/channel/bounds.ts';
import { formatDuration } from '../../src/cli/terminal/progress.ts';
import { geometry } from '../../src/firmware/geometry.ts';
import { ruleLimit } from '../../src/guest/firewall-rule.ts';
import { archiveLimits } from '../../src/tar/limits.ts';
import { mostConnections } from '../../src/tpm/broker/broker.ts';
import { longestMessage } from '../../src/tpm/codec/message.ts';
import { markdownTable } from './markdown.ts';

/** The page of everything that a guest sends, and how much of it the host takes. */
export const boundsPage = { path: 'docs/reference/bounds.md', make: boundsReference };

function boundsReference(): string {
  const rows = Object.values<Bound>(bounds).map(({ source, bytes, count, unit, time, beyond }) => [
    source,
    bytes === undefined ? '' : formatSize(bytes),
    count === undefined ? '' : `${count.toLocaleString('en')} ${unit}`,
    time === undefined ? '' : formatDuration(time / 1000),
    beyond,
  ]);
  const others: readonly (readonly [string, string, string, string])[] = [
    [
      'event log of a quote',
      formatSize(256 * KiB),
      `${mostEvents.toLocaleString('en')} events`,
      '`attest` fails',
    ],
    ['rules of the packet filter', '', `${ruleLimit} rules`, '`firewall` reports a damaged file'],
    ['UEFI variable store', formatSize(geometry.size), '', 'the machine does not start'],
    [
      "commands to the host's TPM",
      formatSize(longestMessage),
      `${mostConnections} connections`,
      'rejected ([TPM broker](tpm-broker.md))',
    ],
    [
      'archive of a copy out of the guest',
      '',
      `${archiveLimits.entries.toLocaleString('en')} entries`,
      '`copy` fails ([Copy](copy.md#limits))',
    ],
    ["the supervisor's log, which has one predecessor", formatSize(MiB), '', 'moved to its predecessor'],
  ];
  return `${[
    '<!-- Generated from src/channel/bounds.ts by `npm run generate`. Do not edit. -->',
    '# Bounds',
    [
      'The host does not trust its guests: everything that a guest sends is bounded in size, number and time before it is kept.',
      'The bounds are far above what a machine needs, and cannot be changed.',
      'A command in the guest has a time limit of its own, from 10 seconds to 5 minutes, unless the table names one.',
    ].join('\n'),
    markdownTable(['source', 'size', 'number', 'time', 'beyond it'], rows),
    '## Bounds of formats',
    'These formats have bounds of their own, which their decoders enforce.',
    markdownTable(['source', 'size', 'number', 'beyond it'], others),
    [
      '## Text of a guest',
      '',
      'Control characters, bidirectional and other invisible characters, and bytes that are not UTF-8 act on a terminal or deceive its reader.',
      'They are shown as U+FFFD (`\uFFFD`) in text, also when it is written to a file or a pipe, because it often reaches a terminal from there.',
      'Paths show them as `\\xNN`.',
      'With `--json` they are escaped, so that nothing is lost.',
      '`exec`, `shell` and `copy` transfer bytes unchanged: what they print is the output of your command.',
    ].join('\n'),
  ].join('\n\n')}\n`;
}
