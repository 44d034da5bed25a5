import { resolve } from 'node:path';
import { repositoryKeys } from '../../../repository/client/host-trust.ts';
import { roles } from '../../../repository/roles.ts';
import { initKeys, rotateKeys, trustedRootPath } from '../../../repository/root-metadata.ts';
import { anyText, defineVerb, oneOf, required, setting, wholeNumber } from '../../framework/command.ts';

export const verb = defineVerb({
  arguments: { wish: required('init|rotate', 'make the first keys, or new ones', oneOf('init', 'rotate')) },
  flags: {
    offline: setting('DIR', 'where the root keys are (default: with the others in HOLDFAST_HOME)', anyText),
    rootKeys: setting('N', 'init: how many root keys to make (default: 1)', wholeNumber),
    threshold: setting('N', 'init: how many root keys must sign (default: 1)', wholeNumber),
    role: setting('ROLE', 'rotate: whose keys (default: targets, snapshot and timestamp)', oneOf(...roles)),
  },
  examples: [
    ['holdfast release keys init', 'make all keys on this host'],
    [
      'holdfast release keys init --offline /media/stick --root-keys 3 --threshold 2',
      'keep root keys offline',
    ],
    ['holdfast release keys rotate --role targets', 'after a key was lost or seen by others'],
  ],
  async run({ arguments: { wish }, flags, layout, output }) {
    const directory = repositoryKeys(layout);
    const keys = { directory, rootKeys: flags.offline === undefined ? directory : resolve(flags.offline) };
    const trusted = trustedRootPath(directory);
    if (wish === 'init') {
      await initKeys(keys, flags.rootKeys ?? 1, flags.threshold ?? 1);
      output.result(
        { rootVersion: 1, trusted },
        `Made the keys of a repository\nGive ${trusted} to other hosts: they trust what it vouches for`,
      );
      return;
    }
    const rotated = flags.role === undefined ? (['targets', 'snapshot', 'timestamp'] as const) : [flags.role];
    const rootVersion = await rotateKeys(keys, rotated);
    output.result(
      { rootVersion, rotated, trusted },
      `Changed the keys of ${rotated.join(', ')}: root metadata ${rootVersion}\nPublish again to put them in use`,
    );
  },
});
