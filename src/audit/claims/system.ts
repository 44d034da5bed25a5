import { systemRoot } from '../../guest/system-root.ts';
import { bootedRelease } from '../booted-release.ts';
import { defineClaim, unless } from '../claim.ts';
import { describeChange, etcChanges, etcFiles } from '../etc-files.ts';
import { lines, matching, type Probe } from '../guest-probe.ts';
import { addedUnits, isOverride, shippedUnits, type UnitFile, unitAliases } from '../units.ts';
import { bootedHash } from './root.ts';

/** Files of units that systemd was given while it runs, relative to /run/systemd. */
const runtimeUnits: Probe<readonly UnitFile[]> = {
  name: 'runtime-units',
  command: `cd ${systemRoot}/run/systemd && for directory in system system.control system.attached transient generator generator.early generator.late; do
    [ ! -d "$directory" ] || find "$directory" ! -type d -printf '%p -> %l\\n'
  done`,
  form: lines(
    matching(/^([a-z.]{1,32}\/\P{C}{1,500}?) -> (\P{C}{0,1000})$/u, ([path = '', target = '']) => ({
      path,
      target,
    })),
  ),
};

/** Environment of process 1, whose children inherit it. */
const environment: Probe<readonly string[]> = {
  name: 'environment',
  command: `while IFS= read -r -d '' entry; do printf '%s\\n' "\${entry%%=*}"; done </proc/1/environ`,
  form: lines(matching(/^(\S{1,200})$/, ([name = '']) => name)),
};

/** Parts of /etc/systemd that change what the shipped units do; the others configure services, and are evidence. */
const managers = /^systemd\/(?:system|user)\.conf(?:\.d\/|$)|^systemd\/[a-z-]*generators\//;

export const systemClaims = [
  defineClaim({
    id: 'units-as-shipped',
    sentence: 'No unit of the release is masked, replaced or changed, and no generator was added.',
    source: 'Holdfast',
    since: '0.2',
    looksAt:
      'Every file below /etc/systemd, compared by the host with the signed list of the release, and the names and targets of all files of units below /run/systemd.',
    fooledBy:
      'Root in the guest puts the files back after systemd has read them; stops a service; or tells systemd to set a property for this boot without a file.',
    notStopped: 'Units and timers of the user: they run as root if they say so, and the evidence names them.',
    guest: { etcFiles, bootedHash, runtimeUnits, shippedUnits },
    host: ['releases'],
    judge: ({ etcFiles, bootedHash, runtimeUnits, shippedUnits }, { releases }) => {
      const { etc } = bootedRelease(releases, bootedHash);
      const names = new Set([
        ...shippedUnits,
        ...etc.flatMap(({ path }) => /^systemd\/system\/([^/]+)$/.exec(path)?.[1] ?? []),
      ]);
      const inEtc = etcFiles.filter(({ path }) => path.startsWith('systemd/'));
      const aliases = unitAliases([...inEtc, ...runtimeUnits], names);
      const overrides = (path: string) => isOverride(path, names, aliases);
      const changes = etcChanges('systemd', etcFiles, etc);
      const problems = changes
        .filter(({ how, path }) => how !== 'added' || managers.test(path) || overrides(path))
        .map(describeChange);
      problems.push(
        ...runtimeUnits
          .filter(({ path }) => overrides(path))
          .map(({ path }) => `/run/systemd/${path} changes a unit`),
      );
      const added = addedUnits([...changes, ...runtimeUnits].map(({ path }) => path));
      return unless(problems, `${names.size} units as released; added: ${added.join(', ') || 'none'}`);
    },
  }),
  defineClaim({
    id: 'libraries-of-root',
    sentence: 'The dynamic linker takes libraries from the root alone.',
    source: 'Holdfast',
    since: '0.2',
    looksAt:
      'ld.so.preload, ld.so.conf and its directory, ld.so.cache, environment files, and the files that name modules of OpenSSL, GSS and Kerberos in /etc, compared by the host with the signed list of the release; the environment of process 1.',
    fooledBy: 'Root in the guest puts the files back after programs have started.',
    notStopped: 'A process whose own environment names libraries, which root or its user set for it alone.',
    guest: { etcFiles, bootedHash, environment },
    host: ['releases'],
    judge: ({ etcFiles, bootedHash, environment }, { releases }) => {
      const { etc } = bootedRelease(releases, bootedHash);
      const problems = etcChanges('libraries', etcFiles, etc).map(describeChange);
      const variables = environment.filter((name) => /^(?:LD_|GLIBC_)/.test(name));
      problems.push(...variables.map((name) => `process 1 has ${name} in its environment`));
      return unless(problems, 'the files of the linker are those of the release, and nothing is preloaded');
    },
  }),
] as const;
