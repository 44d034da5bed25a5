import { defineClaim, notApplicable, unless } from '../claim.ts';
import { lines, matching, type Probe } from '../guest-probe.ts';
import { coreSettings, kernelSettings, runningSettings, settingProblems } from '../kernel-settings.ts';
import { bootedVerity } from '../shared-probes.ts';

/** Loaded modules, each with whether the root has it and the taint flags that it set (proc_modules(5)). */
const modules: Probe<
  readonly { readonly name: string; readonly isKnown: boolean; readonly taint: string }[]
> = {
  name: 'modules',
  command: `read -r release </proc/sys/kernel/osrelease
  declare -A known
  while IFS=: read -r file rest; do name=\${file##*/}; name=\${name%%.ko*}; known[\${name//-/_}]=1; done <"/usr/lib/modules/$release/modules.dep"
  while read -r name rest; do
    taint=; [ ! -e "/sys/module/$name/taint" ] || read -r taint <"/sys/module/$name/taint"
    echo "$name \${known[$name]:-0} \${taint:--}"
  done </proc/modules`,
  form: lines(
    matching(/^([A-Za-z0-9_]{1,64}) ([01]) (-|[A-Z]{1,20})$/, ([name = '', known, taint = '']) => ({
      name,
      isKnown: known === '1',
      taint: taint === '-' ? '' : taint,
    })),
  ),
};

const taint: Probe<number> = {
  name: 'taint',
  command: 'read -r taint </proc/sys/kernel/tainted && echo "$taint"',
  form: matching(/^(\d{1,10})$/, ([value]) => Number(value)),
};

/** Bits of kernel.tainted with a meaning for this machine (kernel documentation, admin-guide/tainted-kernels). */
const taintBits: Readonly<Record<number, string>> = {
  0: 'a module with a proprietary licence',
  1: 'a module was forced to load',
  3: 'a module was forced to unload',
  5: 'a bad page',
  6: 'a program asked for it',
  7: 'the kernel died recently',
  9: 'a warning of the kernel',
  12: 'a module from outside the kernel',
  13: 'an unsigned module',
  14: 'a soft lockup',
  15: 'a live patch',
};

/** Kernel documentation, admin-guide/LSM/ipe: the switch, and every policy. Bounding set of process 1 (proc_pid_status(5)). */
const ipe: Probe<{
  readonly enforce: boolean;
  readonly policies: readonly {
    readonly name: string;
    readonly version: string;
    readonly isActive: boolean;
  }[];
  readonly bounding: bigint;
}> = {
  name: 'ipe',
  command: `cd /sys/kernel/security/ipe && read -r enforce <enforce
  echo "enforce $enforce"
  for policy in policies/*/; do
    [ -e "$policy/active" ] || continue
    read -r active <"$policy/active"; read -r name <"$policy/name"; read -r version <"$policy/version"
    echo "policy $name $version $active"
  done
  while read -r key value; do [ "$key" != CapBnd: ] || echo "bounding $value"; done </proc/1/status`,
  form: matching(
    /^enforce ([01])\n((?:policy \S{1,64} \S{1,32} [01]\n)*)bounding ([0-9a-f]{16})$/,
    ([enforce, policies = '', bounding]) => ({
      enforce: enforce === '1',
      policies: policies
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => {
          const [, name = '', version = '', active] = line.split(' ');
          return { name, version, isActive: active === '1' };
        }),
      bounding: BigInt(`0x${bounding}`),
    }),
  ),
};

/** capabilities(7). */
const macAdmin = 1n << 33n;

const nodes =
  'Root in the guest can mount a file over the node that is read; it cannot change the value behind it.';
const putBack = 'Root in the guest puts the value back for the moment of the audit.';

