import { misuse } from '../../base/errors.ts';
import { formatSize, parseSize } from '../../base/size.ts';
import { changeSettings, type SettingsChange } from '../../lifecycle/settings.ts';
import { checkCpus, checkDataSize, checkMemory, hostResources } from '../../machine/limits.ts';
import { sourcePath } from '../../repository/source/open.ts';
import { shownSource } from '../../repository/source/shown-source.ts';
import { defineCommand } from '../framework/command.ts';
import { anyText, setting, toggle, wholeNumber } from '../framework/parameters.ts';

export const setCommand = defineCommand({
  description:
    'CPUs, memory and data size can be changed only while the machine is off, the repository at any time.',
  arguments: {},
  flags: {
    cpus: setting('N', 'Number of CPUs, at most those of the host', (word) =>
      checkCpus(wholeNumber(word), hostResources()),
    ),
    memory: setting('SIZE', 'Memory, 1024MB or more', (word) =>
      checkMemory(parseSize(word), hostResources()),
    ),
    dataSize: setting('SIZE', 'Size of the data partition, up to 2TB; it only grows', (word) =>
      checkDataSize(parseSize(word)),
    ),
    repository: setting('URL|DIR|FILE', 'Source of updates', anyText),
    forgetRepository: toggle('Remove the source of updates'),
  },
  examples: [
    ['holdfast set --cpus 2 --memory 2GB', 'Change CPUs and memory'],
    ['holdfast set --data-size 20GB', 'Grow the data partition; the guest uses it after its next start'],
    ['holdfast set --repository https://updates.example/', 'Let `holdfast update` use this repository'],
  ],
  output: async () => (await import('../output/machines.ts')).setOutput,
  async run({ machine, flags, output }) {
    const { cpus, memory, dataSize, repository, forgetRepository } = flags;
    if (repository !== undefined && forgetRepository) {
      throw misuse('usage', '--repository and --forget-repository are mutually exclusive', {
        next: 'give one of them',
      });
    }
    const change: SettingsChange = {
      ...(cpus !== undefined && { cpus }),
      ...(memory !== undefined && { memory }),
      ...(dataSize !== undefined && { dataSize }),
      ...(repository !== undefined && { repository: await sourcePath(repository) }),
      ...(forgetRepository && { repository: null }),
    };
    if (Object.keys(change).length === 0) {
      throw misuse('set.nothing', 'no setting to change is given', {
        next: 'give --cpus, --memory, --data-size or --repository',
      });
    }
    const { configuration, changed } = await changeSettings(machine, change);
    const now = [
      `${configuration.cpus} ${configuration.cpus === 1 ? 'CPU' : 'CPUs'}`,
      `${formatSize(configuration.memory)} of memory`,
      `${formatSize(configuration.dataSize)} for data`,
      ...(configuration.repository ? [`updates from ${shownSource(configuration.repository)}`] : []),
    ].join(', ');
    output.result(
      {
        machine: machine.name,
        changed,
        cpus: configuration.cpus,
        memory: configuration.memory,
        dataSize: configuration.dataSize,
        repository: configuration.repository && shownSource(configuration.repository),
      },
      `${machine.name} ${changed ? 'now has' : 'already has'} ${now}`,
    );
  },
});
