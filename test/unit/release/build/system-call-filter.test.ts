import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { systemCallFilter } from '../../../../src/release/build/system-call-filter.ts';

const [allowed, denied, unknown] = [0x7fff0000, 0x00050001, 0x00050026];
const calls = { mmap: 9, mprotect: 10, ioctl: 16, ptrace: 101, personality: 135, pkeyMprotect: 329 };

/** Runs the filter as the kernel does (linux/filter.h): returns what it decides on a system call. */
function decision(call: number, args: readonly number[] = [], architecture = 0xc000003e): number {
  const filter = systemCallFilter();
  const data = Buffer.alloc(64);
  data.writeUInt32LE(call, 0);
  data.writeUInt32LE(architecture, 4);
  args.forEach((argument, index) => {
    data.writeUInt32LE(argument, 16 + 8 * index);
  });
  let accumulator = 0;
  for (let at = 0; ; at++) {
    const code = filter.readUInt16LE(at * 8);
    const [yes, no, operand] = [
      filter[at * 8 + 2] ?? 0,
      filter[at * 8 + 3] ?? 0,
      filter.readUInt32LE(at * 8 + 4),
    ];
    if (code === 0x20) accumulator = data.readUInt32LE(operand);
    else if (code === 0x54) accumulator = (accumulator & operand) >>> 0;
    else if (code === 0x15) at += accumulator === operand ? yes : no;
    else if (code === 0x35) at += accumulator >= operand ? yes : no;
    else if (code === 0x06) return operand;
    else throw new Error(`unexpected code ${code}`);
  }
}

test('tables of the device mapper cannot be loaded, by any number that the kernel takes for the call', () => {
  for (const request of [0xc138fd09, 0x0000fd09, 0xffff_fd09])
    assert.equal(decision(calls.ioctl, [3, request]), denied);
  // DM_VERSION, DM_DEV_REMOVE, TCGETS
  for (const request of [0xc138fd00, 0xc138fd04, 0x5401])
    assert.equal(decision(calls.ioctl, [3, request]), allowed);
});

test('memory is writable or code, and does not become code later', () => {
  for (const [protection, result] of [
    [1, allowed],
    [3, allowed],
    [5, allowed],
    [6, denied],
    [7, denied],
  ] as const)
    assert.equal(decision(calls.mmap, [0, 4096, protection]), result);
  for (const call of [calls.mprotect, calls.pkeyMprotect]) {
    for (const protection of [0, 1, 3]) assert.equal(decision(call, [0, 4096, protection]), allowed);
    for (const protection of [4, 5, 7]) assert.equal(decision(call, [0, 4096, protection]), denied);
  }
  for (const [persona, result] of [
    [0, allowed],
    [0xffffffff, allowed],
    [0x0400000, denied],
    [0x0440008, denied],
  ] as const)
    assert.equal(decision(calls.personality, [persona]), result);
  for (const [request, result] of [
    [0, allowed],
    [4, denied],
    [5, denied],
    [16, allowed],
  ] as const)
    assert.equal(decision(calls.ptrace, [request]), result);
});

test('other calls are allowed, other ABIs are not', () => {
  const denying = Object.values(calls);
  fc.assert(
    fc.property(fc.nat(600), fc.array(fc.nat(0xffffffff), { maxLength: 6 }), (call, args) => {
      fc.pre(!denying.includes(call));
      assert.equal(decision(call, args), allowed);
    }),
  );
  assert.equal(decision(0, [], 0x40000003), unknown, 'programs of 32 bits');
  assert.equal(decision(0x40000000 | 514, [3, 0xc138fd09]), unknown, 'programs of x32');
});
