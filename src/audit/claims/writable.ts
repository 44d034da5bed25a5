import * as z from 'zod';
import { layersDirectory } from '../../guest/overlay-path.ts';
import { runsAsReleased, systemRoot } from '../../guest/system-root.ts';
import { type Claim, defineClaim, fail, notApplicable, pass, unless } from '../claim.ts';
import { guestFile } from '../guest-file.ts';
import { matching, type Probe } from '../guest-probe.ts';
import { type Mount, missingOptions, mountAt, mounts } from '../mounts.ts';
import { encrypts, type Volume, volumes } from '../volumes.ts';

type Written = 'written' | 'full';

/** Writes a file in a directory, and removes it. */
function writeProbe(directory: string): Probe<Written> {
  const path = `${systemRoot}${directory}`;
  return {
    name: `write-${directory.slice(1)}`,
    command: `file=$(mktemp ${path}/.holdfast-audit-XXXXXXXX) && {
      state=written
      echo audit >"$file" || { [ "$(df --output=avail ${path} | tail -n 1)" -eq 0 ] && state=full; } || state=
      rm "$file"; [ -n "$state" ] && echo "$state"
    }`,
    form: z.enum(['written', 'full']),
  };
}

function notWritten(target: string, state: Written): string[] {
  return state === 'written' ? [] : [`${target} is full: nothing can be written there`];
}

/** Device of the active journal file. */
const journal: Probe<string> = {
  name: 'journal',
  command: `${guestFile('/etc/machine-id')}
  stat -c %Hd:%Ld "${systemRoot}/var/log/journal/$(<"$file")/system.journal"`,
  form: matching(/^(\d+:\d+)$/, ([device = '']) => device),
};

/** Tolerance for a clock that was set after boot, in seconds. */
const clockTolerance = 10;

/**
 * Time of the first file that every machine writes to /etc, its machine-id, and time of the boot, in seconds since 1970. The file
 * must be the one on Data.
 */
const firstWritten: Probe<{ readonly written: number; readonly booted: number }> = {
  name: 'first-written',
  command: `file=${layersDirectory}/etc/upper/machine-id
    while read -r key value; do [ "$key" != btime ] || booted=$value; done </proc/stat
    if ${runsAsReleased}; then echo "0 $booted" # what was kept is not read
    elif [ -f "$file" ] && [ -f ${systemRoot}/etc/machine-id ]; then
      cmp --bytes=256 "$file" ${systemRoot}/etc/machine-id && echo "$(stat -c %Y "$file") $booted"
    fi`,
  form: matching(/^(\d{1,12}) (\d{1,12})$/, ([written, booted]) => ({
    written: Number(written),
    booted: Number(booted),
  })),
};

/** Partitions of the writable file systems. */
const disks = { '/var': 'vda8', '/logs': 'vda7' } as const;

/** Facts that their checks need. */
interface Writable {
  readonly mounts: readonly Mount[];
  readonly volumes: readonly Volume[];
}

function wrongMount(
  { mounts: all, volumes: known }: Writable,
  target: keyof typeof disks,
  encrypted: boolean,
): string[] {
  const { found, problems } = mountAt(all, target);
  if (!found) return problems;
  const { source, type, root, device } = found;
  const volume = known.find((each) => each.device === device);
  const isRight = encrypted
    ? volume !== undefined && encrypts(volume, disks[target])
    : source === `/dev/${disks[target]}`;
  if (!isRight || type !== 'ext4' || root !== '/')
    problems.push(
      `${target} is ${type} from ${source}, directory ${root}${encrypted ? ', but should be encrypted' : ''}`,
    );
  problems.push(...missingOptions(found, ['rw', 'nosuid', 'nodev']));
  return problems;
}

function diskText(target: keyof typeof disks, encrypted: boolean): string {
  return `/dev/${disks[target]}, ${encrypted ? 'encrypted' : 'not encrypted, by choice'}`;
}

const inMemory = notApplicable('the machine was started as released: what it writes is in memory');

