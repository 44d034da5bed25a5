import type { HostPackage } from '../../distribution/distribution.ts';
import { platform } from './platforms.ts';

/** The packages that machines under QEMU need, by their names in Debian. */
export const qemuPackages: readonly HostPackage[] = [
  { package: platform.package, provides: platform.program, for: 'run', why: 'runs machines' },
  { package: 'qemu-utils', provides: 'qemu-img', for: 'run', why: "makes and grows a machine's disk" },
  {
    package: platform.firmwarePackage,
    provides: platform.firmware,
    for: 'run',
    why: 'UEFI firmware with Secure Boot',
  },
  {
    package: 'bubblewrap',
    provides: 'bwrap',
    for: 'run',
    why: 'confines the programs that parse what a guest sends',
  },
  { package: 'swtpm', provides: 'swtpm', for: 'run', why: 'the TPM of each machine' },
];
