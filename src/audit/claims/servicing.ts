import { readBootState } from '../../firmware/boot.ts';
import { phaseOf } from '../../firmware/slots.ts';
import { systemRoot } from '../../guest/system-root.ts';
import { defineClaim, fail, pass, unless } from '../claim.ts';
import { lines, matching, type Probe } from '../guest-probe.ts';
import { slot } from '../shared-probes.ts';

/** Programs that install software, by their original names. */
export const packageManagers: readonly string[] = [
  ...['apt', 'apt-get', 'apt-cache', 'aptitude', 'dpkg', 'dpkg-deb', 'rpm', 'rpm2cpio', 'yum', 'dnf', 'dnf5'],
  ...['microdnf', 'tdnf', 'zypper', 'pacman', 'apk', 'opkg', 'snap', 'flatpak', 'nix', 'brew', 'pip', 'pip3'],
  ...['npm', 'gem', 'cpan'],
];

/** The search includes `bash`: without it in the result, the search did not work. */
const found: Probe<readonly string[]> = {
  name: 'package-managers',
  command: `find / -xdev \\( -name bash ${packageManagers
    .map((name) => `-o -name ${name}`)
    .join(' ')} \\) \\( -type f -o -type l \\) -perm /111 -print
  for directory in etc home root var/.eflow; do
    [ ! -d "${systemRoot}/$directory" ] || find "${systemRoot}/$directory" -xdev \\( -false ${packageManagers.map((name) => `-o -name ${name}`).join(' ')} \\) \\( -type f -o -type l \\) -perm /111 -print
  done`,
  form: lines(matching(/^(\/.{1,1000})$/, ([path = '']) => path)),
};

const version: Probe<string> = {
  name: 'release-version',
  command:
    'while IFS== read -r key value; do [ "$key" != IMAGE_VERSION ] || echo "$value"; done </usr/lib/os-release',
  form: matching(/^"?([0-9.]{1,64})"?$/, ([text = '']) => text),
};

export const servicingClaims = [
  defineClaim({
    id: 'no-package-manager',
    sentence:
      "The virtual machine has no package manager, so it's not possible to manually download and install RPM packages.",
    since: '0.1',
    looksAt:
      'The names of executable files of the root and of /etc, /home, /root, /var/.eflow, /usr/local and /opt.',
    fooledBy: 'Every user with write access: a renamed package manager is not recognized.',
    notStopped:
      'Programs copied to /home or /var can run there, and containers bring their own: they are not part of the system. The files of containers are not searched.',
    guest: { found },
    host: [],
    judge: (guest) => {
      const paths = [...new Set(guest.found)];
      const problems = paths.filter((path) => path !== '/usr/bin/bash').map((path) => `found ${path}`);
      if (!paths.includes('/usr/bin/bash'))
        problems.push('the search did not work: it did not even find bash');
      return unless(
        problems,
        `none of ${packageManagers.length} known package managers in /, /etc, /home, /root`,
      );
    },
  }),
  defineClaim({
    id: 'release-signed',
    sentence: 'All updates to the virtual machine are installed using EFLOW A/B update mechanism.',
    since: '0.1',
    looksAt:
      "The version in the root's os-release, and the signatures of the releases that machine.json names.",
    fooledBy:
      'Root in the guest reports another version; `root-verity` compares the root hash. Root on the host: another certificate.',
    notStopped: "The owner of this host's release key can make releases that the host accepts.",
    guest: { version },
    host: ['configuration', 'releases'],
    judge: (guest, { configuration, releases }) => {
      const named: readonly string[] = [configuration.release, ...configuration.updates];
      const problems = releases
        .filter(({ digest }) => !named.includes(digest))
        .map(({ digest }) => `${digest} is not a release in machine.json`);
      const found = releases.filter(({ manifest }) => manifest.version === guest.version);
      const release = found.find(({ manifest }) => manifest.epoch >= configuration.epoch);
      if (release === undefined && found.length > 0)
        problems.push(
          `${guest.version} is running, but the machine has committed a release of a later epoch`,
        );
      else if (release === undefined) {
        const versions = releases.map(({ manifest }) => manifest.version);
        problems.push(`${guest.version} is running, but ${versions.join(', ')} was deployed`);
      }
      return unless(problems, `${guest.version} is running; its release.json (${release?.digest}) is signed`);
    },
  }),
  defineClaim({
    id: 'ab-servicing',
    sentence:
      "The data stored on this partition isn't manipulated by the update process and hence won't be modified across updates.",
    since: '0.1',
    looksAt:
      "The active slot, as the initrd recorded it, and BootOrder and BootNext in the host's variable store.",
    fooledBy: 'Root in the guest can overwrite the record of the slot; the boot order is read on the host.',
    notStopped: 'Changes that a new release makes to the data once it runs.',
    guest: { slot },
    host: ['variables'],
    judge: (guest, { variables }) => {
      const { order, next } = readBootState(variables);
      const running = guest.slot;
      const phase = phaseOf({ order, ...(next && { next }), running });
      const committed = order[0] ?? 'none';
      if (phase === 'degraded')
        return fail(`slot ${running} is active, because the committed slot ${committed} did not start`);
      if (phase === 'trial') return fail(`slot ${running} is on trial; slot ${committed} is committed`);
      return pass(
        `slot ${running} is active and committed; updates write only the partitions of the other slot`,
      );
    },
  }),
] as const;
