import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GiB } from '../../../../src/base/size.ts';
import type { MachineHardware } from '../../../../src/hypervisor/hypervisor.ts';
import {
  isQemuOf,
  type Launch,
  optionList,
  qemuArguments,
  readLaunch,
} from '../../../../src/hypervisor/qemu/arguments.ts';
import { runFiles } from '../../../../src/hypervisor/qemu/run-directory.ts';
import { vsockArguments } from '../../../../src/hypervisor/qemu/vsock-daemon.ts';
import { isSwtpmOf, swtpmArguments } from '../../../../src/tpm/virtual/swtpm.ts';

const hardware: MachineHardware = {
  name: 'default',
  identity: { uuid: '3f1c6a52-8e07-8b5d-9c1e-0a2b4c6d8e0f', mac: '02:1a:2b:3c:4d:5e' },
  cpus: 2,
  memory: GiB,
  disk: '/home/m/disk.qcow2',
  base: '/home/r/base.raw',
  variables: '/home/m/variables.fd',
  credentials: { 'holdfast.key': '/home/m/secrets/key' },
  transport: 'vsock',
  tpm: { directory: '/home/m/tpm/state', key: '/home/m/tpm/key' },
  run: '/home/m/run',
  consoleLog: '/home/m/console.log',
};
const files = runFiles(hardware.run);
const launch: Launch = {
  hardware,
  accelerator: 'tcg',
  firmware: '/usr/share/OVMF/code.fd',
  files,
  oemStrings: ['/home/m/run/credentials/0'],
  ports: undefined,
};

/** The values of an option that may be given several times. */
function valuesOf(argv: readonly string[], option: string): string[] {
  return argv.flatMap((word, index) => (word === option ? [argv[index + 1] ?? ''] : []));
}

test('a machine has secure variables, one disk, one outgoing and one incoming connection', () => {
  const argv = qemuArguments(launch);
  assert.deepEqual(valuesOf(argv, '-machine'), [
    'q35,smm=on,vmport=off,hpet=off,pflash0=firmware,pflash1=variables,memory-backend=memory',
  ]);
  assert.deepEqual(valuesOf(argv, '-global'), [
    'driver=cfi.pflash01,property=secure,value=on',
    'ICH9-LPC.disable_s3=1',
  ]);
  assert.deepEqual(valuesOf(argv, '-cpu'), [
    'max,vendor=GenuineIntel,family=6,model=28,stepping=10,la57=off,erms=off',
  ]);
  assert.deepEqual(valuesOf(argv, '-uuid'), [hardware.identity?.uuid]);
  assert.deepEqual(valuesOf(argv, '-smp'), ['2']);
  assert.deepEqual(valuesOf(argv, '-m'), ['1024M']);
  assert.deepEqual(valuesOf(argv, '-object'), ['memory-backend-memfd,id=memory,size=1024M,share=on']);
  assert.deepEqual(valuesOf(argv, '-device'), [
    'virtio-blk-pci,id=disk0,drive=disk,share-rw=on',
    'virtio-rng-pci',
    'i6300esb',
    'virtio-net-pci,id=nic,netdev=network,romfile=,mac=02:1a:2b:3c:4d:5e',
    'vhost-user-vsock-pci,id=vsock,chardev=vsock',
    'tpm-crb,tpmdev=tpm',
    'virtio-balloon-pci,free-page-reporting=on',
  ]);
  assert.deepEqual(valuesOf(argv, '-netdev'), ['user,id=network']);
  assert.deepEqual(valuesOf(argv, '-action'), ['reboot=shutdown']);
  assert.deepEqual(valuesOf(argv, '-sandbox'), [
    'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny',
  ]);
  for (const word of ['-nodefaults', '-no-user-config']) assert.ok(argv.includes(word), word);
  const [firmware] = valuesOf(argv, '-blockdev');
  assert.equal(
    firmware,
    'node-name=firmware,driver=raw,read-only=on,file.driver=file,file.filename=/usr/share/OVMF/code.fd',
  );
});