export const kernelClaims = [
  defineClaim({
    id: 'modules-of-root',
    sentence: 'Every loaded module of the kernel is one that the release contains.',
    source: 'Holdfast',
    since: '0.2',
    looksAt:
      'The names of all loaded modules, the list of modules in the root, and the taint flags that each module set.',
    fooledBy:
      'Root in the guest loads another build, with the same name, that Debian signed for this kernel. A module can hide itself.',
    notStopped: 'A faulty module of the release.',
    guest: { modules },
    host: [],
    judge: ({ modules }) => {
      const problems = modules.flatMap(({ name, isKnown, taint }) => [
        ...(isKnown ? [] : [`${name} is not in the root`]),
        ...(taint === '' ? [] : [`${name} has tainted the kernel (${taint})`]),
      ]);
      if (modules.length === 0) problems.push('no modules are listed');
      return unless(problems, `all ${modules.length} loaded modules are in the root`);
    },
  }),
  defineClaim({
    id: 'kernel-not-tainted',
    sentence: 'The kernel has not failed, and runs no code from elsewhere.',
    source: 'Holdfast',
    since: '0.2',
    looksAt: 'The taint flags of the kernel.',
    fooledBy: nodes,
    notStopped: 'A fault of the kernel that it does not notice.',
    guest: { taint },
    host: [],
    judge: ({ taint }) => {
      const bits = Array.from({ length: 32 }, (_, bit) => bit).filter(
        (bit) => Math.floor(taint / 2 ** bit) % 2 === 1,
      );
      return unless(
        bits.map((bit) => `tainted by ${taintBits[bit] ?? `flag ${bit}`}`),
        'kernel.tainted is 0',
      );
    },
  }),
  defineClaim({
    id: 'kernel-settings',
    sentence: 'The settings of the kernel that hinder attacks have the values of the release.',
    source: 'Holdfast',
    since: '0.2',
    looksAt: `${Object.keys(kernelSettings).length - coreSettings.length} values below /proc/sys (see Kernel settings).`,
    fooledBy: putBack,
    notStopped: 'Settings of single interfaces and of other namespaces.',
    guest: { runningSettings },
    host: [],
    judge: ({ runningSettings }) => {
      const isMeant = (key: string) => !coreSettings.some((each) => each === key);
      const count = Object.keys(kernelSettings).filter(isMeant).length;
      return unless(settingProblems(runningSettings, isMeant), `all ${count} settings are as released`);
    },
  }),
  defineClaim({
    id: 'no-core-dumps',
    sentence: 'No memory of a program is written to a disk when it fails.',
    source: 'Holdfast',
    since: '0.2',
    looksAt: 'kernel.core_pattern, kernel.core_uses_pid and fs.suid_dumpable.',
    fooledBy: putBack,
    notStopped: 'A program that writes its own memory to a file.',
    guest: { runningSettings },
    host: [],
    judge: ({ runningSettings }) => {
      const isMeant = (key: string) => coreSettings.some((each) => each === key);
      return unless(settingProblems(runningSettings, isMeant), 'core dumps go to /bin/false');
    },
  }),
  defineClaim({
    id: 'integrity-policy',
    sentence:
      'The integrity policy of the release is active, alone, and in the mode that the host configured.',
    source: 'Holdfast',
    since: '0.2',
    looksAt:
      "IPE's switch and every policy in securityfs, the bounding set of process 1, and the mode in machine.json.",
    fooledBy: nodes,
    notStopped:
      'What the policy allows: scripts, and signed programs with hostile input. In the mode audit it stops nothing.',
    guest: { ipe, bootedVerity },
    host: ['configuration'],
    judge: ({ ipe: { enforce, policies, bounding }, bootedVerity }, { configuration }) => {
      if (bootedVerity === 'off' && configuration.verity === 'off')
        return notApplicable('verity is disabled: there is no policy, because nothing is verified');
      const problems: string[] = [];
      const [active] = policies.filter(({ isActive }) => isActive);
      if (active?.name !== 'holdfast') problems.push(`the active policy is ${active?.name ?? 'missing'}`);
      const others = policies.filter(({ name }) => name !== 'holdfast').map(({ name }) => name);
      if (others.length > 0) problems.push(`there are further policies: ${others.join(', ')}`);
      const mode = enforce ? 'enforce' : 'audit';
      if (mode === 'audit' && configuration.ipe === 'enforce')
        problems.push('the mode is audit instead of enforce');
      if ((bounding & macAdmin) !== 0n) problems.push('process 1 may change the policy (CAP_MAC_ADMIN)');
      const next = mode === configuration.ipe ? '' : `; ${configuration.ipe} from the next start`;
      return unless(problems, `the policy holdfast ${active?.version} is active, in the mode ${mode}${next}`);
    },
  }),
] as const;
