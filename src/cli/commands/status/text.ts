import type * as z from 'zod';
import { formatSize } from '../../../base/size.ts';
import { oneLine } from '../../../base/visible.ts';
import type { BootState } from '../../../guest/boot.ts';
import type { MachineStatus } from '../../../lifecycle/status.ts';
import type { MachineName } from '../../../machine/paths.ts';
import type { Protection } from '../../../sandbox/protection.ts';
import type { Printed } from '../../framework/output.ts';
import type { statusOutput } from '../../output/machines.ts';
import { columns } from '../../terminal/columns.ts';

/** Returns a machine's status as JSON. */
export function statusJson({ name, ...others }: MachineStatus): Printed<z.input<typeof statusOutput>> {
  return { machine: name, ...others };
}

/** Returns a machine's status as text: one fact a line. */
export function statusText(status: MachineStatus): string {
  const { guest } = status;
  const process = status.pid === undefined ? '' : ` (process ${status.pid}, ${status.accelerator})`;
  const rows: readonly (readonly [string, string | undefined])[] = [
    ['machine', status.name],
    ['state', stateText(status) + process],
    ['problem', status.problem],
    ['last crash', status.lastCrash && `${status.lastCrash.time}: ${status.lastCrash.reason}`],
    ...status.programs.flatMap((each) => programRows(each)),
    ['release', status.release],
    ['slot', status.slot && `${status.slot}${phaseText(status.phase)}`],
    ['verified boot', verifiedText(status)],
    ['root hash', guest?.rootHash],
    ['address', addressText(status)],
    ['uptime', guest && durationText(guest.uptime)],
    ['CPUs', String(status.cpus)],
    ['memory', guest ? useText(guest.memory.total, guest.memory.available) : formatSize(status.memory)],
    [
      'data',
      guest ? useText(guest.data.size, guest.data.size - guest.data.used) : formatSize(status.dataSize),
    ],
    ['encrypted', encryptionText(status)],
    ['logs', guest && useText(guest.logs.size, guest.logs.size - guest.logs.used)],
    ['ends with', status.endsWith && endsWithText(status.endsWith)],
    ['autostart', status.autostart ? 'on' : 'off'],
    ...degradedTexts(guest).map((text) => ['degraded', text] as const),
    ...(guest?.users ?? []).map((text) => ['user channel', text] as const),
    ...(guest?.ignored ?? []).map((text) => ['no effect', text] as const),
    ['guest', status.guestProblem],
  ];
  return rows
    .flatMap(([label, text]) => (text === undefined ? [] : `${label.padEnd(14)} ${oneLine(text)}`))
    .join('\n');
}

function degradedTexts(guest: MachineStatus['guest']): readonly string[] {
  if (!guest) return [];
  const full = (['data', 'logs'] as const).filter(
    (name) => guest[name].isFull || guest[name].usedPercent >= nearlyFull,
  );
  return [...guest.degraded, ...full.map((name) => fullText(name, guest[name]))];
}

/** Percent. The journal keeps 128 MB of Log free (journald.conf.d): what is beyond it is something else. */
const nearlyFull = 95;

function fullText(
  name: 'data' | 'logs',
  { isFull, usedPercent }: { isFull: boolean; usedPercent: number },
): string {
  const directory = name === 'data' ? '/var' : '/var/log';
  const state = isFull ? 'is full: nothing more can be written there' : `is ${usedPercent} % full`;
  return `${name} ${state}; \`holdfast exec -- sudo du -xh ${directory} | sort -h | tail\` lists what fills it`;
}

/** Returns nothing about a program that runs as it should. */
function programRows({
  program,
  pid,
  isStopped,
  missing,
}: MachineStatus['programs'][number]): readonly (readonly [string, string])[] {
  if (pid === undefined) return [['program', `${program} has ended unexpectedly`]];
  if (isStopped)
    return [['program', `${program} was stopped by a signal; \`kill -CONT ${pid}\` continues it`]];
  if (missing.length === 0) return [];
  const parts = missing.map((each) => protectionTexts[each]).join(', ');
  return [['sandbox', `${program} runs ${parts}; \`holdfast doctor\` shows why, or restart the machine`]];
}

