import { basename } from 'node:path';
import { MiB } from '../../base/size.ts';
import { type ChannelName, channels } from '../../channel/channels.ts';
import type { MachineHardware } from '../hypervisor.ts';
import { platform } from './platforms.ts';
import type { RunFiles } from './run-directory.ts';

export type Accelerator = 'kvm' | 'tcg';

export const kvmDevice = '/dev/kvm';

/** The parameters of a start, in addition to the hardware. */
export interface Launch {
  readonly hardware: MachineHardware;
  readonly accelerator: Accelerator;
  readonly firmware: string;
  readonly files: RunFiles;
  /** Files that each hold one SMBIOS OEM string. */
  readonly oemStrings: readonly string[];
  /** Transport `tcp` only. */
  readonly ports: ForwardedPorts | undefined;
}

/** The ports on 127.0.0.1 that lead to the guest's SSH servers. */
export type ForwardedPorts = Readonly<Record<ChannelName, number>>;

/** The machine's disk, in QEMU's graph of block devices. */
export const diskNode = 'disk';

type Options = Readonly<Record<string, string | number>>;

/**
 * Returns `head,key=value,…`, the form of most QEMU options. A comma in a value is doubled: qemu(1), "Device properties";
 * the `QemuOpts` and keyval parsers agree.
 */
export function optionList(head: string, options: Options): string {
  const pairs = Object.entries(options).map(([key, value]) => `${key}=${value}`.replaceAll(',', ',,'));
  return [...(head === '' ? [] : [head.replaceAll(',', ',,')]), ...pairs].join(',');
}

/** Accelerator and CPU. The probe of the accelerator uses the same. */
export const processorArguments: Readonly<Record<Accelerator, readonly string[]>> = {
  kvm: ['-accel', 'kvm', '-cpu', 'host'],
  tcg: ['-accel', 'tcg,thread=multi', '-cpu', platform.emulatedProcessor],
};

/** Returns the arguments of the bare chipset: no default devices, no display, no configuration files of the host. */
export function chipsetArguments(options: Options = {}): readonly string[] {
  return [
    ...['-machine', optionList(platform.machine, { ...platform.machineOptions, ...options })],
    '-nodefaults',
    '-no-user-config',
    ...['-display', 'none'],
  ];
}

/** Returns QEMU's argv for a machine, without the program. Contains no secret. */
export function qemuArguments(launch: Launch): readonly string[] {
  const { hardware, accelerator, files } = launch;
  const memory = `${hardware.memory / MiB}M`;
  return [
    ...['-name', optionList('', { guest: `holdfast-${hardware.name}` })],
    ...(hardware.identity ? ['-uuid', hardware.identity.uuid] : []),
    ...chipsetArguments({ pflash0: 'firmware', pflash1: 'variables', 'memory-backend': 'memory' }),
    ...processorArguments[accelerator],
    ...['-smp', String(hardware.cpus), '-m', memory],
    // shared: vhost-device-vsock accesses the guest's queues
    ...['-object', optionList('memory-backend-memfd', { id: 'memory', size: memory, share: 'on' })],
    // denies system calls that a running QEMU does not need: code that escapes the guest cannot start programs
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
    // vhost-device-vsock 0.3.0 does not survive a reset of its device: the supervisor restarts both
    ...['-action', optionList('', { reboot: 'shutdown' })],
    ...['-qmp', optionList(`unix:${files.qmp}`, { server: 'on', wait: 'off' })],
    ...firmwareArguments(launch),
    ...diskArguments(hardware.disk),
    ...consoleArguments(hardware.consoleLog),
    ...['-device', 'virtio-rng-pci'],
    // fed by systemd (image/rootfs/etc/systemd/system.conf.d/watchdog.conf); the only watchdog of QEMU that Debian's kernel supports
    ...['-device', 'i6300esb'],
    ...networkArguments(launch),
    ...(hardware.transport === 'vsock' ? vsockDeviceArguments(files) : []),
    ...(hardware.tpm ? tpmArguments(files) : []),
    // the last device, so that the addresses of the others stay; the guest reports the memory that it has freed
    ...['-device', optionList('virtio-balloon-pci', { 'free-page-reporting': 'on' })],
    ...launch.oemStrings.flatMap((path) => ['-smbios', optionList('', { type: 11, path })]),
  ];
}