test("a machine's TPM is identified by its socket, and its key is on no command line", () => {
  const argv = [
    'swtpm',
    ...swtpmArguments({ directory: '/home/m/tpm/state', key: '/home/m/tpm/key' }, files.tpm, 4),
  ];
  assert.ok(argv.includes('fd=4,mode=aes-256-cbc,format=hex'));
  assert.ok(isSwtpmOf(argv, files.tpm));
  assert.ok(!isSwtpmOf(argv, `${files.tpm}2`) && !isSwtpmOf(argv, files.tpm.slice(0, -1)));
  assert.ok(!isSwtpmOf(qemuArguments(launch), files.tpm));
  assert.ok(valuesOf(qemuArguments(launch), '-chardev').includes(`socket,id=tpm-control,path=${files.tpm}`));
  const without = qemuArguments({ ...launch, hardware: { ...hardware, tpm: undefined } });
  assert.ok(!without.some((word) => word.includes('tpm')));
  assert.throws(() => swtpmArguments({ directory: '/a,b', key: '/k' }, files.tpm, 4), { code: 'tpm.path' });
});

test('KVM uses the host processor unchanged', () => {
  const argv = qemuArguments({ ...launch, accelerator: 'kvm' });
  assert.deepEqual([valuesOf(argv, '-accel'), valuesOf(argv, '-cpu')], [['kvm'], ['host']]);
});

test('credentials are passed by file, never by content', () => {
  const argv = qemuArguments(launch);
  assert.deepEqual(valuesOf(argv, '-smbios'), ['type=11,path=/home/m/run/credentials/0']);
  assert.ok(!argv.some((word) => word.includes('holdfast.key')));
});

const ports = { management: 40222, user: 40022 };

test('over TCP there is one port for each channel on the loopback interface and no vsock device', () => {
  const argv = qemuArguments({ ...launch, hardware: { ...hardware, transport: 'tcp' }, ports });
  assert.deepEqual(valuesOf(argv, '-netdev'), [
    'user,id=network,hostfwd=tcp:127.0.0.1:40222-:222,hostfwd=tcp:127.0.0.1:40022-:22',
  ]);
  assert.ok(!argv.some((word) => word.includes('vsock')));
});

test('the argv of a running machine identifies it and its parameters', () => {
  const tcp = { ...launch, hardware: { ...hardware, transport: 'tcp' as const }, ports };
  const running = ['qemu-system-x86_64', ...qemuArguments(tcp)];
  assert.deepEqual(readLaunch(running), { accelerator: 'tcg', ports, hasTpm: true });
  assert.deepEqual(readLaunch(['qemu', ...qemuArguments({ ...launch, accelerator: 'kvm' })]), {
    accelerator: 'kvm',
    ports: undefined,
    hasTpm: true,
  });
  assert.ok(isQemuOf(running, files));
  assert.ok(!isQemuOf(running, runFiles('/home/m/ru')));
  assert.ok(!isQemuOf(['vim', '-qmp'], files));
  assert.ok(!isQemuOf(['bwrap', '--', ...running], files), 'the parent of the sandbox');
  assert.ok(!isQemuOf(['-qmp', 'unix:/home/m/run/qmp.sock,server=on,wait=off'], files), 'an argv has a name');
});

test('commas in paths reach QEMU unchanged', () => {
  // the rule of QEMU's own parser (util/qemu-option.c, get_opt_value): two commas are one, one ends the value
  const parse = (text: string) =>
    text
      .replaceAll(',,', '\0')
      .split(',')
      .map((part) => part.replaceAll('\0', ','));
  fc.assert(
    fc.property(
      fc.array(fc.string().map((text) => text.replaceAll('\0', ''))),
      fc.constantFrom('file', 'unix:/a,b', ''),
      (values, head) => {
        const options = Object.fromEntries(values.map((value, index) => [`key${index}`, value]));
        const expected = values.map((value, index) => `key${index}=${value}`);
        const text = optionList(head, options);
        if (head !== '') expected.unshift(head);
        if (text !== '') assert.deepEqual(parse(text), expected);
        else assert.deepEqual(expected, []);
      },
    ),
  );
  const odd = { ...hardware, disk: '/a,b/disk,format=raw' };
  assert.ok(
    qemuArguments({ ...launch, hardware: odd }).some((word) => word.includes('/a,,b/disk,,format=raw')),
  );
});

test('the credit of the vsock daemon stays below the size of packets that it drops', () => {
  const argv = vsockArguments({ device: '/run/a', host: '/run/b' });
  const size = Number(argv[argv.indexOf('--tx-buffer-size') + 1]);
  // 32 KiB is the largest contiguous socket buffer of Linux; its own bookkeeping takes some hundred bytes of it
  assert.ok(size > 0 && size <= 32 * 1024 - 1024);
});