function overlayClaim(name: 'etc' | 'home' | 'root', writes: Probe<Written>): Claim {
  const target = `/${name}`;
  const layers = `/var/.eflow/overlays/${name}`;
  return defineClaim({
    id: `overlay-${name}`,
    sentence:
      'Because you may need write access to /etc, /home, /root, /var for specific use cases, write access for these directories is done by overlaying them onto our data partition specifically to the directory /var/.eflow/overlays.',
    since: '0.1',
    looksAt: `The mounts of process 1, the device-mapper tables, and a file that is written in ${target}.`,
    fooledBy: 'Root in the guest mounts in a namespace of its own: processes there see another directory.',
    notStopped: `Changes in ${target} persist over restarts: they are the machine's own, and not verified.`,
    guest: { mounts, volumes, writes },
    host: ['configuration', 'asReleased'],
    judge: (guest, { configuration: { encryption }, asReleased }) => {
      if (asReleased) return inMemory;
      const { found, problems } = mountAt(guest.mounts, target);
      if (!found) return fail(problems.join('; '));
      if (found.type !== 'overlay') problems.push(`${target} is ${found.type} from ${found.source}`);
      const wanted = ['upperdir', 'workdir'].map((option) => {
        const directory = `${layers}/${option.slice(0, -3)}`;
        return { option, accepted: [`${option}=${directory}`, `${option}=/sysroot${directory}`] };
      });
      for (const { option, accepted } of wanted) {
        const has = found.fileSystemOptions.find((each) => each.startsWith(`${option}=`));
        if (has === undefined || !accepted.includes(has)) problems.push(has ?? `it has no ${option}`);
      }
      if (!found.fileSystemOptions.includes(`lowerdir=/sysroot/${name}`))
        problems.push("the release's directory is not its lower directory");
      problems.push(...missingOptions(found, ['rw', 'nosuid', 'nodev']));
      problems.push(...wrongMount(guest, '/var', encryption !== undefined));
      problems.push(...notWritten(target, guest.writes));
      return unless(problems, `a file could be written; it is kept in ${layers}/upper, on Data`);
    },
  });
}

export const writableClaims = [
  defineClaim({
    id: 'data-writable',
    sentence:
      'On the other hand, the data partition mounted under /var is readable and writeable, allowing the user to modify the content inside the partition.',
    since: '0.1',
    looksAt: 'The mounts of process 1, the device-mapper tables, and a file that is written in /var.',
    fooledBy: 'Root in the guest mounts the same file system elsewhere.',
    notStopped:
      "Without --encrypt-data, a user who can read the host's disk file can read Data and Log; with it, a user who also has the machine's directory on the host still can (docs/reference/encrypted-data.md).",
    guest: { mounts, volumes, writes: writeProbe('/var') },
    host: ['configuration', 'asReleased'],
    judge: (guest, { configuration: { encryption }, asReleased }) => {
      if (asReleased) return inMemory;
      const encrypted = encryption !== undefined;
      return unless(
        [...wrongMount(guest, '/var', encrypted), ...notWritten('/var', guest.writes)],
        `/var is ext4 on Data (${diskText('/var', encrypted)}); a file could be written`,
      );
    },
  }),
  defineClaim({
    id: 'logs-on-log',
    sentence: 'Log 1 GB or 6 GB Logs specific partition mounted under /logs',
    since: '0.1',
    looksAt:
      'The mounts of process 1, the device of the active journal, and a file that is written in /logs.',
    fooledBy: 'Root in the guest can stop the journal from writing.',
    notStopped: 'Root in the guest can delete its journal.',
    guest: { mounts, volumes, journal, writes: writeProbe('/logs') },
    host: ['configuration', 'asReleased'],
    judge: (guest, { configuration: { encryption }, asReleased }) => {
      if (asReleased) return inMemory;
      const encrypted = encryption !== undefined;
      const problems = wrongMount(guest, '/logs', encrypted);
      const device = mountAt(guest.mounts, '/logs').found?.device;
      if (guest.journal !== device)
        problems.push(`the journal is on device ${guest.journal}, and /logs on ${device ?? 'none'}`);
      return unless(
        problems,
        // something of the machine's users fills it: no fault of the release, which an update would be rolled back for
        [`/logs is ext4 on Log (${diskText('/logs', encrypted)}); the journal is kept there`]
          .concat(notWritten('/logs', guest.writes))
          .join('; '),
      );
    },
  }),
  overlayClaim('etc', writeProbe('/etc')),
  overlayClaim('home', writeProbe('/home')),
  overlayClaim('root', writeProbe('/root')),
  defineClaim({
    id: 'etc-lasts',
    sentence:
      'The end result of this is that users can write anything to the previous mentioned directories.',
    since: '0.1',
    looksAt: 'The time of the machine-id on Data, and the time of the boot.',
    fooledBy: 'Root in the guest can set the time of the file.',
    notStopped: 'Data written in the last seconds before a loss of power may be lost, unless it was synced.',
    guest: { firstWritten },
    host: ['asReleased'],
    judge: ({ firstWritten: { written, booted } }, { asReleased }) => {
      if (asReleased) return inMemory;
      const time = (seconds: number) => new Date(seconds * 1000).toISOString();
      if (written > booted - clockTolerance)
        return notApplicable('the machine has not been restarted yet; audit it again after a restart');
      return pass(
        `/etc/machine-id, written at ${time(written)}, is there after the start at ${time(booted)}`,
      );
    },
  }),
] as const;
