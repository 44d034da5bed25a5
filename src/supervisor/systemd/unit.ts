import { misuse } from '../../base/errors.ts';
import type { MachineName } from '../../machine/paths.ts';

/** What the unit of a machine runs. All paths are absolute. */
export interface UnitParts {
  readonly name: MachineName;
  /** HOLDFAST_HOME. */
  readonly home: string;
  /** The command that supervises the machine, in the foreground. */
  readonly command: readonly string[];
  /** PATH for the tools. */
  readonly path: string;
  /** `system`: it comes up with the host. `user`: with the user's own systemd. */
  readonly scope: 'system' | 'user';
}

/** The unit's name: one instance for each machine. */
export function unitName(name: MachineName): string {
  return `holdfast@${name}.service`;
}

/** The line that says whose machines the unit is about: two homes may have machines of one name. */
export function homeLine(home: string): string {
  return `Environment=${quote(`HOLDFAST_HOME=${home}`)}`;
}

/**
 * The unit file.
 * - KillMode=process: the machine lives on when its supervisor dies, and the next supervisor finds it.
 * - Restart=on-failure and not `always`: a machine that was shut down stays off. One whose processes died comes back.
 * - KillSignal=SIGINT: stopping the unit shuts the guest down; SIGTERM only makes the supervisor leave.
 * - There is no ExecStop=: systemd runs it also when the supervisor was killed, and that must not stop the machine.
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
KillSignal=SIGINT
TimeoutStopSec=120
UMask=0077

[Install]
WantedBy=${parts.scope === 'system' ? 'multi-user.target' : 'default.target'}
`;
}

/** One word, quoted as systemd.syntax(7) says, with specifiers (systemd.unit(5)) taken literally. */
function quote(word: string): string {
  if (/\p{Cc}/u.test(word)) {
    throw misuse('autostart.path', `${JSON.stringify(word)} cannot be written into a systemd unit`, {
      why: 'it holds control characters',
      next: 'choose another HOLDFAST_HOME',
    });
  }
  return `"${word.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%')}"`;
}
