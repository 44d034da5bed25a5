import { availableParallelism, freemem } from 'node:os';
import { type HoldfastError, misuse } from '../base/errors.ts';
import { type Bytes, formatSize, GiB, MiB } from '../base/size.ts';
import { dataSizeLimits, type LogSize, type Verity } from '../disk/layout.ts';
import type { Transport } from '../hypervisor/hypervisor.ts';

/** The settings of a deployment. */
export interface MachineSettings {
  readonly cpus: number;
  readonly memory: Bytes;
  readonly dataSize: Bytes;
  readonly logSize: LogSize;
  readonly transport: Transport;
}

export const logSizes = ['small', 'large'] as const satisfies readonly LogSize[];
export const transports = ['vsock', 'tcp'] as const satisfies readonly Transport[];
export const verities = ['on', 'off'] as const satisfies readonly Verity[];

/** `audit`: the kernel logs what the integrity policy does not allow; `enforce`: it denies that, and logs it. */
export const ipeModes = ['audit', 'enforce'] as const;
export type IpeMode = (typeof ipeModes)[number];

/** The same as in EFLOW. */
export const defaults: MachineSettings = {
  cpus: 1,
  memory: GiB,
  dataSize: (10 * GiB) as Bytes,
  logSize: 'small',
  transport: 'vsock',
};

/** The resources of the host that limit those of a machine. */
export interface HostResources {
  readonly cores: number;
  /** Memory that is available without swapping. */
  readonly freeMemory: Bytes;
}

/** Returns the current resources of this host. */
export function hostResources(): HostResources {
  return { cores: availableParallelism(), freeMemory: freemem() as Bytes };
}

/** @throws HoldfastError `limit.cpus` (exit code 2) unless 1 to the host's cores. */
export function checkCpus(cpus: number, host: HostResources): number {
  if (Number.isSafeInteger(cpus) && cpus >= 1 && cpus <= host.cores) return cpus;
  throw misuse('limit.cpus', `cannot assign ${cpus} CPUs`, {
    why: `this host has ${host.cores} ${host.cores === 1 ? 'core' : 'cores'}`,
    next: `choose a whole number from 1 to ${host.cores}`,
  });
}

/**
 * @throws HoldfastError `limit.memory` (exit code 2) unless at least 1024 MB, an even number of megabytes, and not more
 * than the host has free.
 */
export function checkMemory(memory: Bytes, host: HostResources): Bytes {
  const size = `${memory / MiB} MB`;
  if (memory < GiB) {
    throw misuse('limit.memory', `${size} of memory is not enough`, {
      why: 'a machine needs at least 1024 MB',
      next: 'choose 1024MB or more',
    });
  }
  if (memory % (2 * MiB) !== 0) {
    throw misuse('limit.memory', `cannot assign ${size} of memory`, {
      why: 'memory must be an even number of megabytes',
      next: `choose ${Math.ceil(memory / (2 * MiB)) * 2}MB`,
    });
  }
  if (memory > host.freeMemory) {
    throw misuse('limit.memory', `${size} of memory exceeds the free memory of this host`, {
      why: `${Math.floor(host.freeMemory / MiB)} MB are free`,
      next: 'choose less, or stop other programs first',
    });
  }
  return memory;
}

/** @throws HoldfastError `limit.data-size` (exit code 2) unless 2 GB to 2 TB in whole megabytes. */
export function checkDataSize(dataSize: Bytes): Bytes {
  const { minimum, maximum } = dataSizeLimits;
  if (dataSize >= minimum && dataSize <= maximum && dataSize % MiB === 0) return dataSize;
  throw misuse('limit.data-size', `cannot create a data partition of ${formatSize(dataSize)}`, {
    why: `its size is ${formatSize(minimum)} to ${formatSize(maximum)}, in whole megabytes`,
    next: 'choose a size in this range, such as 10GB',
  });
}

/**
 * Checks all given settings, so that all errors are reported at once.
 * @throws AggregateError of HoldfastErrors, or the one HoldfastError.
 */
export function checkSettings(settings: Partial<MachineSettings>, host: HostResources): void {
  const { cpus, memory, dataSize } = settings;
  const errors = [
    cpus === undefined ? undefined : errorOf(() => checkCpus(cpus, host)),
    memory === undefined ? undefined : errorOf(() => checkMemory(memory, host)),
    dataSize === undefined ? undefined : errorOf(() => checkDataSize(dataSize)),
  ].filter((error) => error !== undefined);
  if (errors.length > 1) throw new AggregateError(errors, `${errors.length} values are invalid`);
  if (errors[0]) throw errors[0];
}

function errorOf(check: () => unknown): HoldfastError | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    return error as HoldfastError;
  }
}
