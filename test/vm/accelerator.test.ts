import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { chooseAccelerator, probeAccelerator } from '../../src/hypervisor/qemu/accelerator.ts';
import { probeRom } from '../../src/hypervisor/qemu/probe-rom.ts';

const directory = await mkdtemp(join(tmpdir(), 'holdfast-accelerator-'));
after(() => rm(directory, { recursive: true }));

test('runs instructions under emulation', async () => {
  assert.equal(await probeAccelerator('tcg'), undefined);
});

test('detects a guest that stops at its first instructions while QEMU keeps running', async () => {
  assert.equal(
    await probeAccelerator('tcg', Buffer.alloc(65536, 0xf4)),
    'a guest stops at its first instructions',
  );
});

test('detects a guest that fails while it enters 64-bit mode', async () => {
  const rom = probeRom();
  const wrmsr = rom.indexOf(Buffer.from('0f30', 'hex'));
  rom.fill(0x90, wrmsr, wrmsr + 2);
  assert.notEqual(await probeAccelerator('tcg', rom), undefined);
});

test('chooses by the KVM probe, and remembers the choice until the host changes', async () => {
  const memory = join(directory, 'accelerator.json');
  const first = await chooseAccelerator(memory);
  const kvm = await stat('/dev/kvm').catch(() => undefined);
  const reason = kvm && (await probeAccelerator('kvm'));
  assert.equal(first.accelerator, kvm && reason === undefined ? 'kvm' : 'tcg');
  assert.equal(first.reason === undefined, first.accelerator === 'kvm');
  if (!kvm) return;

  const { mtimeMs } = await stat(memory);
  assert.deepEqual(await chooseAccelerator(memory), first);
  assert.equal((await stat(memory)).mtimeMs, mtimeMs, 'nothing was asked again');
  for (const text of [(await readFile(memory, 'utf8')).replace('/dev/kvm ', '/dev/kvm 9'), 'rubbish', '']) {
    await writeFile(memory, text);
    assert.deepEqual(await chooseAccelerator(memory), first);
    assert.notEqual(await readFile(memory, 'utf8'), text);
  }
});
