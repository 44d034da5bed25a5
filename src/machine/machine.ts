import { withLock } from '../base/lock.ts';
import type { MachineConfiguration } from './configuration.ts';
import { type Home, type MachineName, type MachinePaths, machinePaths } from './paths.ts';

/**
 * The record of a machine: its name, its files, its configuration. Its guest and its supervisor are reached through the layer
 * that has them: `guestOf`, `powerState` and their neighbours in supervisor/.
 */
export class Machine {
  readonly home: Home;
  readonly name: MachineName;
  readonly paths: MachinePaths;
  #configuration: Promise<MachineConfiguration> | undefined;

  constructor(home: Home, name: MachineName) {
    this.home = home;
    this.name = name;
    this.paths = machinePaths(home, name);
  }

  /**
   * Returns the configuration, which is read once.
   * @throws HoldfastError `machine.none`, `machine.damaged`, `machine.format`.
   */
  configuration(): Promise<MachineConfiguration> {
    return this.#configuration ?? this.reload();
  }

  /** Reads the configuration again, to see what another process has written since. */
  async reload(): Promise<MachineConfiguration> {
    const read = this.#read();
    this.#configuration = read;
    try {
      return await read;
    } catch (error) {
      this.#configuration = undefined;
      throw error;
    }
  }

  /** Loads the parser only now: `exec` must start fast and needs no configuration. */
  async #read(): Promise<MachineConfiguration> {
    const { readConfiguration } = await import('./configuration.ts');
    return readConfiguration(this.paths);
  }

  /**
   * Runs `work` under the machine's lock, which everything that changes the machine takes.
   * @param holder names the command in the error that others get meanwhile.
   * @throws HoldfastError `lock.held`, and those of `configuration`.
   */
  async locked<T>(holder: string, work: () => Promise<T>): Promise<T> {
    await this.configuration(); // no lock file for a machine that does not exist
    return withLock(this.paths.lock, holder, work);
  }

  /**
   * Changes the configuration: locks, reads, changes, writes.
   * @param change returns the new configuration, or its unchanged argument when there is nothing to change.
   * @throws HoldfastError those of `locked`, and what `change` throws.
   */
  update(holder: string, change: ConfigurationChange): Promise<ChangedConfiguration> {
    return this.locked(holder, () => this.updateLocked(change));
  }

  /** Changes the configuration as `update` does, for a caller inside `locked`. */
  async updateLocked(change: ConfigurationChange): Promise<ChangedConfiguration> {
    const before = await this.reload();
    const configuration = await change(before);
    const changed = configuration !== before;
    if (changed) {
      const { writeConfiguration } = await import('./configuration.ts');
      await writeConfiguration(this.paths.configuration, configuration);
      this.#configuration = Promise.resolve(configuration);
    }
    return { configuration, changed };
  }
}

type ConfigurationChange = (
  before: MachineConfiguration,
) => MachineConfiguration | Promise<MachineConfiguration>;

export interface ChangedConfiguration {
  readonly configuration: MachineConfiguration;
  readonly changed: boolean;
}
