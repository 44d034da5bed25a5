import { misuse } from './errors.ts';

/** A number of bytes. Branded, so that megabytes or sectors are not passed by mistake. */
export type Bytes = number & { readonly __brand: 'Bytes' };

export const KiB = 1024 as Bytes;
export const MiB = (1024 ** 2) as Bytes;
export const GiB = (1024 ** 3) as Bytes;
export const TiB = (1024 ** 4) as Bytes;

const units: Readonly<Record<string, number>> = { '': 1, K: KiB, M: MiB, G: GiB, T: TiB };

/**
 * Parses `512MB`, `10G`, `1.5 GiB`. Units are powers of 1024, as in EFLOW's settings.
 * @throws HoldfastError `size.malformed` (exit code 2).
 */
export function parseSize(text: string): Bytes {
  const match = /^(\d+(?:\.\d+)?)\s*([KMGT])(?:i?B)?$/i.exec(text.trim());
  const bytes = match ? Number(match[1]) * (units[match[2]?.toUpperCase() ?? ''] ?? Number.NaN) : Number.NaN;
  if (!Number.isSafeInteger(bytes)) {
    throw misuse('size.malformed', `invalid size '${text}'`, {
      why: match ? 'it is too large, or not a whole number of bytes' : 'a size is a number and a unit',
      next: 'write a size such as 1024MB, 10GB or 2TB',
    });
  }
  return bytes as Bytes;
}

/** Formats a size for display, such as `1.5 GB`; powers of 1024. */
export function formatSize(bytes: number): string {
  let value = bytes;
  for (const unit of ['B', 'KB', 'MB', 'GB']) {
    if (value < 1024) return `${Number.isInteger(value) ? value : value.toFixed(1)} ${unit}`;
    value /= 1024;
  }
  return `${Number.isInteger(value) ? value : value.toFixed(1)} TB`;
}
