import { type MachineName, parseMachineName } from '../../machine/paths.ts';
import { type Flag, toggle } from './command.ts';

/** Flags that every verb takes, before its name or after it. */
export const commonFlags = {
  machine: {
    placeholder: 'NAME',
    summary: 'the machine (default: default)',
    choices: [],
    read: (given) => parseMachineName(typeof given === 'string' ? given : 'default'),
  },
  json: toggle('print JSON'),
  debug: toggle('tell what is done, and where errors come from'),
} satisfies { machine: Flag<MachineName>; json: Flag<boolean>; debug: Flag<boolean> };
