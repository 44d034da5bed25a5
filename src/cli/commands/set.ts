import { misuse } from '../../base/errors.ts';
import { formatSize, parseSize } from '../../base/size.ts';
import { changeSettings, type SettingsChange } from '../../lifecycle/settings.ts';
import { checkCpus, checkDataSize, checkMemory, hostResources } from '../../machine/limits.ts';
import { sourcePath } from '../../repository/source/open.ts';
import { anyText, defineCommand, setting, toggle, wholeNumber } from '../framework/command.ts';

export const setCommand = defineCommand({
  arguments: {},
  flags: {
    cpus: setting('N', 'processors, at most those of the host', (word) =>
      checkCpus(wholeNumber(word), hostResources()),
    ),
    memory: setting('SIZE', 'memory, 1024MB or more', (word) =>
      checkMemory(parseSize(word), hostResources()),
    ),
    dataSize: setting('SIZE', 'data partition, up to 2TB; grows and never shrinks', (word) =>
      checkDataSize(parseSize(word)),
    ),
    repository: setting(
      'URL|DIR|FILE',
      'where updates come from; may change while the machine runs',
      anyText,
    ),
    forgetRepository: toggle('forget where updates come from'),
  },
  examples: [
    ['holdfast set --cpus 2 --memory 2GB', 'change processors and memory of a machine that is off'],
    [
      'holdfast set --data-size 20GB',
      'let the data partition grow; the guest uses it from the next start on',
    ],
    ['holdfast set --repository https://updates.example/', 'have `holdfast update` ask there without --from'],
  ],
  async run({ machine, layout, flags, output }) {
    const { cpus, memory, dataSize, repository, forgetRepository } = flags;
    if (repository !== undefined && forgetRepository) {
      throw misuse('usage', '--repository and --forget-repository contradict each other', {
        next: 'give one',
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
      throw misuse('set.nothing', 'nothing is named that should change', {
        next: 'give --cpus, --memory, --data-size or --repository',
      });
    }
    const { configuration, changed } = await changeSettings(layout, machine, change);
    const now = [
      `${configuration.cpus} ${configuration.cpus === 1 ? 'CPU' : 'CPUs'}`,
      `${formatSize(configuration.memory)} of memory`,
      `${formatSize(configuration.dataSize)} for data`,
      ...(configuration.repository ? [`updates from ${configuration.repository}`] : []),
    ].join(', ');
    output.result(
      {
        machine,
        changed,
        cpus: configuration.cpus,
        memory: configuration.memory,
        dataSize: configuration.dataSize,
        repository: configuration.repository,
      },
      `${machine} ${changed ? 'now has' : 'has already'} ${now}`,
    );
  },
});
