/** An entry of a tar archive, possibly malicious: nothing is validated. */
export interface TarEntry {
  readonly name: string;
  /** POSIX.1-2017, pax, "ustar Interchange Format": 0 file, 1 hard link, 2 symbolic link, 3 device, 5 directory, 6 pipe, x pax header. */
  readonly type?: '0' | '1' | '2' | '3' | '4' | '5' | '6' | 'x';
  readonly content?: string;
  /** The size that the header states, if not that of the content. */
  readonly size?: number;
  readonly target?: string;
  readonly mode?: number;
}

/** Encodes an archive with its end mark. */
export function tarOf(entries: readonly TarEntry[]): Buffer {
  return Buffer.concat([...entries.map(encode), Buffer.alloc(1024)]);
}

function encode({
  name,
  type = '0',
  content = '',
  size = content.length,
  target = '',
  mode = 0o644,
}: TarEntry): Buffer {
  const header = Buffer.alloc(512);
  const octal = (value: number, at: number, length: number) =>
    header.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1');
  header.write(name, 0, 100);
  octal(mode, 100, 8);
  octal(0, 108, 8); // user
  octal(0, 116, 8); // group
  octal(size, 124, 12);
  octal(0, 136, 12); // time
  header.write(type, 156);
  header.write(target, 157, 100);
  header.write('ustar\x0000', 257, 'latin1');
  octal(1, 329, 8); // device
  octal(3, 337, 8);
  header.fill(' ', 148, 156);
  octal(
    header.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  );
  const padded = Buffer.alloc(Math.ceil(content.length / 512) * 512);
  padded.write(content, 'latin1');
  return Buffer.concat([header, padded]);
}
