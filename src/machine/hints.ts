import { isMachineName } from './paths.ts';

/** Commands of the host, which act on no machine. */
export const hostCommands: ReadonlySet<string> = new Set([
  'build',
  'completion',
  'doctor',
  'help',
  'list',
  'release',
]);

/** A command line of Holdfast in backticks: the words of the command, and the rest. */
const commandLine = /[`]holdfast ((?:[a-z][a-z-]*(?: |(?=`)))+)([^`]*)`/g;

/**
 * Names the machine in each command line of a hint: "run `holdfast start`" would start the machine `default`. Every error and
 * every answer goes through it, so that no hint can forget it.
 * @param name undefined: unknown, and the text stays.
 */
export function nameMachine(text: string, name: string | undefined): string {
  if (name === undefined || name === 'default' || !isMachineName(name)) return text;
  return text.replaceAll(commandLine, (whole, words: string, rest: string) => {
    const [command = ''] = words.split(' ', 1);
    if (hostCommands.has(command) || /(?:^| )--(?:machine|help)\b/.test(rest)) return whole;
    return `\`holdfast ${words.trimEnd()} --machine ${name}${rest === '' ? '' : ` ${rest}`}\``;
  });
}
