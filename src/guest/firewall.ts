import type { Guest } from '../channel/guest.ts';
import { parseRules, serialiseRules } from './firewall-file.ts';
import type { FirewallRule } from './firewall-rule.ts';
import { rootScript } from './root-script.ts';

/** On Data, beside the overlays and not in one: it is neither a slot's, nor a change of /etc that could be taken back. */
const directory = '/var/.eflow/firewall';
const file = `${directory}/allowed.rules`;

/** Empties the chain. */
const none = '/usr/share/holdfast/firewall/none.rules';

/** Prints the file, which need not be there; not more of it than can be right. */
export const printRules = `if [ -e ${file} ]; then head -c 262144 ${file}; fi`;

/**
 * Prints the file, takes what it is to be, and puts that into force and into the file; when nothing comes, nothing is done.
 * iptables-restore(8) replaces the chain of a family at once. When anything fails, both chains are put back to what the file
 * has, or else emptied. The file is last: what it has was in force. A host that goes away in between changes nothing of that.
 * It is one command with few programs: each takes an emulated machine's time, sudo most of all.
 */
const changeScript = `
trap '' HUP INT TERM PIPE
exec 9>/run/holdfast/firewall.lock
flock --timeout 20 9 || { echo 'another change of the rules does not end' >&2; exit 1; }
${printRules}
printf '\\0'
text=$(cat)
[ "$text" ] || exit 0
trap '[ ! -e ${file}.new ] || rm ${file}.new' EXIT
[ -e ${file} ] || { mkdir -p ${directory}; : >${file}; }
case $text in *COMMIT) printf '%s\\n' "$text" >${file}.new ;; *) exit 1 ;; esac
load() { "$1-restore" --noflush --table filter "$2"; }
if load iptables ${file}.new && load ip6tables ${file}.new && sync ${file}.new && mv ${file}.new ${file}; then
  sync ${directory}
  exit
fi
for family in iptables ip6tables; do
  { [ -s ${file} ] && load $family ${file}; } || load $family ${none} || true
done 2>/dev/null
exit 1`;

/** How long a command may take: milliseconds. */
const timeoutMs = 60_000;

type Rules = readonly FirewallRule[];

/** @throws HoldfastError `firewall.damaged`, and those of `Guest.run`. */
export async function readAllowed(guest: Guest): Promise<Rules> {
  const { stdout } = await guest.run(['sh', '-c', printRules], { timeoutMs });
  return parseRules(stdout.toString('utf8'));
}

/**
 * Lets in what `change` makes of the rules, from now on and from boot on: for both families or, when it fails, for none.
 * Nobody else changes them meanwhile.
 * @param change may answer the very rules that it was given, for nothing to be done, or throw.
 * @returns whether anything was done.
 * @throws HoldfastError `firewall.damaged`; `guest.command` when the guest's packet filter or disk refused; those of
 * `Guest.run` and of `change`.
 */
export async function changeAllowed(guest: Guest, change: (rules: Rules) => Rules): Promise<boolean> {
  let isChanged = false;
  await talk(guest, (text) => {
    const rules = parseRules(text);
    const changed = change(rules);
    isChanged = changed !== rules;
    return isChanged ? serialiseRules(changed) : '';
  });
  return isChanged;
}

/** Lets in what the rules say, whatever was let in before, even if that cannot be read: see `changeAllowed`. */
export async function replaceAllowed(guest: Guest, rules: Rules): Promise<void> {
  await talk(guest, () => serialiseRules(rules));
}

async function talk(guest: Guest, answer: (text: string) => string): Promise<void> {
  await guest.run([...rootScript, 'sh', '-euc', changeScript], {
    input: (printed) => answer(printed.toString('utf8')),
    timeoutMs,
  });
}
