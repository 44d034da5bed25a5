import type { Guest } from '../channel/guest.ts';
import { parseRules, serializeRules } from './firewall-file.ts';
import type { FirewallRule } from './firewall-rule.ts';
import { rootScript } from './root-script.ts';
import { dataDirectory, runsAsReleased } from './system-root.ts';

/** On Data, next to the overlays: the rules belong to no slot, and are no drift of /etc that could be reset. */
const directory = `${dataDirectory}/.eflow/firewall`;
const file = `${directory}/allowed.rules`;

/** A file that empties the chain. */
const none = '/usr/share/holdfast/firewall/none.rules';

/**
 * Prints the file if it is one, up to the size that a valid one can have. A start as released has no rules: those that the machine
 * has kept are not in force.
 */
export const printRules = `if ! ${runsAsReleased} && [ ! -L ${file} ] && [ -f ${file} ]; then
  timeout 10 head -c 262144 ${file}
fi`;

/**
 * Prints the file, reads its new content, loads that and writes it to the file; does nothing when the input is empty.
 * iptables-restore(8) replaces the chain of a family atomically. On a failure both chains are restored from the file, or else
 * emptied. The file is written last, so that its content was loaded. A lost connection in between changes none of that.
 * One command with few programs, as each takes time on an emulated machine.
 */
const changeScript = `
if ${runsAsReleased}; then
  echo 'the machine was started as released: its rules cannot be changed' >&2
  exit 1
fi
trap '' HUP INT TERM PIPE
exec 9>/run/holdfast/firewall.lock
flock --timeout 20 9 || { echo 'another change of the rules does not end' >&2; exit 1; }
${printRules}
printf '\\0'
text=$(cat)
[ "$text" ] || exit 0
trap '[ ! -e ${file}.new ] || rm ${file}.new' EXIT
# whatever else is there is no rule: a pipe would block, and a link could lead anywhere
for each in ${file} ${file}.new; do { [ ! -L $each ] && [ -f $each ]; } || rm -rf $each; done
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

/**
 * Returns the rules of the guest; the host has no copy. @throws HoldfastError `firewall.damaged`, and those
 * of `Guest.run`.
 */
export async function readAllowed(guest: Guest): Promise<Rules> {
  const { stdout } = await guest.run(['sh', '-c', printRules], { timeoutMs });
  return parseRules(stdout.toString('utf8'));
}

/**
 * Changes the rules, now and at every boot: for both families or, on a failure, for none. Concurrent changes
 * wait.
 * @param change returns the new rules, or its unchanged argument to change nothing.
 * @returns whether anything changed.
 * @throws HoldfastError `firewall.damaged`; `guest.command` when the packet filter or the disk of the guest
 *   failed; those of `Guest.run` and `change`.
 */
export async function changeAllowed(guest: Guest, change: (rules: Rules) => Rules): Promise<boolean> {
  let isChanged = false;
  await talk(guest, (text) => {
    const rules = parseRules(text);
    const changed = change(rules);
    isChanged = changed !== rules;
    return isChanged ? serializeRules(changed) : '';
  });
  return isChanged;
}

/** Replaces the rules as `changeAllowed` does, even if the present ones cannot be read. */
export async function replaceAllowed(guest: Guest, rules: Rules): Promise<void> {
  await talk(guest, () => serializeRules(rules));
}

async function talk(guest: Guest, answer: (text: string) => string): Promise<void> {
  await guest.run([...rootScript, 'sh', '-euc', changeScript], {
    input: (printed) => answer(printed.toString('utf8')),
    timeoutMs,
  });
}
