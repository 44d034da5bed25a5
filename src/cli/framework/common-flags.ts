import { type MachineName, parseMachineName } from '../../machine/paths.ts';
import { type Flag, toggle } from './parameters.ts';

/** Flags that every command takes, before its name or after it. */
export const commonFlags = {
  machine: {
    placeholder: 'NAME',
    summary: 'The machine to act on (default: default)',
    choices: [],
    read: (given) => parseMachineName(typeof given === 'string' ? given : 'default'),
  },
  json: toggle('Print JSON'),
  debug: toggle('Log everything; HOLDFAST_DEBUG=qemu,channel logs some'),
} satisfies { machine: Flag<MachineName>; json: Flag<boolean>; debug: Flag<boolean> };

/** The common flags, unread. */
export type CommonGiven = Readonly<Record<keyof typeof commonFlags, string | true | undefined>>;
