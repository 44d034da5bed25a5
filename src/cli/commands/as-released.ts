import { toggle } from '../framework/parameters.ts';

/** The flag of commands that start a machine. */
export const asReleased = toggle('Leave out everything that it has kept');
