import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { failure } from '../../base/errors.ts';
import { run } from '../../base/process.ts';
import type { KeyPair } from '../keys.ts';

/** The parts of a unified kernel image: paths, and text. */
export interface UkiParts {
  readonly stub: string;
  readonly linux: string;
  readonly initrd: string;
  readonly commandLine: string;
  readonly osRelease: string;
  readonly kernel: string;
  /** PEM: the key that signs the policy for PCR 11. */
  readonly publicKey: string;
  /** Passed to the initrd by the stub: `pcr-signature.ts`. Not measured, because it contains a signature of the measurement. */
  readonly pcrSignature?: string;
  /** The time stamp in the image's header, in seconds since 1970. */
  readonly epoch: number;
}

/**
 * Assembles a unified kernel image: systemd-stub with one PE section for each part
 * (https://uapi-group.org/specifications/specs/unified_kernel_image/).
 * @param scratch an existing directory. @returns the path of the unsigned image.
 */
export async function assembleUki(parts: UkiParts, scratch: string): Promise<string> {
  const file = async (name: string, text: string) => {
    const path = join(scratch, name);
    await writeFile(path, text);
    return path;
  };
  // .linux last: the kernel may need room behind it to decompress itself
  const sections: readonly [string, string][] = [
    ['.osrel', await file('osrel', parts.osRelease)],
    ['.cmdline', await file('cmdline', parts.commandLine)],
    ['.uname', await file('uname', parts.kernel)],
    ['.pcrpkey', await file('pcrpkey', parts.publicKey)],
    ...(parts.pcrSignature === undefined
      ? []
      : [['.pcrsig', await file('pcrsig', parts.pcrSignature)] as [string, string]]),
    ['.initrd', parts.initrd],
    ['.linux', parts.linux],
  ];
  const { stdout } = await run('objdump', ['--section-headers', '--private-headers', parts.stub]);
  let address = freeAddress(stdout.toString());
  const options: string[] = [];
  for (const [name, path] of sections) {
    options.push(
      '--add-section',
      `${name}=${path}`,
      '--change-section-vma',
      `${name}=0x${address.toString(16)}`,
    );
    address += roundUp(BigInt((await stat(path)).size), alignment);
  }
  const image = join(scratch, 'uki.efi');
  await runAt(parts.epoch, 'objcopy', [...options, parts.stub, image]);
  return image;
}

/** The SectionAlignment of systemd's stub: sections of a PE image start at its multiples. */
const alignment = 4096n;

function roundUp(value: bigint, multiple: bigint): bigint {
  return ((value + multiple - 1n) / multiple) * multiple;
}

/** Returns the first address behind all sections, from objdump's output: `index name size vma …`. */
export function freeAddress(headers: string): bigint {
  const ends = [...headers.matchAll(/^\s*\d+ \S+\s+([0-9a-f]+)\s+([0-9a-f]+)\s/gm)].map(
    ([, size, address]) => BigInt(`0x${address}`) + BigInt(`0x${size}`),
  );
  if (ends.length === 0) throw failure('release.stub', 'the boot stub has no sections');
  return roundUp(ends.toSorted((a, b) => (a < b ? -1 : 1)).at(-1) ?? 0n, alignment);
}

/** Signs an EFI program for Secure Boot (Authenticode). */
export async function signEfi(source: string, target: string, key: KeyPair, epoch: number): Promise<void> {
  await runAt(epoch, 'sbsign', [
    '--key',
    key.privateKey,
    '--cert',
    key.certificate,
    '--output',
    target,
    source,
  ]);
}

/**
 * Runs a program that writes the current time into its output and has no option for it. With the clock at `epoch` the same
 * input makes the same bytes.
 */
async function runAt(epoch: number, program: string, args: readonly string[]): Promise<void> {
  const time = new Date(epoch * 1000).toISOString().replace('T', ' ').slice(0, 19);
  await run('faketime', ['-f', time, program, ...args], { env: { ...process.env, TZ: 'UTC' } });
}

/** Signs a root hash for dm-verity: DER, PKCS #7, detached, no attributes, over the hash in hex. */
export async function signRootHash(rootHash: string, key: KeyPair): Promise<Buffer> {
  return signPkcs7(rootHash, [], key);
}

/**
 * Signs the policies for IPE in a directory, with the root hash in place of `ROOT_HASH`: DER, PKCS #7 around the policy
 * itself, no attributes.
 */
export async function signIntegrityPolicies(
  directory: string,
  rootHash: string,
  key: KeyPair,
): Promise<Map<string, Buffer>> {
  const signed = new Map<string, Buffer>();
  for (const name of (await readdir(directory)).toSorted()) {
    const policy = (await readFile(join(directory, name), 'utf8')).replaceAll(
      '=sha256:ROOT_HASH',
      `=sha256:${rootHash}`,
    );
    signed.set(name, await signPkcs7(policy, ['-nodetach'], key));
  }
  return signed;
}

async function signPkcs7(
  content: string | Uint8Array,
  options: readonly string[],
  key: KeyPair,
): Promise<Buffer> {
  const form = ['-sign', '-nocerts', '-noattr', '-binary', '-outform', 'der', ...options];
  const signer = ['-signer', key.certificate, '-inkey', key.privateKey];
  const { stdout } = await run('openssl', ['smime', ...form, ...signer], { input: content });
  return stdout;
}