function firmwareArguments({ firmware, hardware }: Launch): readonly string[] {
  return [
    // only code in System Management Mode can write UEFI variables
    ...['-global', optionList('', { driver: 'cfi.pflash01', property: 'secure', value: 'on' })],
    // no network in the firmware: it reports at once when it rejects everything on the disk (edk2:
    // OvmfPkg/RUNTIME_CONFIG.md)
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
    // frees on the host what the guest trims or zeroes
    discard: 'unmap',
    'detect-zeroes': 'unmap',
    'file.driver': 'file',
    'file.filename': disk,
    'file.aio': 'threads',
    'file.discard': 'unmap',
  };
  // no bootindex: the UEFI variables determine the boot order
  return [
    '-blockdev',
    optionList('', blockdev),
    '-device',
    // share-rw: an update is staged from the host, into partitions that the guest does not use (disk-export.ts)
    optionList('virtio-blk-pci', { id: 'disk0', drive: diskNode, 'share-rw': 'on' }),
  ];
}

/** Returns the arguments of an output-only serial port: there is no console to log in to. */
function consoleArguments(log: string): readonly string[] {
  return [
    '-chardev',
    optionList('file', { id: 'console', path: log, append: 'on' }),
    '-serial',
    'chardev:console',
  ];
}

/**
 * Returns the arguments of the network. Outgoing connections use NAT in user space; the only incoming ones are
 * those to the SSH servers, over transport `tcp`.
 */
function networkArguments({ ports, hardware: { identity } }: Launch): readonly string[] {
  const forwards = ports ? channelNames.map((name) => `,hostfwd=${hostForward(ports, name)}`) : [];
  return [
    '-netdev',
    [optionList('user', { id: 'network' }), ...forwards].join(''),
    '-device',
    // no option ROM: no boot from the network
    optionList('virtio-net-pci', {
      id: networkDevice,
      netdev: 'network',
      romfile: '',
      ...(identity && { mac: identity.mac }),
    }),
  ];
}

const channelNames = Object.keys(channels) as ChannelName[];

function hostForward(ports: ForwardedPorts, name: ChannelName): string {
  return `tcp:127.0.0.1:${ports[name]}-:${channels[name].port}`;
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

/**
 * Returns the arguments of swtpm's TPM, with the interface that needs the fewest VM exits: TCG PC Client
 * Platform TPM Profile, section 6.5.
 */
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

/** Reads the parameters of a running QEMU from its argv, so that no second record is needed. */
export function readLaunch(argv: readonly string[]): {
  readonly accelerator: string;
  readonly ports: Partial<ForwardedPorts> | undefined;
  readonly hasTpm: boolean;
} {
  const after = (option: string) => argv[argv.indexOf(option) + 1] ?? '';
  const forwards = [...after('-netdev').matchAll(/hostfwd=tcp:127\.0\.0\.1:(\d{1,5})-:(\d{1,5})(?=,|$)/g)];
  const ports = channelNames.flatMap((name) => {
    const found = forwards.find(([, , guest]) => Number(guest) === channels[name].port);
    return found ? [[name, Number(found[1])] as const] : [];
  });
  return {
    accelerator: after('-accel').split(',')[0] ?? '',
    ports: ports.length === 0 ? undefined : Object.fromEntries(ports),
    hasTpm: argv.includes('-tpmdev'),
  };
}

/** Returns whether this is the argv of the QEMU with the control socket `files.qmp`. */
export function isQemuOf(argv: readonly string[], files: RunFiles): boolean {
  const socket = optionList(`unix:${files.qmp}`, { server: 'on', wait: 'off' });
  const at = argv.indexOf('-qmp');
  // bwrap's argv has QEMU's at its end
  return basename(argv[0] ?? '') === platform.program && argv[at + 1] === socket;
}
