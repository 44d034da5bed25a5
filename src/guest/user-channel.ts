import { z } from 'zod';
import { printable } from '../channel/run.ts';
import { loadSocketModules } from './socket-modules.ts';
import { systemRoot } from './system-root.ts';

/**
 * Shell lines that print why the user channel cannot work, a line each: `WORD DETAIL`. The programs are those of the verified root,
 * which read the files of the running system as data. A file that is no regular one is not opened: it may block.
 */
export const userProblems = `(
root=${systemRoot}
first() { timeout 10 "$@" 2>&1 </dev/null | tr -c ' -~\\n' '?' | head -c 200 | head -n 1; echo; }
if [ ! -f $root/etc/ssh/sshd_config ]; then echo 'sshd it is missing, or not a file'
elif ! timeout 10 sshd -t -f $root/etc/ssh/sshd_config -h /run/holdfast/host-key 2>/dev/null </dev/null; then
  echo "sshd $(first sshd -t -f $root/etc/ssh/sshd_config -h /run/holdfast/host-key)"
fi
for file in $root/etc/sudoers $root/etc/sudoers.d/*; do
  if [ ! -f "$file" ]; then
    echo 'sudo a file of its configuration is missing, or not a file'
    break # the first one tells enough
  elif ! cmp -s "$file" "\${file#$root}" && ! timeout 10 visudo -c -q -f "$file" 2>/dev/null </dev/null; then
    echo "sudo $(first visudo -c -f "$file")"
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
${loadSocketModules('tcp', 'vsock')}
case $(ss -Hltn; ss -Hl --vsock) in *:22\\ *) ;; *) echo 'listener no program listens for it' ;; esac
)`;

/** What each word is about. */
const subjects = {
  sshd: 'sshd_config is broken',
  sudo: 'sudo is broken',
  account: 'the account holdfast is broken',
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
