import { ukiPaths } from '../../disk/layout.ts';
import { bootEntry, readBootState } from '../../firmware/boot.ts';
import { serializeLoadOption } from '../../firmware/load-option.ts';
import { vendors } from '../../firmware/names.ts';
import { isOwn, printedVariable } from '../../firmware/own-variables.ts';
import { changedSecureBoot } from '../../firmware/secure-boot.ts';
import { findVariable } from '../../firmware/store.ts';
import { defineClaim, fail, pass, unless } from '../claim.ts';
import { matching, type Probe } from '../guest-probe.ts';
import { bootedVerity } from '../shared-probes.ts';

const notAltered =
  "This feature assures the virtual machine base software image it's the same and it wasn't altered.";

/** UEFI specification 2.10, section 3.3. In efivarfs four bytes of attributes come first. */
const secureBoot: Probe<{ readonly on: boolean; readonly setup: boolean }> = {
  name: 'secure-boot',
  command: `for name in SecureBoot SetupMode; do
    od -An -tu1 -j4 -N1 "/sys/firmware/efi/efivars/$name-${vendors.global}"
  done`,
  form: matching(/^ *([01])\n *([01])$/, ([on, setup]) => ({ on: on === '1', setup: setup === '1' })),
};

const lockdown: Probe<string> = {
  name: 'lockdown',
  command: 'cat /sys/kernel/security/lockdown',
  form: matching(
    /^(?=[^[]*\[[^[]*$)[a-z []*\[(none|integrity|confidentiality)\][a-z ]*$/,
    ([level = '']) => level,
  ),
};

const slots = ['A', 'B'] as const;

/** Names the first of many: thousands of variables fit into a store. */
function listed(names: readonly string[]): string[] {
  const named = names.slice(0, 5).map((name) => `foreign UEFI variable ${name}`);
  return names.length > 5 ? [...named, `${names.length - 5} more`] : named;
}

export const bootClaims = [
  defineClaim({
    id: 'secure-boot',
    sentence: notAltered,
    since: '0.1',
    looksAt: 'The variables SecureBoot and SetupMode, as the firmware reports them to the kernel.',
    fooledBy: 'Root in the guest can mount a file over them; `secure-boot-keys` reads the store on the host.',
    notStopped: 'The firmware belongs to the host: its owner can start the machine with another.',
    guest: { secureBoot },
    host: [],
    judge: ({ secureBoot: { on, setup } }) =>
      unless(
        [
          ...(on ? [] : ['Secure Boot is off']),
          ...(setup ? ['the firmware accepts new keys (SetupMode)'] : []),
        ],
        'the firmware reports SecureBoot 1, SetupMode 0',
      ),
  }),
  defineClaim({
    id: 'secure-boot-keys',
    sentence: notAltered,
    since: '0.1',
    looksAt:
      "PK, KEK, db, dbx and the switches in the host's variable store, and the certificates of the deployment.",
    fooledBy: 'A user who can write both the store and the certificates on the host.',
    notStopped:
      "A user who can write the host's variable store file can put other keys there while the machine is off.",
    guest: {},
    host: ['variables', 'certificates'],
    judge: (_guest, { variables, certificates }) =>
      unless(
        changedSecureBoot(variables, certificates).map((each) => `${each} differs from the deployment`),
        'db, KEK, PK and the two switches are as deployed; db contains only the release key',
      ),
  }),
  defineClaim({
    id: 'boot-order',
    sentence: 'BootA 192 MB Contains the bootloader for A partition',
    since: '0.1',
    looksAt: "BootOrder and the slots' entries in the host's variable store.",
    fooledBy:
      'A user who can write the store on the host; the firmware rejects programs that the release key did not sign.',
    notStopped:
      'When no slot can be started, the firmware tries other devices that it finds; Secure Boot rejects unsigned programs.',
    guest: { bootedVerity },
    host: ['variables', 'configuration'],
    judge: (guest, { variables, configuration }) => {
      const { entries, order } = readBootState(variables);
      const raw = findVariable(variables, vendors.global, 'BootOrder')?.data ?? Buffer.alloc(0);
      const numbers = (raw.toString('hex').match(/..../g) ?? []).map(
        (pair) => `${pair.slice(2)}${pair.slice(0, 2)}`,
      );
      const [first] = numbers;
      const ours = order.map((each) => `000${each.toLowerCase()}`);
      const problems: string[] = [];
      if (first === undefined) problems.push('there is no boot order');
      else if (!ours.includes(first))
        problems.push(`Boot${first}, which is not a slot, is first in the boot order`);
      for (const each of slots) {
        const entry = entries[each];
        // after a change of verity, the entry of the running boot image stays until the next start
        const good = [configuration.verity, guest.bootedVerity].map((verity) =>
          bootEntry(each, ukiPaths[verity]),
        );
        if (entry && !good.some((one) => serializeLoadOption(one).equals(serializeLoadOption(entry))))
          problems.push(`the entry of slot ${each} points elsewhere`);
      }
      for (const each of order) if (!entries[each]) problems.push(`slot ${each} has no entry`);
      return unless(problems, `slot ${order.join(', then ')}; order ${numbers.join(' ')}`);
    },
  }),
  defineClaim({
    id: 'boot-variables',
    sentence: notAltered,
    since: '0.1',
    looksAt: "Every variable in the host's variable store.",
    fooledBy: 'A user who can write the store on the host.',
    notStopped:
      'Root in the guest can write variables until the next start, which removes them; an update does not need their space.',
    guest: {},
    host: ['variables'],
    judge: (_guest, { variables: { variables } }) =>
      unless(
        listed(variables.filter((variable) => !isOwn(variable)).map(printedVariable)),
        `all ${variables.length} UEFI variables are the machine's own or its firmware's`,
      ),
  }),
  defineClaim({
    id: 'lockdown',
    sentence:
      'dm-verity helps prevent persistent rootkits that can hold onto root privileges and compromise devices.',
    since: '0.1',
    looksAt: "The kernel's lockdown level in securityfs.",
    fooledBy: 'Root in the guest can mount a file over the node; the level itself cannot be lowered.',
    notStopped: 'A fault in the kernel.',
    guest: { lockdown },
    host: [],
    judge: ({ lockdown }) => {
      const evidence = `the kernel's lockdown is ${lockdown}`;
      return lockdown === 'confidentiality' ? pass(evidence) : fail(evidence);
    },
  }),
] as const;
