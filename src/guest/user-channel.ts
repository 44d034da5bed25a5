import * as z from 'zod';
import { printable } from '../channel/run.ts';
import { loadSocketModules } from './socket-modules.ts';
import { systemRoot } from './system-root.ts';

/**
 * Shell lines that print why the user channel cannot work, a line each: `WORD DETAIL`. The programs are those of the verified root,
 * which read the files of the running system as data. A file that is no regular one is not opened: it may block.
 */
export const userProblems = `(
root=${systemRoot}
first() { printf '%s\\n' "$1" | tr -c ' -~\\n' '?' | head -n 1 | head -c 200; }
if [ ! -f $root/etc/ssh/sshd_config ]; then echo 'sshd it is missing, or not a file'
elif ! said=$(sshd -t -f $root/etc/ssh/sshd_config -h /run/holdfast/host-key 2>&1 </dev/null); then echo "sshd $(first "$said")"
fi
for file in $root/etc/sudoers $root/etc/sudoers.d/*; do
  if [ ! -f "$file" ]; then
    echo 'sudo a file of its configuration is missing, or not a file'
    break # the first one tells enough
  elif ! cmp -s "$file" "\${file#$root}" && ! said=$(visudo -c -f "$file" 2>&1 </dev/null); then
    echo "sudo $(first "$said")"
    break
  fi
done
account=
if [ -f $root/etc/passwd ]; then
  while IFS=: read -r name _ id _ _ _ shell; do
    if [ "$name" = holdfast ]; then account=$id:$shell; break; fi
  done <$root/etc/passwd
fi
case $account in
1000:/*) [ -x "\${account#1000:}" ] || [ -x "$root\${account#1000:}" ] || echo 'account its login shell cannot be run' ;;
*) echo 'account /etc/passwd does not name it' ;;
esac
if [ -f $root/etc/shadow ]; then
  while IFS=: read -r name password _; do
    case $name:$password in holdfast:!*) echo 'account its password is locked, so that sshd denies its key too' ;; esac
  done <$root/etc/shadow
fi
[ ! -e $root/etc/nologin ] || echo 'account /etc/nologin denies every login but that of root'
${loadSocketModules('tcp', 'vsock')}
case $(ss -Hltn; ss -Hl --vsock) in *:22\\ *) ;; *) echo 'listener no program listens for it' ;; esac
)`;

/** What each word is about. */
const subjects = {
  sshd: 'sshd_config is broken',
  sudo: 'sudo is broken',
  account: 'the account holdfast is broken',
  time: 'the user channel cannot be examined',
  listener: 'the SSH server for users is not started',
} as const;

/** A line of `userProblems`, as a sentence. */
export const userProblem = z
  .string()
  .max(300)
  .transform((line, context) => {
    const [, word = '', detail = ''] = /^(\w+) (.*)$/.exec(line) ?? [];
    const subject = Object.entries(subjects).find(([name]) => name === word)?.[1];
    if (subject !== undefined) return `${subject}: ${printable(detail.replaceAll(systemRoot, ''))}`;
    context.addIssue({ code: 'custom', message: `unexpected ${JSON.stringify(line)}` });
    return z.NEVER;
  });
