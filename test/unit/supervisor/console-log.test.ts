import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { consoleProblem, markStart, plainLines, readConsole } from '../../../src/supervisor/console-log.ts';
import { noteCrash, readCrash } from '../../../src/supervisor/crash-note.ts';
import { anyCharacter } from '../../support/any-character.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdfast-console-'));
after(() => rmSync(directory, { recursive: true }));

const disk = 'HD(2,GPT,2B9D7C84-51C6-4C0B-8F5E-3E0B6C1D0A02,0x4800,0x60000)/\\EFI\\Linux\\holdfast.efi';
const shell = 'Fv(7CB8BDC9-F8EB-4F34-AAEA-3EE4AF6516A1)/FvFile(7C04A583-9E3E-4F1C-AD65-E05268D0B4D1)';

/** As OVMF, systemd-boot and Linux printed them. */
const seen = {
  good: `\x1b[2J\x1b[01;01H\x1b[=3hBdsDxe: loading Boot000A "Holdfast A" from ${disk}\r
BdsDxe: starting Boot000A "Holdfast A" from ${disk}\r
\x1b[!p\x1b]104\x07\x1b[?7h[   31.590528] reboot: Power down\r\n`,
  unbootable: `BdsDxe: loading Boot000A "Holdfast A" from ${disk}\r
BdsDxe: failed to load Boot000A "Holdfast A" from ${disk}: Access Denied\r
BdsDxe: loading Boot0001 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x1,0x0)\r
BdsDxe: starting Boot0001 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x1,0x0)\r
../src/boot/boot.c:2576@image_start: Error loading \\EFI\\Linux\\holdfast.efi: Access denied\r
BdsDxe: failed to start Boot0001 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x1,0x0): Access Denied\r
BdsDxe: loading Boot0006 "EFI Internal Shell" from ${shell}\r
BdsDxe: starting Boot0006 "EFI Internal Shell" from ${shell}\r
BdsDxe: failed to start Boot0006 "EFI Internal Shell" from ${shell}: Security Violation\r
BdsDxe: No bootable option or device was found.\r
BdsDxe: Press any key to enter the Boot Manager Menu.\r\n`,
  panic: `BdsDxe: starting Boot000A "Holdfast A" from ${disk}\r
[    3.588001] device-mapper: verity: 254:3: data block 0 is corrupted\r
[    3.588100] Kernel panic - not syncing: dm-verity device corrupted\r
[    3.590805] ---[ end Kernel panic - not syncing: dm-verity device corrupted ]---\r\n`,
  initrd: `[    5.1] holdfast: partition RootFS-A is missing\r
holdfast: partition RootFS-A is missing\r
[    6.2] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100\r\n`,
  locked: `[    9.1] holdfast: Data is locked: this TPM does not open it\r
holdfast: Data is locked: this TPM does not open it\r
[   10.2] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100\r\n`,
  fallback: `BdsDxe: loading Boot0001 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x1,0x0)\r
BdsDxe: starting Boot0001 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x1,0x0)\r\n`,
};

const oops = `[  812.301774] BUG: kernel NULL pointer dereference, address: 0000000000000000\r
[  812.303100] Oops: Oops: 0002 [#1] PREEMPT SMP NOPTI\r
[  812.310000] Kernel panic - not syncing: Fatal exception\r\n`;

const problemOf = (text: string) => consoleProblem(plainLines(text));

test('a successful start has no problem', () => {
  assert.equal(problemOf(seen.good), undefined);
  assert.equal(problemOf(''), undefined);
});

test('shows the programs that the firmware rejects in order, without its own shell', () => {
  assert.deepEqual(problemOf(seen.unbootable), {
    kind: 'unbootable',
    text: 'failed to load Boot000A "Holdfast A": Access Denied; starting Boot0001 "UEFI Misc Device"; Error loading \\EFI\\Linux\\holdfast.efi: Access denied; failed to start Boot0001 "UEFI Misc Device": Access Denied; No bootable option or device was found',
  });
});

