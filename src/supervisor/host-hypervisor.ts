import { join } from 'node:path';
import type { Hypervisor } from '../hypervisor/hypervisor.ts';
import { qemuHypervisor } from '../hypervisor/qemu/qemu.ts';
import type { HomeLayout } from '../machine/paths.ts';
import { hostDistribution } from './host-distribution.ts';

/** The hypervisor that this host's machines run under. */
export function hostHypervisor(layout: HomeLayout): Hypervisor {
  return qemuHypervisor({
    tools: layout.tools,
    acceleratorMemory: join(layout.cache, 'accelerator.json'),
    distribution: hostDistribution,
  });
}
