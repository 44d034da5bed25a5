import { MiB } from '../../base/size.ts';
import type { MachineHardware } from '../hypervisor.ts';
import { platform } from './platforms.ts';
import type { RunFiles } from './run-directory.ts';

export type Accelerator = 'kvm' | 'tcg';

/** What a machine is started with, apart from its hardware. */
export interface Launch {
  readonly hardware: MachineHardware;
  readonly accelerator: Accelerator;
  readonly firmware: string;
  readonly files: RunFiles;
  /** Files that each hold one SMBIOS OEM string. */
  readonly oemStrings: readonly string[];
  /** The port on 127.0.0.1 that leads to the guest's SSH server: transport `tcp` only. */
  readonly port: number | undefined;
}

/** The machine's disk, in QEMU's graph of block devices. */
export const diskNode = 'disk';

type Options = Readonly<Record<string, string | number>>;

/**
 * `head,key=value,…`, the form that most of QEMU's options have. A comma in a value is doubled (qemu-options,
 * "Device properties"; QEMU's `QemuOpts` and keyval parsers agree on that).
 */
export function optionList(head: string, options: Options): string {
  const pairs = Object.entries(options).map(([key, value]) => `${key}=${value}`.replaceAll(',', ',,'));
  return [...(head === '' ? [] : [head.replaceAll(',', ',,')]), ...pairs].join(',');
}

/** Accelerator and CPU, which the probe of the accelerator tries as they are. */
export const processorArguments: Readonly<Record<Accelerator, readonly string[]>> = {
  kvm: ['-accel', 'kvm', '-cpu', 'host'],
  tcg: ['-accel', 'tcg,thread=multi', '-cpu', platform.emulatedProcessor],
};

/** The chipset, bare: no default devices, no display, no configuration files of the host. */
export function chipsetArguments(options: Options = {}): readonly string[] {
  return [
    ...['-machine', optionList(platform.machine, { ...platform.machineOptions, ...options })],
    '-nodefaults',
    '-no-user-config',
    ...['-display', 'none'],
  ];
}

/** QEMU's argv for a machine, its own name left out. Holds no secret. */
export function qemuArguments(launch: Launch): readonly string[] {
  const { hardware, accelerator, files } = launch;
  const memory = `${hardware.memory / MiB}M`;
  return [
    ...['-name', optionList('', { guest: `holdfast-${hardware.name}` })],
    ...chipsetArguments({ pflash0: 'firmware', pflash1: 'variables', 'memory-backend': 'memory' }),
    ...processorArguments[accelerator],
    ...['-smp', String(hardware.cpus), '-m', memory],
    // shared, so that vhost-device-vsock can reach the guest's queues
    ...['-object', optionList('memory-backend-memfd', { id: 'memory', size: memory, share: 'on' })],
    // system calls that QEMU does not need once it runs: what breaks out of the guest cannot start programs
    ...[
      '-sandbox',
      optionList('on', {
        obsolete: 'deny',
        elevateprivileges: 'deny',
        spawn: 'deny',
        resourcecontrol: 'deny',
      }),
    ],
    ...['-rtc', optionList('', { base: 'utc', clock: 'host' })],
    // vhost-device-vsock 0.3.0 does not survive a reset of its device: the supervisor starts both anew
    ...['-action', optionList('', { reboot: 'shutdown' })],
    ...['-qmp', optionList(`unix:${files.qmp}`, { server: 'on', wait: 'off' })],
    ...firmwareArguments(launch),
    ...diskArguments(hardware.disk),
    ...consoleArguments(hardware.consoleLog),
    ...['-device', 'virtio-rng-pci'],
    // systemd feeds it (image/rootfs/etc/systemd/system.conf.d/watchdog.conf); of what QEMU has, Debian's kernel knows this one
    ...['-device', 'i6300esb'],
    ...networkArguments(launch.port),
    ...(hardware.transport === 'vsock' ? vsockDeviceArguments(files) : []),
    ...(hardware.tpm ? tpmArguments(files) : []),
    ...launch.oemStrings.flatMap((path) => ['-smbios', optionList('', { type: 11, path })]),
  ];
}

