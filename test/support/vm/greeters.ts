import type { MachineName } from '../../../src/machine/paths.ts';
import { asRoot } from './guest.ts';
import { addNeighbours, type Neighbour, removeNeighbours } from './neighbours.ts';

/** Services in the guest that greet each connection. */
const ports = [8080, 9090];
const directory = '/run/systemd/system';

/** Starts the greeters and the neighbours, until the guest ends. */
export async function greet(machine: MachineName, neighbours: readonly Neighbour[]): Promise<void> {
  const units = ports.flatMap((port) => [
    `printf '[Socket]\\nListenStream=${port}\\nAccept=yes\\n' >${directory}/greet-${port}.socket`,
    `printf '[Service]\\nExecStart=/usr/bin/echo hello\\nStandardInput=socket\\n' >'${directory}/greet-${port}@.service'`,
  ]);
  const sockets = ports.map((port) => `greet-${port}.socket`).join(' ');
  await asRoot(machine, [...units, 'systemctl daemon-reload', `systemctl start ${sockets}`].join('\n'));
  await addNeighbours(machine, neighbours);
}

export async function stopGreeting(machine: MachineName, neighbours: readonly Neighbour[]): Promise<void> {
  await removeNeighbours(machine, neighbours);
  await asRoot(
    machine,
    `systemctl stop 'greet-*.socket' || true; rm -f ${directory}/greet-*; systemctl daemon-reload`,
  );
}
