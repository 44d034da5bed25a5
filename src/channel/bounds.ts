import { KiB, MiB } from '../base/size.ts';

/** How much of something that a guest sends the host takes: the guest is not trusted. */
export interface Bound {
  /** The source, as docs/reference/bounds.md names it. */
  readonly source: string;
  /** Bytes. */
  readonly bytes?: number;
  /** A number of things that `unit` names. */
  readonly count?: number;
  readonly unit?: string;
  /** Milliseconds. */
  readonly time?: number;
  /** What happens beyond it. */
  readonly beyond: string;
}

const fails = 'the command fails with `guest.long`';

/**
 * The one table of bounds: everything that a guest sends, or that a program writes because of it, is bounded before it is kept.
 * docs/reference/bounds.md prints it, and test/host/guest-floods.test.ts floods each row.
 */
export const bounds = {
  commandOutput: {
    source:
      "output of a command that the host runs for itself, such as a report, a quote or the firewall's file",
    bytes: MiB,
    beyond: fails,
  },
  interfaces: {
    source: 'network interfaces in a report',
    count: 1000,
    unit: 'interfaces, 64 addresses each',
    beyond: 'the command fails with `guest.output`',
  },
  errorOutput: { source: 'error output of such a command', bytes: 64 * KiB, beyond: 'only its end is kept' },
  errorText: {
    source: 'text of the guest in an error or a verdict',
    count: 500,
    unit: 'characters',
    beyond: 'only its beginning is shown',
  },
  drift: {
    source: 'listing of the overlays (`drift`, `update`)',
    bytes: 32 * MiB,
    count: 250_000,
    unit: 'records, one or two a file',
    time: 300_000,
    beyond: 'the command fails with `drift.large`',
  },
  driftField: {
    source: 'field of a record of the listing',
    bytes: 20 * KiB,
    beyond: 'the command fails with `guest.output`',
  },
  driftText: {
    source: 'lines that `drift` prints without `--json`',
    bytes: MiB,
    count: 10_000,
    unit: 'lines',
    beyond: 'the others are counted',
  },
  auditAnswer: {
    source: 'answer to one question of the audit',
    bytes: 256 * KiB,
    beyond: 'the claims that need it fail',
  },
  auditAnswers: { source: 'all answers of an audit', bytes: 16 * MiB, time: 210_000, beyond: fails },
  healthCheck: {
    source: "output of an owner's health check (`update`)",
    bytes: 64 * MiB,
    beyond: 'the trial fails',
  },
  layerFact: {
    source: 'answer to a question about a file (`update`)',
    bytes: 65,
    time: 300_000,
    beyond: fails,
  },
  journalEntry: { source: 'entry of the journal (`logs --json`)', bytes: MiB, beyond: fails },
  journalArchive: {
    source: 'journal in an archive (`logs --archive`)',
    bytes: 64 * MiB,
    time: 120_000,
    beyond: 'only its end is kept; without one in time, the archive is made without it',
  },
  logArchive: {
    source: 'other log in an archive (`logs --archive`)',
    bytes: 64 * MiB,
    beyond: 'only its end is copied',
  },
  execJson: {
    source: 'each output of `exec --json`',
    bytes: 64 * MiB,
    beyond: 'the command fails with `guest.output`',
  },
  consoleLog: {
    source: 'console log on the host, which has one predecessor',
    bytes: 16 * MiB,
    beyond: 'it is moved to its predecessor; looked at every 5 s',
  },
  processLog: {
    source: 'log of QEMU, vhost-device-vsock and swtpm each, which has one predecessor',
    bytes: MiB,
    beyond: 'it is moved to its predecessor; looked at every 5 s',
  },
  consoleTail: {
    source: 'end of the console log in which the reason of a failed start is looked for',
    bytes: 256 * KiB,
    beyond: 'earlier output is not read',
  },
  consoleLine: {
    source: 'line of the console',
    count: 512,
    unit: 'characters',
    beyond: 'only its beginning is read',
  },
  consoleShown: {
    source: 'console that `logs` shows of a guest that does not come up',
    count: 200,
    unit: 'lines',
    beyond: 'only its end is shown',
  },
  problem: { source: 'problem in `status`', count: 500, unit: 'characters', beyond: 'only its end is shown' },
  retiredConnection: {
    source: 'connections to the guest that the host has ended and the guest has not',
    count: 64,
    unit: 'connections',
    beyond: 'the oldest is closed',
  },
  qmpMessage: {
    source: "message on QEMU's control socket",
    bytes: MiB,
    time: 10_000,
    beyond: 'the socket is closed',
  },
} as const satisfies Readonly<Record<string, Bound>>;