function firmwareArguments({ firmware, hardware }: Launch): readonly string[] {
  return [
    // only code in System Management Mode may write UEFI variables
    ...['-global', optionList('', { driver: 'cfi.pflash01', property: 'secure', value: 'on' })],
    // the firmware has no network: when it refuses all that is on the disk, it says so at once, and asks nobody else
    // (edk2: OvmfPkg/RUNTIME_CONFIG.md)
    ...['-fw_cfg', optionList('', { name: 'opt/org.tianocore/IPv4Support', string: 'no' })],
    ...['-fw_cfg', optionList('', { name: 'opt/org.tianocore/IPv6Support', string: 'no' })],
    ...platform.globals.flatMap((property) => ['-global', property]),
    ...[
      '-blockdev',
      optionList('', {
        'node-name': 'firmware',
        driver: 'raw',
        'read-only': 'on',
        'file.driver': 'file',
        'file.filename': firmware,
      }),
    ],
    ...[
      '-blockdev',
      optionList('', {
        'node-name': 'variables',
        driver: 'raw',
        'file.driver': 'file',
        'file.filename': hardware.variables,
      }),
    ],
  ];
}

function diskArguments(disk: string): readonly string[] {
  const blockdev = {
    'node-name': diskNode,
    driver: 'qcow2',
    // what the guest trims or zeroes becomes free on the host
    discard: 'unmap',
    'detect-zeroes': 'unmap',
    'file.driver': 'file',
    'file.filename': disk,
    'file.aio': 'threads',
    'file.discard': 'unmap',
  };
  // no bootindex: the order of boot is what the UEFI variables say
  return [
    '-blockdev',
    optionList('', blockdev),
    '-device',
    // share-rw: an update is staged from the host, into partitions that the guest does not use (disk-export.ts)
    optionList('virtio-blk-pci', { id: 'disk0', drive: diskNode, 'share-rw': 'on' }),
  ];
}

/** A serial port that the guest can only write to: there is nothing on a console to log in to. */
function consoleArguments(log: string): readonly string[] {
  return [
    '-chardev',
    optionList('file', { id: 'console', path: log, append: 'on' }),
    '-serial',
    'chardev:console',
  ];
}

/** The guest's way out is NAT in user space; the only way in is the SSH port, if there is one. */
function networkArguments(port: number | undefined): readonly string[] {
  const forward = port === undefined ? {} : { hostfwd: hostForward(port) };
  return [
    '-netdev',
    optionList('user', { id: 'network', ...forward }),
    '-device',
    // without its option ROM: nothing boots from the network
    optionList('virtio-net-pci', { id: networkDevice, netdev: 'network', romfile: '' }),
  ];
}

function hostForward(port: number): string {
  return `tcp:127.0.0.1:${port}-:22`;
}

/** Their names in QEMU's object tree. */
export const vsockDevice = 'vsock';
export const networkDevice = 'nic';

function vsockDeviceArguments(files: RunFiles): readonly string[] {
  return [
    '-chardev',
    optionList('socket', { id: 'vsock', path: files.vsockDevice }),
    '-device',
    optionList('vhost-user-vsock-pci', { id: vsockDevice, chardev: 'vsock' }),
  ];
}

/** The TPM of swtpm, with the interface that needs the fewest exits: TCG PC Client Platform TPM Profile, section 6.5. */
function tpmArguments(files: RunFiles): readonly string[] {
  return [
    '-chardev',
    optionList('socket', { id: 'tpm-control', path: files.tpm }),
    '-tpmdev',
    optionList('emulator', { id: 'tpm', chardev: 'tpm-control' }),
    '-device',
    optionList('tpm-crb', { tpmdev: 'tpm' }),
  ];
}

/** Reads what a running QEMU was started with, so that nothing need be written down beside it. */
export function readLaunch(argv: readonly string[]): { accelerator: string; port: number | undefined } {
  const after = (option: string) => argv[argv.indexOf(option) + 1] ?? '';
  const port = /(?:^|,)hostfwd=tcp:127\.0\.0\.1:(\d{1,5})-:22(?:,|$)/.exec(after('-netdev'))?.[1];
  return {
    accelerator: after('-accel').split(',')[0] ?? '',
    port: port === undefined ? undefined : Number(port),
  };
}

/** Whether this argv is that of the QEMU whose control socket is `files.qmp`. */
export function isQemuOf(argv: readonly string[], files: RunFiles): boolean {
  const socket = optionList(`unix:${files.qmp}`, { server: 'on', wait: 'off' });
  const at = argv.indexOf('-qmp');
  return at > 0 && argv[at + 1] === socket;
}
