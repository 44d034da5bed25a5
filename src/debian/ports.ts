import type { ArchitectureName } from '../base/architecture.ts';

/** The properties of an architecture in Debian. */
interface Port {
  /** Debian's name of the architecture. */
  readonly architecture: string;
  readonly kernelPackage: string;
  /** The directory of its libraries. */
  readonly libraries: string;
  /** Modules of the kernel for this architecture alone that are removed: see `removedModules`. */
  readonly removedModules: readonly string[];
}

export const ports = {
  'x86-64': {
    architecture: 'amd64',
    kernelPackage: 'linux-image-cloud-amd64',
    libraries: 'usr/lib/x86_64-linux-gnu',
    removedModules: ['arch/x86/kvm'],
  },
} as const satisfies Readonly<Record<ArchitectureName, Port>>;
