import { describe } from '../base/errors.ts';
import { debug, enableDebug } from '../base/log.ts';
import { Machine } from '../machine/machine.ts';
import { homeAt, homeDirectory } from '../machine/paths.ts';
import { type CommonGiven, commonFlags } from './framework/common-flags.ts';
import { watchInterruption } from './framework/interruption.ts';
import { printOn } from './framework/output.ts';
import { report } from './framework/report.ts';
import { understand } from './program.ts';
import { commands } from './registry.ts';
import { showOn } from './terminal/progress.ts';

/** Runs one command line to its end. Never throws: errors are told on standard error. */
async function main(words: readonly string[]): Promise<number> {
  const { stdin, stdout, stderr } = process;
  const interruption = watchInterruption(process, stdout);
  let common: Partial<CommonGiven> = {};
  const isJson = () => commonFlags.json.read(common.json);
  let exitCode: number | undefined;
  try {
    const onCommon = (flags: CommonGiven) => {
      common = flags;
      if (commonFlags.debug.read(flags.debug)) enableDebug();
    };
    const understood = await understand(words, onCommon, stdout.columns);
    if ('text' in understood) {
      (understood.exitCode === 0 ? stdout : stderr).write(understood.text);
      return understood.exitCode;
    }
    const home = homeAt(homeDirectory());
    await understood.command.run(understood.given, {
      machine: new Machine(home, commonFlags.machine.read(common.machine)),
      json: isJson(),
      home,
      commands,
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
      debug('cli', `ended by the interruption with: ${describe(error)}`);
      return interrupted;
    }
    return report(error, stderr, isJson());
  }
}

process.exitCode = await main(process.argv.slice(2));
// an open standard input, or a stream to the guest that is no longer read, must not keep the process
process.stdout.write('', () => process.exit());
