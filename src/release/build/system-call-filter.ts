import { type ArchitectureName, hostArchitecture } from '../../base/architecture.ts';

/**
 * The system calls that no process of the running system has under `holdfast ipe enforce`
 * (docs/reference/integrity-policy.md): with them, root could make code that the integrity policy does not see. Process 1
 * gets the filter from the initrd, and all processes inherit it.
 */

/** Denies a call when these bits of an argument have one of these values. Arguments are compared as 32 bits. */
interface Denial {
  readonly call: 'ioctl' | 'mmap' | 'mprotect' | 'personality' | 'pkey_mprotect' | 'ptrace';
  readonly argument: number;
  /** A value of the whole argument that is allowed. */
  readonly except?: number;
  readonly bits: number;
  readonly values: readonly number[];
}

/** PROT_WRITE and PROT_EXEC of mmap(2). */
const [write, exec] = [2, 4];

const denials: readonly Denial[] = [
  // No new device of the device mapper: dm-verity with `ignore_corruption` has a signed root hash and any content. The kernel
  // compares type and number only (include/uapi/linux/dm-ioctl.h, DM_TABLE_LOAD)
  { call: 'ioctl', argument: 1, bits: 0xffff, values: [0xfd09] },
  // No memory that was or is writable becomes code: the kernel evaluates the file below, not what was written since
  { call: 'mmap', argument: 2, bits: write | exec, values: [write | exec] },
  { call: 'mprotect', argument: 2, bits: exec, values: [exec] },
  { call: 'pkey_mprotect', argument: 2, bits: exec, values: [exec] },
  // READ_IMPLIES_EXEC makes stack and heap executable. 0xffffffff only asks for the current value
  { call: 'personality', argument: 0, except: 0xffffffff, bits: 0x0400000, values: [0x0400000] },
  // PTRACE_POKETEXT and PTRACE_POKEDATA write to read-only code as well
  { call: 'ptrace', argument: 0, bits: 0xffffffff, values: [4, 5] },
];

/** AUDIT_ARCH_* of linux/audit.h, and the numbers of the system calls. */
const architectures: Readonly<
  Record<
    ArchitectureName,
    { readonly audit: number; readonly numbers: Readonly<Record<Denial['call'], number>> }
  >
> = {
  'x86-64': {
    audit: 0xc000003e,
    numbers: { mmap: 9, mprotect: 10, ioctl: 16, ptrace: 101, personality: 135, pkey_mprotect: 329 },
  },
};

/** Operation codes of classic BPF: linux/bpf_common.h. */
const [load, equal, atLeast, and, end] = [0x20, 0x15, 0x35, 0x54, 0x06];

/** SECCOMP_RET_* of linux/seccomp.h with EPERM and ENOSYS. */
const [allow, denied, unknown] = [0x7fff0000, 0x00050001, 0x00050026];

/** Offsets in struct seccomp_data. */
const [callNumber, architecture, firstArgument] = [0, 4, 16];

/** Code, jump if true, jump if false, operand: struct sock_filter. */
type Instruction = readonly [number, number, number, number];

/** Returns the filter as seccomp(2) takes it: image/initrd/confine installs it. */
export function systemCallFilter(): Buffer {
  const { audit, numbers } = architectures[hostArchitecture.name];
  const program: Instruction[] = [
    [load, 0, 0, architecture],
    [equal, 1, 0, audit],
    [end, 0, 0, unknown],
    [load, 0, 0, callNumber],
    [atLeast, 0, 1, 0x40000000], // the calls of x32
    [end, 0, 0, unknown],
    ...denials.flatMap((denial) => {
      const body = decide(denial);
      return [[equal, 0, body.length, numbers[denial.call]] as Instruction, ...body];
    }),
    [end, 0, 0, allow],
  ];
  const bytes = Buffer.alloc(program.length * 8);
  program.forEach(([code, yes, no, operand], index) => {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(yes, index * 8 + 2);
    bytes.writeUInt8(no, index * 8 + 3);
    bytes.writeUInt32LE(operand, index * 8 + 4);
  });
  return bytes;
}

/** Returns the instructions for a call that a denial is about: the last two allow and deny it. */
function decide({ argument, except, bits, values }: Denial): Instruction[] {
  const tests: Instruction[] = values.map((value, index) => [equal, values.length - index, 0, value]);
  const exceptions: Instruction[] = except === undefined ? [] : [[equal, values.length + 1, 0, except]];
  return [
    [load, 0, 0, firstArgument + 8 * argument],
    ...exceptions,
    [and, 0, 0, bits],
    ...tests,
    [end, 0, 0, allow],
    [end, 0, 0, denied],
  ];
}
