import assert from 'node:assert/strict';
import { createHash, createPublicKey } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { MachineStatus } from '../../src/lifecycle/status.ts';
import { machinePaths } from '../../src/machine/paths.ts';
import { eventually } from '../support/eventually.ts';
import { type Swtpm, startSwtpm } from '../support/swtpm.ts';
import { asRoot } from '../support/vm/guest.ts';
import { expectDone, holdfast, home, sharedMachine, sharedName } from '../support/vm/machine.ts';

/*
 * The host's TPM, which is one in software here, and the machine's own, as the guest and its stock tools see them.
 */

let swtpm: Swtpm;

before(async () => {
  swtpm = await startSwtpm();
  await sharedMachine();
});

after(async () => {
  await expectDone(['tpm', 'disable']);
  await swtpm.remove();
});

const ownTpm = 'TPM2TOOLS_TCTI=device:/dev/tpmrm0';

const guest = (...words: string[]) => holdfast(['exec', '--', ...words]);

test('access is disabled by default, needs confirmation, and needs no restart', async () => {
  assert.match(await expectDone(['tpm', 'status']), /cannot use/);
  assert.notEqual((await guest('tpm2_getrandom', '4')).code, 0);
  const refused = await holdfast(['tpm', 'nv-read', '3001', '--json']);
  assert.equal(JSON.parse(refused.stderr).errors[0].code, 'tpm.off');
  const unasked = await holdfast(['tpm', 'enable', '--device', swtpm.socket]);
  assert.equal(unasked.code, 2);
  assert.match(unasked.stderr, /endorsement key/);
  assert.match(await expectDone(['tpm', 'status']), /cannot use/);

  // before the TPM is there: nothing breaks
  await swtpm.stop();
  assert.match(await expectDone(['tpm', 'enable', '--yes', '--device', swtpm.socket]), /does not answer/);
  assert.match((await guest('tpm2_getrandom', '4')).stderr, /0x101/);
  await swtpm.start();
  assert.match((await guest('tpm2_getrandom', '--hex', '4')).stdout, /^[0-9a-f]{8}$/);
});

test('stock tools provision a device, and `tpm info` reports the key that the guest uses', async () => {
  await asRoot(
    sharedName,
    `
    cd "$(mktemp -d)"
    tpm2_createek -G rsa -c ek.ctx -u ek.pub >&2
    tpm2_createak -C ek.ctx -G ecc -g sha256 -s ecdsa -c ak.ctx -u ak.pub -n ak.name >&2
    echo 'from the service' >secret
    tpm2_makecredential -T none -e ek.pub -s secret -n "$(od -An -v -tx1 ak.name | tr -d ' \\n')" -o credential >&2
    tpm2_startauthsession --policy-session -S session.ctx
    tpm2_policysecret -S session.ctx -c e >&2
    tpm2_activatecredential -c ak.ctx -C ek.ctx -i credential -o activated -P session:session.ctx >&2
    tpm2_flushcontext session.ctx
    cmp secret activated
    echo data >data
    tpm2_sign -c ak.ctx -g sha256 -o signature data
    tpm2_verifysignature -c ak.ctx -g sha256 -m data -s signature
    install -m 644 ek.pub /tmp/ek.pub`,
  );
  await expectDone(['copy', ':/tmp/ek.pub', join(swtpm.directory, 'ek.pub')]);
  const inGuest = await readFile(join(swtpm.directory, 'ek.pub'));
  const { registrationId, endorsementKey } = JSON.parse(await expectDone(['tpm', 'info', '--json']));
  assert.equal(endorsementKey.tpm2b, inGuest.toString('base64'));
  assert.equal(registrationId, createHash('sha256').update(inGuest.subarray(2)).digest('hex'));
  const { n } = createPublicKey(endorsementKey.pem).export({ format: 'jwk' });
  assert.ok(inGuest.includes(Buffer.from(n ?? '', 'base64url')));
});

test('the guest reads an NV index of the host, and cannot write it', async () => {
  const index = '0x1000bb9';
  await swtpm.tool('tpm2_nvdefine', index, '-s', '8', '-a', 'authread|ownerwrite', '-p', 'not in argv');
  await writeFile(join(swtpm.directory, 'value'), 'eight by');
  assert.equal((await swtpm.tool('tpm2_nvwrite', index, '-C', 'o', '-i', 'value')).code, 0);
  await writeFile(join(swtpm.directory, 'auth'), 'not in argv');
  const nvRead = ['tpm', 'nv-read', '3001', '--auth'];
  assert.equal(await expectDone([...nvRead, join(swtpm.directory, 'auth')]), 'eight by');
  const part = [...nvRead, '-', '--size', '3', '--offset', '2'];
  assert.equal(await expectDone(part, { input: 'not in argv' }), 'ght');
  const wrong = await holdfast(nvRead.concat('-'), { input: 'wrong' });
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /0x98E/i);
  const write = await guest('sh', '-c', `echo -n from-the | tpm2_nvwrite ${index} -C o -i -`);
  assert.match(write.stderr, /0x00000143/);
  const log = await readFile(machinePaths(home, sharedName).supervisorLog, 'utf8');
  assert.match(log, /denied: NV_Write/);
  assert.ok(!log.includes('not in argv'));
});

