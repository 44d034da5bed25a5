import { join, resolve } from 'node:path';
import { formatSize, parseSize } from '../../base/size.ts';
import type { BootState } from '../../guest/boot.ts';
import { createMachine } from '../../lifecycle/create.ts';
import { waitUntilReady } from '../../lifecycle/readiness.ts';
import { removeMachine } from '../../lifecycle/remove.ts';
import { unshownRecoveryKey } from '../../machine/data-keys.ts';
import {
  checkCpus,
  checkDataSize,
  checkMemory,
  defaults,
  hostResources,
  logSizes,
  transports,
} from '../../machine/limits.ts';
import { startMachine } from '../../supervisor/power.ts';
import { defineCommand } from '../framework/command.ts';
import { anyText, oneOf, setting, toggle, wholeNumber } from '../framework/parameters.ts';
import { forgetShown } from './recovery/shown-key.ts';
import { readyText, recoveryKeyText } from './status/text.ts';

export const deployCommand = defineCommand({
  description:
    'Creates a machine from a release, starts it and waits until it is ready. With --encrypt-data, prints the recovery key once: store it off this host. A deployment that is interrupted, or whose machine cannot be started, leaves nothing behind; a machine that does not become ready is left for diagnosis.',
  arguments: {},
  flags: {
    release: setting('DIR', 'Release directory (default: output of `holdfast build`)', anyText),
    cpus: setting('N', `Number of CPUs, at most those of the host (default: ${defaults.cpus})`, (word) =>
      checkCpus(wholeNumber(word), hostResources()),
    ),
    memory: setting('SIZE', `Memory, 1024MB or more (default: ${formatSize(defaults.memory)})`, (word) =>
      checkMemory(parseSize(word), hostResources()),
    ),
    dataSize: setting(
      'SIZE',
      `Size of the data partition, 2GB to 2TB (default: ${formatSize(defaults.dataSize)})`,
      (word) => checkDataSize(parseSize(word)),
    ),
    logSize: setting(
      'small|large',
      'Size of the log partition: 1GB or 6GB (default: small)',
      oneOf(...logSizes),
    ),
    transport: setting(
      'vsock|tcp',
      'How the host connects: without a network, or to port 22 (default: vsock)',
      oneOf(...transports),
    ),
    encryptData: toggle('Encrypt data and logs, unlocked by its TPM or the recovery key'),
  },
  examples: [
    ['holdfast deploy', 'Deploy the machine `default` from the output of `holdfast build`'],
    [
      'holdfast deploy --machine gateway-1 --cpus 2 --memory 2GB --data-size 50GB',
      'Deploy a larger machine under another name',
    ],
    ['holdfast deploy --encrypt-data', 'Protect the data of a stolen disk'],
  ],
  output: async () => (await import('../output/machines.ts')).deployOutput,
  async run({ machine, home, flags, progress, signal, output }) {
    const { release } = flags;
    const { cpus, memory, dataSize, logSize, transport, encryption } = await createMachine({
      machine,
      settings: {
        cpus: flags.cpus ?? defaults.cpus,
        memory: flags.memory ?? defaults.memory,
        dataSize: flags.dataSize ?? defaults.dataSize,
        logSize: flags.logSize ?? defaults.logSize,
        transport: flags.transport ?? defaults.transport,
      },
      encryptData: flags.encryptData,
      release: release === undefined ? join(home.directory, 'build') : resolve(release),
      progress,
      signal,
    });
    let boot: BootState;
    let isStarted = false;
    try {
      isStarted = await startMachine(machine);
      boot = await waitUntilReady(machine, progress, signal);
    } catch (error) {
      // one that was interrupted or cannot be started leaves nothing; one that does not become ready is left for diagnosis
      if (signal.aborted || !isStarted) await removeMachine(machine);
      throw error;
    }
    const { secrets } = machine.paths;
    const recoveryKey = await unshownRecoveryKey(secrets);
    const ready = readyText(machine.name, boot, true);
    output.result(
      {
        ...{ machine: machine.name, state: 'running', boot, cpus, memory, dataSize, logSize, transport },
        dataEncrypted: encryption !== undefined,
        recoveryKey,
      },
      recoveryKey === undefined ? ready : `${ready}\n\n${recoveryKeyText(recoveryKey)}`,
    );
    if (recoveryKey !== undefined) await forgetShown(secrets, output, signal);
  },
});
