import { reasonOf } from '../base/errors.ts';
import { debug, enableDebug } from '../base/log.ts';
import { homeDirectory, homeLayout } from '../machine/paths.ts';
import { commonFlags } from './framework/common-flags.ts';
import { watchInterruption } from './framework/interruption.ts';
import { printOn } from './framework/output.ts';
import { report } from './framework/report.ts';
import { type CommonGiven, understand } from './program.ts';
import { showOn } from './terminal/progress.ts';

/** Runs one command line to its end. Never throws: errors are told on standard error. */
async function main(words: readonly string[]): Promise<number> {
  const { stdin, stdout, stderr } = process;
  const interruption = watchInterruption(process, stdout);
  let common: Partial<CommonGiven> = {};
  const isJson = () => commonFlags.json.read(common.json);
  let exitCode: number | undefined;
  try {
    const understood = await understand(words, (flags) => {
      common = flags;
      if (commonFlags.debug.read(flags.debug)) enableDebug();
    });
    if ('text' in understood) {
      (understood.exitCode === 0 ? stdout : stderr).write(understood.text);
      return understood.exitCode;
    }
    await understood.verb.run(understood.given, {
      machine: commonFlags.machine.read(common.machine),
      json: isJson(),
      layout: homeLayout(homeDirectory()),
      progress: showOn(stderr, process.env),
      output: printOn(stdout, isJson()),
      streams: { stdin, stdout, stderr },
      signal: interruption.signal,
      exitWith: (code) => {
        exitCode = code;
      },
    });
    return exitCode ?? interruption.exitCode() ?? 0;
  } catch (error) {
    const interrupted = interruption.exitCode();
    if (interrupted !== undefined) {
      debug(`ended by the interruption with: ${reasonOf(error)}`);
      return interrupted;
    }
    return report(error, stderr, isJson());
  }
}

process.exitCode = await main(process.argv.slice(2));
// an open standard input, or a stream to the guest that is no longer read, must not keep the process
process.stdout.write('', () => process.exit());
