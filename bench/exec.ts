import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSsh } from './exec/openssh.ts';
import { type Bench, type Comparison, type Defer, timed } from './measure.ts';
import { builtRelease, createBenchMachine, holdfast, home } from './support/home.ts';

const runs = 40;

/**
 * Compares the whole process of `holdfast exec -- true` with OpenSSH's client for the same guest and vsock: with a new
 * connection for each command, and with a ControlMaster.
 */
export const bench: Bench = { name: 'exec', prepare };

async function prepare(defer: Defer): Promise<readonly Comparison[]> {
  const { machine, files } = await createBenchMachine('bench-exec', await builtRelease(), defer);
  const inGuest = (...words: string[]) =>
    holdfast(home.directory, 'exec', '--machine', machine.name, '--', ...words);
  await holdfast(home.directory, 'start', '--machine', machine.name);
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-bench-'));
  defer(() => rm(directory, { recursive: true }));
  const peer = await openSsh(files, directory, defer);

  const ours = () => timed(() => inGuest('true'));
  return [
    {
      ...{ name: 'new-connection', peerName: 'ssh with a new connection', unit: 'ms', target: 0.3, runs },
      ours,
      peer: () => timed(peer.withNewConnection),
    },
    {
      ...{ name: 'control-master', peerName: 'ssh over a ControlMaster', unit: 'ms', target: 1.5, runs },
      ours,
      peer: () => timed(peer.overControlMaster),
    },
  ];
}
