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
    bytes: 64 * KiB,
    beyond: 'the claims that need it are `unknown`',
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
} as const satisfies Readonly<Record<string, Bound>>;
