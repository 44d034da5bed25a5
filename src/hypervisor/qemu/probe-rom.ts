/**
 * The value that the probe writes to the port of QEMU's isa-debug-exit device, and the exit code that QEMU
 * derives from it.
 */
const answer = 0x29;
export const probeExitCode = answer * 2 + 1;
export const probePort = 0xf4;

const size = 64 * 1024;
/** The code's place in the ROM, and in the processor's view: the ROM ends where 4 GB end. */
const origin = 0xff00;
/** Where a processor begins after a reset: Intel SDM vol. 3, section 10.1.4 "First Instruction Executed". */
const resetVector = 0xfff0;

/**
 * From reset to 64-bit mode with paging, then an instruction that processors support, but not the instruction
 * emulator that some hosts offer as /dev/kvm. Bytes, and their disassembly by `objdump`.
 */
const code: readonly (readonly [bytes: string, instruction: string])[] = [
  // real mode: Intel SDM vol. 3, section 10.9.1 "Switching to Protected Mode"
  ['fa', 'cli'],
  ['2e 66 0f 01 16 c0 ff', 'lgdtl %cs:0xffc0'],
  ['0f 20 c0', 'mov %cr0,%eax'],
  ['0c 01', 'or $PE,%al'],
  ['0f 22 c0', 'mov %eax,%cr0'],
  ['66 ea 18 ff ff ff 08 00', 'ljmpl $0x08,$0xffffff18'],
  // 32 bits: page tables at 0x1000 that map the first and the last 2 MB below 4 GB to themselves
  ['66 b8 10 00', 'mov $0x10,%ax'],
  ['8e d8', 'mov %eax,%ds'],
  ['8e d0', 'mov %eax,%ss'],
  ['c7 05 00 10 00 00 03 20 00 00', 'movl $0x2003,0x1000'],
  ['c7 05 18 20 00 00 03 30 00 00', 'movl $0x3003,0x2018'],
  ['c7 05 00 20 00 00 03 40 00 00', 'movl $0x4003,0x2000'],
  ['c7 05 f8 3f 00 00 83 00 e0 ff', 'movl $0xffe00083,0x3ff8'],
  ['c6 05 00 40 00 00 83', 'movb $0x83,0x4000'],
  // section 10.8.5 "Initializing IA-32e Mode"
  ['0f 20 e0', 'mov %cr4,%eax'],
  ['0c 20', 'or $PAE,%al'],
  ['0f 22 e0', 'mov %eax,%cr4'],
  ['b8 00 10 00 00', 'mov $0x1000,%eax'],
  ['0f 22 d8', 'mov %eax,%cr3'],
  ['b9 80 00 00 c0', 'mov $EFER,%ecx'],
  ['0f 32', 'rdmsr'],
  ['80 cc 01', 'or $LME,%ah'],
  ['0f 30', 'wrmsr'],
  ['0f 20 c0', 'mov %cr0,%eax'],
  ['0d 00 00 00 80', 'or $PG,%eax'],
  ['0f 22 c0', 'mov %eax,%cr0'],
  ['ea 7d ff ff ff 18 00', 'ljmp $0x18,$0xffffff7d'],
  // 64 bits
  ['bc 00 80 00 00', 'mov $0x8000,%esp'],
  ['b8 07 00 00 00', 'mov $7,%eax'],
  ['31 c9', 'xor %ecx,%ecx'],
  ['0f a2', 'cpuid'],
  ['0f ba e3 08', 'bt $BMI2,%ebx'],
  ['73 05', 'jae .+7'],
  ['c4 e2 f9 f7 cb', 'shlx %rax,%rbx,%rcx'],
  ['53', 'push %rbx'],
  ['58', 'pop %rax'],
  ['b0 29', 'mov $answer,%al'],
  ['e6 f4', 'out %al,$probePort'],
  ['f4', 'hlt'],
  ['eb fd', 'jmp .-1'],
  ['90', 'nop'],
  // segment descriptors: none, 32-bit code, data, 64-bit code
  ['00 00 00 00 00 00 00 00', '.quad 0'],
  ['ff ff 00 00 00 9b cf 00', '.quad 0x00cf9b000000ffff'],
  ['ff ff 00 00 00 93 cf 00', '.quad 0x00cf93000000ffff'],
  ['ff ff 00 00 00 9b af 00', '.quad 0x00af9b000000ffff'],
  ['1f 00 a0 ff ff ff', 'limit and address of the table: 0xffffffa0'],
];

/** `jmp` to the origin, as seen from the reset vector. */
const jump = 'e9 0d ff';

/** Returns a firmware image that proves that instructions run: QEMU's exit code is then `probeExitCode`. */
export function probeRom(): Buffer {
  const hlt = 0xf4;
  const rom = Buffer.alloc(size, hlt);
  bytes(code.map(([text]) => text).join(' ')).copy(rom, origin);
  bytes(jump).copy(rom, resetVector);
  return rom;
}

function bytes(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex');
}
