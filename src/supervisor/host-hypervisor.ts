import { join } from 'node:path';
import type { Hypervisor } from '../hypervisor/hypervisor.ts';
import { qemuHypervisor } from '../hypervisor/qemu/qemu.ts';
import type { Home } from '../machine/paths.ts';
import { hostDistribution } from './host-distribution.ts';

/** Returns the hypervisor of this host. */
export function hostHypervisor(home: Home): Hypervisor {
  return qemuHypervisor({
    tools: home.tools,
    acceleratorMemory: join(home.cache, 'accelerator.json'),
    distribution: hostDistribution,
  });
}
