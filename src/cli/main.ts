import { describe } from '../base/errors.ts';
import { debug, enableDebug } from '../base/log.ts';
import { type CommonGiven, commonFlags } from './framework/common-flags.ts';
import { watchInterruption } from './framework/interruption.ts';
import { understand } from './program.ts';

/** Runs one command line to its end. Never throws: errors are reported on standard error. */
async function main(words: readonly string[]): Promise<number> {
  const { stdout, stderr } = process;
  stderr.on('error', () => {}); // nothing is left to report it on: the exit code still tells
  const interruption = watchInterruption(process, stdout);
  let common: Partial<CommonGiven> = {};
  try {
    const onCommon = (flags: CommonGiven) => {
      common = flags;
      if (commonFlags.debug.read(flags.debug)) enableDebug();
    };
    const understood = await understand(words, onCommon, stdout.columns);
    if ('text' in understood) {
      if (commonFlags.json.read(common.json)) stdout.write(`${JSON.stringify(understood.json)}\n`);
      else (understood.exitCode === 0 ? stdout : stderr).write(understood.text);
      await interruption.requireWritten();
      return understood.exitCode;
    }
    // loaded only here and below: help and the version should not wait for it
    const { runCommandLine } = await import('./run-command-line.ts');
    const exitCode = await runCommandLine(understood, interruption.signal);
    await interruption.requireWritten();
    return exitCode ?? interruption.exitCode() ?? 0;
  } catch (error) {
    const interrupted = interruption.exitCode();
    if (interrupted !== undefined) {
      debug('cli', `ended by the interruption with: ${describe(error)}`);
      return interrupted;
    }
    const { report } = await import('./framework/report.ts');
    const machine = typeof common.machine === 'string' ? common.machine : undefined;
    return report(error, stderr, commonFlags.json.read(common.json), machine);
  }
}

const exitCode = await main(process.argv.slice(2));
// an open standard input, or a stream to the guest that is no longer read, must not keep the process
process.stdout.write('', () => process.stderr.write('', () => process.exit(exitCode)));
