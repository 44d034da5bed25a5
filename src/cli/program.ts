import { Command, CommanderError, Option } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { type ExitCode, type HoldfastError, misuse } from '../base/errors.ts';
import { type Argument, flagName, type Given, type Verb } from './framework/command.ts';
import { commonFlags } from './framework/common-flags.ts';
import { groups, verbs } from './registry.ts';

/** The common flags, not yet read. */
export type CommonGiven = Readonly<Record<keyof typeof commonFlags, string | true | undefined>>;

/** A command line, understood: which verb, and what was given to it. */
export interface Request {
  readonly verb: Verb;
  readonly given: Given;
  readonly common: CommonGiven;
}

/** Help or the version: printed, the exit code returned. */
export interface Information {
  readonly text: string;
  readonly exitCode: ExitCode;
}

/**
 * Understands a command line, loading only the verb that it names.
 * @param onCommon is told the common flags as soon as they are known, also when the rest is wrong.
 * @throws HoldfastError `usage` (exit code 2).
 */
export async function understand(
  words: readonly string[],
  onCommon: (common: CommonGiven) => void,
): Promise<Request | Information> {
  let request: Request | undefined;
  let text = '';
  const write = (chunk: string) => {
    text += chunk;
  };
  const program = new Command('holdfast')
    .description(packageJson.description)
    .version(packageJson.version, '--version', 'print the version')
    .usage('[flags] VERB …')
    .addHelpText('after', '\n`holdfast help VERB` shows what a verb takes, with examples.')
    .helpOption('-h, --help', 'show this help')
    .helpCommand(false)
    .configureHelp({ styleTitle: inOurTerms, styleUsage: inOurTerms })
    .enablePositionalOptions()
    .exitOverride()
    // errors are told by `report`
    .configureOutput({ writeOut: write, writeErr: write, outputError: () => {} });
  let chosen = program;
  declareFlags(program, commonFlags);
  const prepare = async (_parent: Command, command: Command) => {
    chosen = command;
    const entry = verbs[nameOf(command)];
    if (!entry) return; // a group: its own hook comes next
    const { verb } = await entry.load();
    declare(command, verb).action(() => {
      request = { verb, given: givenTo(command, verb), common: command.optsWithGlobals<CommonGiven>() };
    });
  };
  program.hook('preSubcommand', prepare);
  for (const [name, { summary }] of Object.entries(verbs))
    addVerb(program, name.split(' '), summary, prepare);
  try {
    await program.parseAsync(helpAsFlag(words), { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === 'commander.help') return { text, exitCode: 2 };
    if (error.exitCode === 0) return { text, exitCode: 0 };
    throw usageError(error, chosen);
  } finally {
    onCommon(chosen.optsWithGlobals<CommonGiven>());
  }
  if (!request) throw new Error('commander neither acted nor threw');
  return request;
}

type Hook = (parent: Command, command: Command) => Promise<void>;

/** A verb of two words is a command of the group that the first one names. */
function addVerb(parent: Command, words: readonly string[], summary: string, prepare: Hook): void {
  const [word = '', ...others] = words;
  if (others.length === 0) {
    parent.command(word).description(summary);
    return;
  }
  const found = parent.commands.find((command) => command.name() === word);
  const group =
    found ??
    parent
      .command(word)
      .description(groups[word] ?? '')
      .helpCommand(false)
      .hook('preSubcommand', prepare);
  addVerb(group, others, summary, prepare);
}

/** All words of a verb: `release publish`. */
function nameOf(command: Command): string {
  return command.parent?.parent ? `${nameOf(command.parent)} ${command.name()}` : command.name();
}

/** `help VERB` is `VERB --help`; a verb that does not exist stays alone and is refused. */
function helpAsFlag(words: readonly string[]): string[] {
  const [first, ...name] = words;
  if (first !== 'help') return [...words];
  const isKnown =
    name.length === 0 || Object.hasOwn(verbs, name.join(' ')) || Object.hasOwn(groups, name[0] ?? '');
  return isKnown ? [...name, '--help'] : name;
}

/** Commander's words for what we call flags and verbs. */
const terms: readonly (readonly [theirs: RegExp, ours: string])[] = [
  [/\bOptions:/, 'Flags:'],
  [/\bCommands:/, 'Verbs:'],
  [/\boption(s?)\b/g, 'flag$1'],
  [/\bcommand\b/g, 'verb'],
];

function inOurTerms(text: string): string {
  return terms.reduce((result, [theirs, ours]) => result.replace(theirs, ours), text);
}

const argumentForms: Readonly<Record<Argument<unknown>['count'], (placeholder: string) => string>> = {
  required: (placeholder) => `<${placeholder}>`,
  optional: (placeholder) => `[${placeholder}]`,
  rest: (placeholder) => `<${placeholder}...>`,
};

/** Translates a verb's tables to commander's. */
function declare(command: Command, verb: Verb): Command {
  for (const { placeholder, summary, count } of Object.values(verb.arguments)) {
    command.argument(argumentForms[count](placeholder), summary);
  }
  declareFlags(command, verb.flags);
  declareFlags(command, commonFlags);
  const width = Math.max(...verb.examples.map(([line]) => line.length));
  const examples = verb.examples.map(([line, does]) => `  ${line.padEnd(width)}  ${does}`);
  return command
    .passThroughOptions(verb.passThrough)
    .addHelpText('after', `\nExamples:\n${examples.join('\n')}`);
}

function declareFlags(command: Command, flags: Verb['flags']): void {
  for (const [name, { placeholder, summary }] of Object.entries(flags)) {
    const value = placeholder === undefined ? '' : ` <${placeholder}>`;
    command.addOption(new Option(`${flagName(name)}${value}`, summary));
  }
}

function givenTo(command: Command, verb: Verb): Given {
  const words = Object.entries(verb.arguments).map(([name, { count }], index) => [
    name,
    command.args.slice(index, count === 'rest' ? undefined : index + 1),
  ]);
  return { arguments: Object.fromEntries(words), flags: command.opts<Given['flags']>() };
}

/** Commander's `error: what\n(Did you mean this?)` as our what, why and next. */
function usageError({ code, message }: CommanderError, command: Command): HoldfastError {
  const [what = '', suggestion] = inOurTerms(message)
    .replace(/^error: /, '')
    .split('\n');
  const likely = suggestion?.match(/^\(Did you mean (?:one of )?(.*)\?\)$/)?.[1];
  const help = command.parent ? `holdfast ${nameOf(command)} --help` : 'holdfast --help';
  const [, flag] = /^flag '([^']+)' argument missing$/.exec(what) ?? [];
  if (code === 'commander.optionMissingArgument' && flag) {
    return misuse('usage', `${flag} has no value`, {
      why: 'the flag is the last word',
      next: `\`${help}\` shows what can be given`,
    });
  }
  return misuse('usage', what, {
    why: command.parent
      ? `\`${nameOf(command)}\` takes ${inOurTerms(command.usage())}`
      : 'no verb and no flag has this name',
    next: likely ? `did you mean ${likely}? \`${help}\` shows all` : `\`${help}\` shows what can be given`,
  });
}
