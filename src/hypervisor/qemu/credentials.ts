import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { failure } from '../../base/errors.ts';
import { makePrivateDirectory, readBounded } from '../../base/files.ts';

/** The 32-bit entry point of SMBIOS 2.8, QEMU's default, has 16 bits for the length of all tables: credentials use half. */
const totalLimit = 32 * 1024;

/**
 * Returns a credential as an SMBIOS type 11 string: systemd.system-credentials(7), "SMBIOS OEM strings".
 * @throws HoldfastError `credential.name`.
 */
export function oemString(name: string, content: Buffer): string {
  if (!/^[A-Za-z0-9._@-]{1,255}$/.test(name))
    throw failure('credential.name', `'${name}' is not a valid credential name`);
  return `io.systemd.credential.binary:${name}=${content.toString('base64')}`;
}

/**
 * Writes each credential to a file in QEMU's form: their content must not appear in QEMU's argv.
 * @param directory is created with mode 0700; the caller removes it when QEMU has started.
 * @returns the files.
 * @throws HoldfastError `credential.name`, `credential.too-large`.
 */
export async function writeOemStrings(
  credentials: Readonly<Record<string, string>>,
  directory: string,
): Promise<readonly string[]> {
  await makePrivateDirectory(directory);
  const paths: string[] = [];
  let total = 0;
  for (const [name, source] of Object.entries(credentials)) {
    const text = oemString(name, await readBounded(source, totalLimit));
    total += text.length;
    if (total > totalLimit) {
      throw failure('credential.too-large', 'cannot pass the credentials to the machine', {
        why: `they exceed ${totalLimit} bytes, the limit of the firmware's tables`,
      });
    }
    const path = join(directory, String(paths.length));
    await writeFile(path, text, { mode: 0o600 });
    paths.push(path);
  }
  return paths;
}
