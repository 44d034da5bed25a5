import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { failure, type HoldfastError } from '../base/errors.ts';
import { makePrivateDirectory, readBounded, syncDirectory } from '../base/files.ts';
import { run } from '../base/process.ts';
import type { Identity } from './session.ts';

/**
 * Limit for a key file, far above the size of an Ed25519 key in OpenSSH's format (about 400 bytes).
 */
const keyFileLimit = 4096;

/**
 * Prefix of an encoded public key: the name of the algorithm and the key, each preceded by its
 * length (RFC 8709 section 4).
 */
const publicKeyPrefix = Buffer.from('\0\0\0\x0bssh-ed25519\0\0\0\x20', 'latin1');
const publicKeyLength = publicKeyPrefix.length + 32;

/**
 * Returns the paths of a machine's channel keys in its secrets directory. Private keys have mode
 * 0600.
 */
export function channelKeyFiles(secrets: string) {
  return {
    /** Key of the host. The public half is delivered to the guest as an authorized key. */
    identity: join(secrets, 'identity'),
    identityPublic: join(secrets, 'identity.pub'),
    /**
     * Host key of the guest. The private half is delivered as a credential, the host pins the
     * public half.
     */
    hostKey: join(secrets, 'guest-host-key'),
    hostKeyPublic: join(secrets, 'guest-host-key.pub'),
  } as const;
}

/**
 * Generates the Ed25519 key pairs of both ends in OpenSSH's formats. Never replaces an existing
 * key. Uses ssh-keygen: npm's ssh2 drops leading zero bytes, which breaks every 256th key (its
 * issue 1513).
 * @throws HoldfastError `process.failed` when a key exists already, `process.missing` without
 *   ssh-keygen.
 */
export async function makeChannelKeys(secrets: string): Promise<void> {
  const files = channelKeyFiles(secrets);
  await makePrivateDirectory(secrets);
  await makeKeyPair(files.identity, 'holdfast host');
  await makeKeyPair(files.hostKey, 'holdfast guest');
  for (const path of Object.values(files)) await syncFile(path);
  await syncDirectory(secrets);
}

async function makeKeyPair(path: string, comment: string): Promise<void> {
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', comment, '-f', path]);
}

async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Reads the keys that a session needs.
 * @throws HoldfastError `channel.key` when a public key is malformed; Node's errors when a file
 *   cannot be read.
 */
export async function readIdentity(secrets: string, user: string): Promise<Identity> {
  const files = channelKeyFiles(secrets);
  const privateKey = (await readBounded(files.identity, keyFileLimit)).toString('latin1');
  const hostKey = (await readBounded(files.hostKeyPublic, keyFileLimit)).toString('latin1');
  parsePublicKey(hostKey);
  return { user, privateKey, hostKey };
}

/**
 * Decodes `ssh-ed25519 BASE64 [comment]` to the key's wire format.
 * @throws HoldfastError `channel.key` for anything else.
 */
export function parsePublicKey(text: string): Buffer {
  const [, base64] = /^ssh-ed25519 ([A-Za-z0-9+/]+=*)(?: [^\n]*)?\n?$/.exec(text) ?? [];
  const key = Buffer.from(base64 ?? '', 'base64');
  if (key.length !== publicKeyLength || !key.subarray(0, publicKeyPrefix.length).equals(publicKeyPrefix)) {
    throw damagedKey('the host key of the guest', 'it is not an Ed25519 public key in OpenSSH’s format');
  }
  return key;
}

/** @param why reason, without any part of the key. */
export function damagedKey(which: string, why: string): HoldfastError {
  return failure('channel.key', `${which} is damaged`, {
    why,
    next: 'restore the machine’s directory from a backup, or deploy the machine again',
  });
}
