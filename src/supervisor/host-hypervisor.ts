import { join } from 'node:path';
import type { Hypervisor } from '../hypervisor/hypervisor.ts';
import { qemuHypervisor } from '../hypervisor/qemu/qemu.ts';
import type { HomeLayout } from '../machine/paths.ts';

/** The hypervisor that this host's machines run under. */
export function hostHypervisor(layout: HomeLayout): Hypervisor {
  return qemuHypervisor({
    tools: layout.tools,
    acceleratorMemory: join(layout.cache, 'accelerator.json'),
  });
}

/** The empty variable store that comes with that hypervisor's firmware. */
export const variablesTemplate = '/usr/share/OVMF/OVMF_VARS_4M.fd';
