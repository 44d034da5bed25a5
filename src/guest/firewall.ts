import { createHash } from 'node:crypto';
import type { Session } from '../channel/session.ts';
import { parseRules, serialiseRules } from './firewall-file.ts';
import type { FirewallRule } from './firewall-rule.ts';

/** On Data, beside the overlays and not in one: it is neither a slot's, nor a change of /etc that could be taken back. */
const folder = '/var/.eflow/firewall';
const file = `${folder}/allowed.rules`;

/** Empties the chain. */
const none = '/usr/share/holdfast/firewall/none.rules';

/** Prints the file, which need not be there; not more of it than can be right. */
export const printRules = `if [ -e ${file} ]; then head -c 262144 ${file}; fi`;

/** What the script below ends with when the file is no longer the one that was read. */
const overtaken = 75;

/**
 * Puts what comes in into force and into the file, unless another change was quicker. iptables-restore(8) replaces the
 * chain of a family at once. When anything fails, both chains are put back to what the file has, or else emptied. The file
 * is last: what it has was in force. A host that goes away in between changes nothing of that. Few programs are started:
 * each takes an emulated machine's time.
 */
const replaceScript = `
trap '' HUP INT TERM PIPE
exec 9>/run/holdfast/firewall.lock && flock --timeout 20 9
trap '[ ! -e ${file}.new ] || rm ${file}.new' EXIT
[ -e ${file} ] || { mkdir -p ${folder}; : >${file}; }
[ "$1" = any ] || [ "$1  -" = "$(sha256sum <${file})" ] || exit ${overtaken}
text=$(cat)
case $text in *COMMIT) printf '%s\\n' "$text" >${file}.new ;; *) exit 1 ;; esac
load() { "$1-restore" --noflush --table filter "$2"; }
if load iptables ${file}.new && load ip6tables ${file}.new && sync ${file}.new && mv ${file}.new ${file}; then
  sync ${folder}
  exit
fi
for family in iptables ip6tables; do
  { [ -s ${file} ] && load $family ${file}; } || load $family ${none} || true
done 2>/dev/null
exit 1`;

/** How long a command may take: milliseconds. */
const timeoutMs = 60_000;

/** What the guest was told to let in. */
export interface Allowed {
  readonly rules: readonly FirewallRule[];
  /** SHA-256 of the file that says so. */
  readonly digest: string;
}

/** @throws HoldfastError `firewall.damaged`, and those of `Session.run`. */
export async function readAllowed(guest: Pick<Session, 'run'>): Promise<Allowed> {
  const { stdout } = await guest.run(['sh', '-c', printRules], { timeoutMs });
  const digest = createHash('sha256').update(stdout).digest('hex');
  return { rules: parseRules(stdout.toString('utf8')), digest };
}

/**
 * Lets in what the rules say, from now on and from boot on: for both families or, when it fails, for none.
 * @param digest of the file that the rules were made from; undefined: whatever it is.
 * @returns false when the file had changed meanwhile, and nothing was done.
 * @throws HoldfastError `guest.command` when the guest's packet filter or disk refused; those of `Session.run`.
 */
export async function replaceAllowed(
  guest: Pick<Session, 'run'>,
  rules: readonly FirewallRule[],
  digest: string | undefined,
): Promise<boolean> {
  const { code } = await guest.run(['sudo', '-n', 'sh', '-euc', replaceScript, 'firewall', digest ?? 'any'], {
    input: serialiseRules(rules),
    timeoutMs,
    accept: [0, overtaken],
  });
  return code === 0;
}
