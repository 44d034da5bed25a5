import { misuse } from '../base/errors.ts';
import { formatSize, parseSize } from '../base/size.ts';
import { checkCpus, checkDataSize, checkMemory, hostResources } from '../machine/limits.ts';
import { changeSettings, type SettingsChange } from '../machine/settings.ts';
import { defineVerb, setting, wholeNumber } from './verb.ts';

export const verb = defineVerb({
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
  },
  examples: [
    ['holdfast set --cpus 2 --memory 2GB', 'change processors and memory of a machine that is off'],
    [
      'holdfast set --data-size 20GB',
      'let the data partition grow; the guest uses it from the next start on',
    ],
  ],
  async run({ machine, layout, flags, output }) {
    const { cpus, memory, dataSize } = flags;
    const change: SettingsChange = {
      ...(cpus !== undefined && { cpus }),
      ...(memory !== undefined && { memory }),
      ...(dataSize !== undefined && { dataSize }),
    };
    if (Object.keys(change).length === 0) {
      throw misuse('set.nothing', 'nothing is named that should change', {
        next: 'give --cpus, --memory or --data-size',
      });
    }
    const { configuration, changed } = await changeSettings(layout, machine, change);
    const now = `${configuration.cpus} CPUs, ${formatSize(configuration.memory)} of memory, ${formatSize(configuration.dataSize)} for data`;
    output.result(
      {
        machine,
        changed,
        cpus: configuration.cpus,
        memory: configuration.memory,
        dataSize: configuration.dataSize,
      },
      `${machine} ${changed ? 'now has' : 'has already'} ${now}`,
    );
  },
});
