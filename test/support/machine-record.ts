import { mkdir } from 'node:fs/promises';
import { GiB } from '../../src/base/size.ts';
import { writeConfiguration } from '../../src/machine/configuration.ts';
import { homeAt, type MachineName, machinePaths } from '../../src/machine/paths.ts';
import { sha256 } from '../../src/release/manifest.ts';

/** Writes the configuration of a machine without a disk: enough for commands that ask its supervisor. */
export async function writeMachineRecord(home: string, name: MachineName): Promise<void> {
  const { directory, configuration } = machinePaths(homeAt(home), name);
  await mkdir(directory, { recursive: true });
  await writeConfiguration(configuration, {
    ...{ format: 1, name, release: sha256.parse('0'.repeat(64)), cpus: 1, memory: GiB, dataSize: GiB },
    ...{ logSize: 'small', transport: 'vsock', verity: 'on', ipe: 'audit', updates: [], epoch: 0 },
    health: { commands: [], containers: [] },
    created: new Date().toISOString(),
  });
}
