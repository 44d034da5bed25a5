import { bounds } from '../channel/bounds.ts';
import { systemRoot } from '../guest/system-root.ts';

/**
 * Returns lines of bash that set `file` to a file of the running system, and end the probe unless it is a regular file of a size
 * that can be read: a pipe would block the audit, and a sparse file of terabytes would keep it busy.
 */
export function guestFile(path: string): string {
  return `file=${systemRoot}${path}
  [ ! -L "$file" ] && [ -f "$file" ] && [ "$(stat -c %s "$file")" -le ${bounds.auditAnswer.bytes} ] || {
    echo '${path} is no regular file, or too long'
    exit 1
  }`;
}