test('the machine has its own TPM, which tools must name; a killed one returns at the next start', async () => {
  // the broker is on: tools that name no TPM mean the host's, whose index this is, and the other has none
  assert.match((await guest('tpm2_getcap', 'handles-nv-index')).stdout, /0x1000BB9/i);
  assert.equal(await asRoot(sharedName, `${ownTpm} tpm2_getcap handles-nv-index`), '');
  // one bank, and the measurements of the boot: docs/reference/tpm.md
  const banks = await asRoot(sharedName, 'ls -d /sys/class/tpm/tpm0/pcr-*');
  assert.equal(banks.trim(), '/sys/class/tpm/tpm0/pcr-sha256');
  for (const pcr of [0, 1, 4, 5, 7, 9, 11]) {
    const value = await asRoot(sharedName, `cat /sys/class/tpm/tpm0/pcr-sha256/${pcr}`);
    assert.match(value.trim(), /^(?!0{64})[0-9A-F]{64}$/, `PCR ${pcr}`);
  }
  assert.notEqual(
    (await guest('tpm2_getrandom', '--tcti=device:/dev/tpmrm0', '4')).code,
    0,
    'for root alone',
  );
  await asRoot(
    sharedName,
    `export TPM2TOOLS_TCTI=device:/dev/tpmrm0; cd /root
    printf kept | tpm2_create -C 0x81000001 -i - -u kept.pub -r kept.priv >&2; sync`,
  );
  const status = async (): Promise<MachineStatus> => JSON.parse(await expectDone(['status', '--json']));
  const ownTpmProcess = async () => (await status()).programs.find(({ program }) => program === 'swtpm')?.pid;
  const before = await ownTpmProcess();
  assert.ok(before);
  process.kill(before, 'SIGKILL');
  const seen = new Set<string>();
  await eventually(
    async () => {
      const { state, problem } = await status();
      if (problem !== undefined) seen.add(problem);
      const now = await ownTpmProcess();
      return state === 'running' && now !== undefined && now !== before;
    },
    { within: 300_000, every: 300, what: 'the machine runs with another TPM' },
  );
  assert.ok(
    [...seen].some((problem) => problem.startsWith('swtpm has ended unexpectedly')),
    [...seen].join(),
  );
});

test('access survives a restart, extends to containers, and is revoked at once', async () => {
  await expectDone(['restart']);
  // the state of the machine's own TPM is preserved, although it was killed
  const unseal = `export ${ownTpm}; cd /root; tpm2_load -C 0x81000001 -u kept.pub -r kept.priv -c kept.ctx >&2
    tpm2_unseal -c kept.ctx; rm kept.*`;
  assert.equal(await asRoot(sharedName, unseal), 'kept');
  assert.match((await guest('tpm2_getrandom', '--hex', '4')).stdout, /^[0-9a-f]{8}$/);
  const container = ['sudo', 'podman', 'run', '--rm', '--network=none', '--rootfs', '/:O'];
  const tcti = '--tcti=cmd:socat -d0 - VSOCK-CONNECT:2:2321';
  assert.match((await guest(...container, 'tpm2_getrandom', tcti, '--hex', '4')).stdout, /^[0-9a-f]{8}$/);
  // a supervisor that dies takes the broker with it, and the next brings it back
  process.kill(await supervisorProcess(), 'SIGKILL');
  await expectDone(['status']);
  assert.match((await guest('tpm2_getrandom', '--hex', '4')).stdout, /^[0-9a-f]{8}$/);
  assert.match(await expectDone(['tpm', 'disable']), /cannot use/);
  assert.notEqual((await guest('tpm2_getrandom', '4')).code, 0);
  assert.match(await expectDone(['exec', '--', 'echo', 'the channel is whole']), /whole/);
});

/** The supervisor's process, as its lock names it. */
async function supervisorProcess(): Promise<number> {
  const lock = await readFile(machinePaths(home, sharedName).supervisorLock, 'utf8');
  return Number(/process (\d+)/.exec(lock)?.[1]);
}
