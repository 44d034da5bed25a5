import type { Ora } from 'ora';
import { type Amount, type Progress, type ProgressStep, silent } from '../../base/progress.ts';
import { formatSize } from '../../base/size.ts';

/** Steps that end sooner are not worth a flicker, nor the time to load the spinner. */
const delayMs = 300;

/** A stream that may be a terminal. */
type Terminal = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };

interface RunningStep {
  readonly title: string;
  readonly startedAt: number;
  amount?: Amount;
  note?: string;
}

/**
 * Shows progress on a terminal as a spinner with amount and time left. Elsewhere it prints nothing, or with
 * `HOLDFAST_PROGRESS=plain` prints a line at the start and the end of each step, for logs of unattended runs.
 */
export function showOn(stream: Terminal, environment: NodeJS.ProcessEnv): Progress {
  if (environment.HOLDFAST_PROGRESS === 'plain') return plainOn(stream);
  // a terminal without a size (a serial line, some pseudo terminals) sends ora 9.4.1 into an endless loop
  return stream.isTTY && stream.columns ? spinnerOn(stream) : silent;
}

function plainOn(stream: NodeJS.WritableStream): Progress {
  return {
    step: async (title, work) => {
      const startedAt = performance.now();
      const end = (word: string) =>
        stream.write(`${word} ${title} (${formatDuration((performance.now() - startedAt) / 1000)})\n`);
      stream.write(`..... ${title}\n`);
      try {
        const result = await work({ update: () => {}, note: () => {} });
        end('done ');
        return result;
      } catch (error) {
        end('failed');
        throw error;
      }
    },
  };
}

/** Shows all steps with one spinner: the newest is visible, and each that took long leaves a line when it ends. */
function spinnerOn(stream: NodeJS.WritableStream): Progress {
  const running: RunningStep[] = [];
  let spinner: Ora | undefined;
  const draw = () => {
    const newest = running.at(-1);
    if (!newest) return;
    const text = lineOf(newest, performance.now());
    if (spinner?.isSpinning) spinner.text = text;
    else spinner?.start(text);
  };
  const load = async () => {
    const { default: ora } = await import('ora');
    spinner ??= ora({ stream, discardStdin: false, hideCursor: false });
    draw();
  };
  return {
    step: async (title, work) => {
      const current: RunningStep = { title, startedAt: performance.now() };
      running.push(current);
      let seen = false;
      const timer = setTimeout(() => {
        seen = true;
        load().catch(() => {}); // a missing spinner must not fail the work
      }, delayMs);
      const step: ProgressStep = {
        update: (amount) => {
          current.amount = amount;
          draw();
        },
        note: (note) => {
          current.note = note;
          draw();
        },
      };
      const end = (symbol: string) => {
        clearTimeout(timer);
        running.splice(running.indexOf(current), 1);
        const seconds = formatDuration((performance.now() - current.startedAt) / 1000);
        if (seen) spinner?.stopAndPersist({ symbol, text: `${title} (${seconds})` });
        draw();
      };
      try {
        const result = await work(step);
        end('✔');
        return result;
      } catch (error) {
        end('✖');
        throw error;
      }
    },
  };
}

/** Formats a step: `Making the image: 120 MB of 300 MB, 40 s left (signing)`. */
export function lineOf({ title, startedAt, amount, note }: RunningStep, now: number): string {
  const seconds = (now - startedAt) / 1000;
  const parts = amount ? [formatAmount(amount)] : [];
  if (amount?.total !== undefined && amount.done > 0 && seconds > 2) {
    parts.push(`${formatDuration((seconds * (amount.total - amount.done)) / amount.done)} left`);
  }
  return `${title}${parts.length > 0 ? `: ${parts.join(', ')}` : ''}${note ? ` (${note})` : ''}`;
}

function formatAmount({ done, total, unit }: Amount): string {
  const format = { bytes: formatSize, items: String, seconds: formatDuration }[unit];
  return total === undefined ? format(done) : `${format(done)} of ${format(total)}`;
}

/** Formats a duration: `0.4 s`, `12 s`, `3 min 5 s`. */
export function formatDuration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
