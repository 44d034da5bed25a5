import { misuse } from '../../base/errors.ts';
import type { MachineName } from '../../machine/paths.ts';

/** The variable parts of a unit. All paths are absolute. */
export interface UnitParts {
  readonly name: MachineName;
  /** HOLDFAST_HOME. */
  readonly home: string;
  /** The command that supervises the machine, in the foreground. */
  readonly command: readonly string[];
  /** PATH for the tools. */
  readonly path: string;
  /** `system`: starts with the host; `user`: starts with the user's systemd. */
  readonly scope: 'system' | 'user';
}

/** Returns the name of the unit: one instance for each machine. */
export function unitName(name: MachineName): string {
  return `holdfast@${name}.service`;
}

/** Returns the line that names the home of the machine: two homes may have machines of the same name. */
export function homeLine(home: string): string {
  return `Environment=${quote(`HOLDFAST_HOME=${home}`)}`;
}

/**
 * Returns the unit file.
 * - KillMode=process: the machine keeps running when its supervisor dies, and the next supervisor finds it.
 * - Restart=on-failure and not `always`: a machine that was shut down stays off; one whose processes died is started again.
 * - KillSignal=SIGTERM, the default, makes the supervisor shut the guest down, within TimeoutStopSec=.
 * - No ExecStop=: systemd would run it also after the supervisor was killed, which must not stop the machine.
 * @throws HoldfastError `autostart.path` when a path cannot be written into a unit.
 */
export function unitText(parts: UnitParts): string {
  return `# Made by \`holdfast autostart enable\`; removed by \`holdfast autostart disable\`.
[Unit]
Description=Holdfast machine ${parts.name}
RequiresMountsFor=${quote(parts.home)}
StartLimitIntervalSec=0

[Service]
Type=exec
${homeLine(parts.home)}
Environment=${quote(`PATH=${parts.path}`)}
ExecStart=${parts.command.map((word) => quote(word).replaceAll('$', '$$$$')).join(' ')}
Restart=on-failure
RestartSec=2
KillMode=process
TimeoutStopSec=120
UMask=0077

[Install]
WantedBy=${parts.scope === 'system' ? 'multi-user.target' : 'default.target'}
`;
}

/** Quotes a word for systemd.syntax(7), with specifiers (systemd.unit(5)) escaped. */
function quote(word: string): string {
  if (/\p{Cc}/u.test(word)) {
    throw misuse('autostart.path', `cannot write ${JSON.stringify(word)} into a systemd unit`, {
      why: 'it has control characters',
      next: 'choose another HOLDFAST_HOME',
    });
  }
  return `"${word.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%')}"`;
}
