import { type Guid, guid } from './guid.ts';

export type ArchitectureName = 'x86-64';

/**
 * The properties of a guest's architecture that belong to no other seam. Hypervisors and distributions have
 * records of their own with the same keys, so a new name here does not compile until each has an entry for
 * it.
 */
export interface Architecture {
  /** As release manifests have it. */
  readonly name: ArchitectureName;
  /** In the names of EFI programs: UEFI specification 2.10, section 3.5.1.1; systemd-stub(7). */
  readonly efiSuffix: string;
  /**
   * The partition type of a root file system: UAPI Group, Discoverable Partitions Specification.
   */
  readonly rootPartitionType: Guid;
  /** The device of the first serial port. */
  readonly console: string;
  /** The directory of the dynamic loader that programs name (ELF, PT_INTERP). */
  readonly loaderDirectory: string;
  /** The kernel parameter that prevents the watchdog from rejecting the clock: the host may be busy. */
  readonly trustedClock: string;
  /** The kernel parameter that denies programs of older ABIs. */
  readonly nativeProgramsOnly: string;
}

export const architectures: Readonly<Record<ArchitectureName, Architecture>> = {
  'x86-64': {
    name: 'x86-64',
    efiSuffix: 'x64',
    rootPartitionType: guid('4f68bce3-e8cd-4db1-96e7-fbcaf984b709'),
    console: 'ttyS0',
    loaderDirectory: 'lib64',
    trustedClock: 'tsc=reliable',
    nativeProgramsOnly: 'ia32_emulation=0',
  },
};

/** The architecture of this host and its machines. */
export const hostArchitecture: Architecture = architectures['x86-64'];
