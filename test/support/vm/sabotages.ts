import { randomBytes } from 'node:crypto';
import { chmod, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { channelKeyFiles } from '../../../src/channel/keys.ts';
import { machinePaths, parseMachineName } from '../../../src/machine/paths.ts';
import { home, sharedName } from './machine.ts';
import { networkInGuest } from './sabotages-network.ts';
import { systemInGuest } from './sabotages-system.ts';

/*
 * Changes to the shared machine that make its audit fail, and how to undo them.
 */

interface Sabotage {
  readonly what: string;
  /** Whether an honest user could do that by mistake, or only an attacker. */
  readonly by: 'mistake' | 'attacker';
  /** The claims that fail because of it. */
  readonly fails: readonly string[];
  /** Claims that may fail too, where the check sees what the guest has mounted. */
  readonly also?: readonly string[];
  /** Part of the evidence of its first claim: other changes here may fail that claim as well. */
  readonly shows?: RegExp;
}

export interface GuestSabotage extends Sabotage {
  /** Shell lines, run as root. */
  readonly sabotage: string;
  readonly undo: string;
}

interface HostSabotage extends Sabotage {
  /** @returns a function that undoes it. */
  sabotage(): Promise<() => Promise<void>>;
}

const files = machinePaths(home, sharedName);

/** Changes a text file on the host. */
function rewritten(
  path: string,
  change: (text: string) => string | Promise<string>,
): HostSabotage['sabotage'] {
  return async () => {
    const text = await readFile(path, 'utf8');
    await writeFile(path, await change(text));
    return () => writeFile(path, text);
  };
}

/** An Ed25519 public key without a known private key, in OpenSSH's format (RFC 8709 section 4). */
function anyPublicKey(): string {
  const type = Buffer.from('ssh-ed25519');
  const field = (bytes: Buffer) => Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes]);
  return `${type} ${Buffer.concat([field(type), field(randomBytes(32))]).toString('base64')} other\n`;
}

/** All changes in the guest, made in this order and undone in the same. */
export const inGuest: readonly GuestSabotage[] = [...networkInGuest, ...systemInGuest];

export const onHost: readonly HostSabotage[] = [
  {
    what: 'a private key that others can read',
    by: 'mistake',
    fails: ['secrets-private'],
    sabotage: async () => {
      const key = channelKeyFiles(files.secrets).identity;
      await chmod(key, 0o644);
      return () => chmod(key, 0o600);
    },
  },
  {
    what: 'another host key on record',
    by: 'attacker',
    fails: ['ssh-keys-pinned'],
    sabotage: rewritten(channelKeyFiles(files.secrets).hostKeyPublic, anyPublicKey),
  },
  {
    what: 'another machine with the same keys',
    by: 'mistake',
    fails: ['ssh-keys-unique'],
    sabotage: async () => {
      const { directory, secrets } = machinePaths(home, parseMachineName('audit-twin'));
      await mkdir(directory, { mode: 0o700 });
      await cp(files.secrets, secrets, { recursive: true });
      return () => rm(directory, { recursive: true });
    },
  },
  {
    what: 'another platform key than the machine was deployed with',
    by: 'attacker',
    fails: ['secure-boot-keys'],
    sabotage: rewritten(join(home.keys, 'platform', 'certificate.pem'), () =>
      readFile(join(home.keys, 'release', 'certificate.pem'), 'utf8'),
    ),
  },
  {
    what: 'a disk of another size than was asked for',
    by: 'mistake',
    fails: ['partition-data'],
    sabotage: rewritten(files.configuration, (text) => {
      const configuration = JSON.parse(text) as { dataSize: number };
      return JSON.stringify({ ...configuration, dataSize: configuration.dataSize + 2 ** 30 });
    }),
  },
];