const protectionTexts: Readonly<Record<Protection, string>> = {
  user: 'as root',
  capabilities: 'with capabilities',
  no_new_privs: 'without no_new_privs',
  namespaces: 'without namespaces of its own',
};

function encryptionText({ dataEncrypted, recoveryKeyShown }: MachineStatus): string | undefined {
  if (!dataEncrypted) return undefined;
  return recoveryKeyShown ? 'yes' : 'yes; its recovery key was never shown: run `holdfast recovery`';
}

/** Returns the recovery key with its instructions. */
export function recoveryKeyText(key: string): string {
  return `The data of this machine is encrypted. This is its recovery key, which is shown only once:

  ${key}

Store it off this host. \`holdfast recovery\` needs it when the machine's TPM is lost or its boot keys change.`;
}

/** Returns an empty text for `committed`. */
function phaseText(phase: MachineStatus['phase']): string {
  if (phase === 'trial') return ' (on trial: any restart returns to the other slot)';
  if (phase === 'finalized') return ' (the next start is a trial of the other slot)';
  return phase === 'degraded' ? ' (degraded: the committed slot does not come up)' : '';
}

/** Returns the outcome of a start as text. */
export function readyText(name: MachineName, boot: BootState, changed: boolean, endsWith?: string): string {
  const ending = endsWith === undefined ? '' : `; it is shut down at the end of ${endsWithText(endsWith)}`;
  const text = `${name} ${changed ? 'is running' : 'is already running'}${ending}`;
  if (boot === 'running') return text;
  return `${text}, but some units failed; run \`holdfast exec -- systemctl --failed\` to list them`;
}

function endsWithText(service: string): string {
  return `${service}, in which it was started; \`holdfast autostart enable\` gives it a service of its own`;
}

/** Returns the status of all machines as text: one a line. */
export function listText(list: readonly MachineStatus[]): string {
  if (list.length === 0) return 'no machines; run `holdfast deploy` to create one';
  const header = ['NAME', 'STATE', 'RELEASE', 'SLOT', 'VERIFIED', 'ADDRESS', 'UPTIME', 'MEMORY', 'DATA'];
  const rows = list.map((status) => [
    status.name,
    status.state,
    status.release ?? '-',
    status.slot ?? '-',
    status.verifiedBoot === undefined ? '-' : status.verifiedBoot ? 'yes' : 'NO',
    addressText(status),
    status.guest ? durationText(status.guest.uptime) : '-',
    formatSize(status.memory),
    formatSize(status.dataSize),
  ]);
  return columns(header, rows);
}

function stateText({ state, problem, guest }: MachineStatus): string {
  if (state !== 'failed') return guest?.asReleased ? `${state} as released` : state;
  const why = problem === undefined ? ': its processes ended without a shutdown' : '';
  return `failed${why}; run \`holdfast start\` to start it again`;
}

function verifiedText({ verifiedBoot, guest, verity }: MachineStatus): string | undefined {
  if (!guest)
    return verity === 'off'
      ? 'off from the next start: run `holdfast verity enable` to change that'
      : undefined;
  const parts = [
    `Secure Boot ${guest.secureBoot ? 'on' : 'OFF'}`,
    `lockdown ${guest.lockdown}`,
    `root ${guest.verity}`,
  ];
  const runs = guest.verity === 'off' ? 'off' : 'on';
  const pending = runs === verity ? '' : `; verity is ${verity} from the next start`;
  return `${verifiedBoot ? 'yes' : 'NO'} (${parts.join(', ')})${pending}`;
}

/**
 * Returns the address and the transport. With both transports the machine is behind NAT, and only the channel
 * leads in.
 */
function addressText({ guest, transport }: MachineStatus): string {
  const [address] = guest?.addresses ?? [];
  return address === undefined ? transport : `${address} (${transport})`;
}

function useText(size: number, available: number): string {
  return `${formatSize(size - available)} of ${formatSize(size)} used`;
}

/** Formats a duration: `3 days 4:05`, `4:05:06`. */
export function durationText(seconds: number): string {
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0');
  const days = Math.floor(seconds / 86_400);
  const clock = `${Math.floor((seconds % 86_400) / 3600)}:${two((seconds % 3600) / 60)}:${two(seconds % 60)}`;
  return days === 0 ? clock : `${days} ${days === 1 ? 'day' : 'days'} ${clock}`;
}