test('shows locked data without the panic that follows', () => {
  assert.deepEqual(problemOf(seen.locked), {
    kind: 'locked',
    text: 'Data is locked: this TPM does not open it',
  });
});

test('shows a panic with the preceding problems, each once', () => {
  assert.deepEqual(problemOf(seen.panic), {
    kind: 'panic',
    text: 'verity: 254:3: data block 0 is corrupted; Kernel panic - not syncing: dm-verity device corrupted',
  });
  assert.deepEqual(problemOf(seen.initrd), {
    kind: 'panic',
    text: 'holdfast: partition RootFS-A is missing; Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100',
  });
});

test('detects a boot by another entry', () => {
  assert.deepEqual(problemOf(seen.fallback), {
    kind: 'notice',
    text: 'starting Boot0001 "UEFI Misc Device"',
  });
});

test('limits any guest output to short printable text', () => {
  const nasty = fc.string({ unit: anyCharacter, maxLength: 300 });
  const telling = fc.constantFrom(
    'holdfast: ',
    'Kernel panic - not syncing: ',
    'BdsDxe: ',
    '\n',
    '\x1b[',
    '\x1b]',
  );
  fc.assert(
    fc.property(
      fc.array(fc.oneof(nasty, telling)).map((parts) => parts.join('')),
      (text) => {
        assert.match(plainLines(text), /^(?:[\x20-\x7e]+\n)*$/);
        const { text: shown } = problemOf(text) ?? { text: '' };
        assert.match(shown, /^[\x20-\x7e]{0,500}$/);
      },
    ),
  );
  assert.equal(problemOf('holdfast: x\n'.repeat(1000))?.text, 'holdfast: x');
  const many = Array.from({ length: 1000 }, (_, index) => `holdfast: ${index}\n`).join('');
  assert.match(problemOf(many)?.text ?? '', /holdfast: 999$/);
});

test('considers the last start only', async () => {
  const path = join(directory, 'console.log');
  assert.equal(await readConsole(path), '');
  await markStart(path);
  appendFileSync(path, seen.panic);
  assert.equal(consoleProblem(await readConsole(path))?.kind, 'panic');
  await markStart(path, new Date('2026-11-22T20:00:00Z'));
  assert.equal(await readConsole(path), '');
  appendFileSync(path, seen.good);
  assert.match(await readConsole(path), /^BdsDxe: loading Boot000A/);
  assert.match(readFileSync(path, 'latin1'), /^--- .* 2026-11-22T20:00:00\.000Z ---$/m);
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('reads the end of a long console log', async () => {
  const path = join(directory, 'long.log');
  appendFileSync(path, `${'x'.repeat(99)}\n`.repeat(10_000));
  appendFileSync(path, seen.panic);
  const text = await readConsole(path);
  assert.ok(text.length <= 256 * 1024);
  assert.equal(consoleProblem(text)?.kind, 'panic');
});

test('shows what an oops was about, and sees that the guest has halted', () => {
  assert.deepEqual(problemOf(oops), {
    kind: 'panic',
    text: 'BUG: kernel NULL pointer dereference, address: 0000000000000000; Oops: Oops: 0002 [#1] PREEMPT SMP NOPTI; Kernel panic - not syncing: Fatal exception',
  });
  assert.equal(problemOf('[   31.590528] reboot: System halted\r\n')?.kind, 'halted');
  for (const logged of [
    'x[1]: reboot: System halted',
    '[  3.1] x] reboot: System halted',
    'reboot: System halted',
  ])
    assert.equal(problemOf(`${logged}\r\n`), undefined, 'a process may have logged it');
});

test('the last crash is read as it was recorded', async () => {
  const path = join(directory, 'last-crash');
  assert.equal(await readCrash(path), undefined);
  await noteCrash(path, 'Oops:\u001b[2J one\ntwo', new Date(0));
  assert.deepEqual(await readCrash(path), {
    time: '1970-01-01T00:00:00.000Z',
    reason: 'Oops:\ufffd[2J one\ufffdtwo',
  });
});
