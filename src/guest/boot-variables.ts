import type { Guest } from '../channel/guest.ts';
import type { VariableChange } from '../firmware/store.ts';
import { rootScript } from './root-script.ts';

const directory = '/sys/firmware/efi/efivars';

/**
 * Writes UEFI variables through the guest's kernel, as only the firmware may write them while a machine runs. Each is written
 * atomically, in order (Linux, filesystems/efivarfs: four bytes of attributes, then the data, in one write).
 * The running system can have made the file system read-only, for all of its mounts.
 * @throws those of `Guest.run`.
 */
export async function writeVariables(guest: Guest, changes: readonly VariableChange[]): Promise<void> {
  const commands = changes.map(({ name, vendor, attributes, data }) => {
    const path = `${directory}/${name}-${vendor}`;
    if (data === undefined) return `rm -f ${path}`;
    const head = Buffer.alloc(4);
    head.writeUInt32LE(attributes);
    // the shell's printf buffers: one write
    return `printf '${octal(Buffer.concat([head, data]))}' >${path}`;
  });
  const writable = `mount -o remount,rw,nosuid,nodev,noexec ${directory}`;
  await guest.run([...rootScript, 'sh', '-euc', [writable, ...commands].join('\n')], { timeoutMs: 30_000 });
}

function octal(bytes: Buffer): string {
  return Array.from(bytes, (byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
}
