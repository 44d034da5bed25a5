import { type ArchitectureName, hostArchitecture } from '../../base/architecture.ts';

/** The properties of an architecture under QEMU. Packages and paths are those of Debian. */
interface Platform {
  readonly program: string;
  readonly package: string;
  readonly firmwarePackage: string;
  /** UEFI firmware with Secure Boot, and its empty variable store. */
  readonly firmware: string;
  readonly variablesTemplate: string;
  /** What QEMU reads of the host: firmware of the machine and of its devices. */
  readonly dataDirectories: readonly string[];
  readonly machine: string;
  readonly machineOptions: Readonly<Record<string, string>>;
  /** The CPU of a guest without KVM. */
  readonly emulatedProcessor: string;
  /** For `-global`. */
  readonly globals: readonly string[];
}

export const platforms: Readonly<Record<ArchitectureName, Platform>> = {
  'x86-64': {
    program: 'qemu-system-x86_64',
    package: 'qemu-system-x86',
    firmwarePackage: 'ovmf',
    firmware: '/usr/share/OVMF/OVMF_CODE_4M.secboot.fd',
    variablesTemplate: '/usr/share/OVMF/OVMF_VARS_4M.fd',
    dataDirectories: ['/usr/share/OVMF', '/usr/share/qemu', '/usr/share/seabios'],
    // OVMF with Secure Boot needs q35 with SMM: only then are UEFI variables protected from the guest
    machine: 'q35',
    machineOptions: { smm: 'on', vmport: 'off', hpet: 'off' },
    /*
     * For this model, an Atom without speculation, Linux uses no page-table isolation and no retpolines,
     * which protect nothing here and are costly to emulate: a seventh of the boot. Five-level page tables
     * make every walk longer. Without ERMS, copies use wide moves instead of `rep movsb`, which QEMU does
     * byte by byte: twice as fast through a pipe.
     */
    emulatedProcessor: 'max,vendor=GenuineIntel,family=6,model=28,stepping=10,la57=off,erms=off',
    // no suspend to RAM: OVMF would prepare for it at each boot
    globals: ['ICH9-LPC.disable_s3=1'],
  },
};

/** The platform of this host's machines. */
export const platform: Platform = platforms[hostArchitecture.name];
