import { defineClaim, fail, pass } from '../claim.ts';
import { matching, type Probe } from '../guest-probe.ts';

/** TPM_RC_COMMAND_CODE, with which the broker answers denied commands. */
const denial = '0x143';

/** Devices of the machine's own TPM. EFLOW has none; it gives no access to the host's TPM. */
const own: readonly string[] = ['/dev/tpm0', '/dev/tpmrm0'];

/** TPM devices of the guest, and the answer to TPM2_StirRandom at the broker's address. Longer codes are the tool's own: no broker answered. */
const seen: Probe<{ readonly devices: readonly string[]; readonly answer: string }> = {
  name: 'tpm',
  command: `for device in /dev/tpm*; do [ ! -e "$device" ] || echo "$device"; done
  said=$(printf x | tpm2_stirrandom --tcti 'cmd:socat -d0 - VSOCK-CONNECT:2:2321' 2>&1 && echo done)
  echo "answer $(grep -o -E -m 1 '^done|Esys_StirRandom[(]0x[0-9A-F]{1,3}[)]' <<<"$said" | grep -o -E '0x[0-9A-F]+|done')"`,
  form: matching(
    /^((?:\/dev\/tpm\S{0,20}\n)*)answer (0x[0-9A-F]{1,3}|done|)$/,
    ([devices = '', answer = '']) => ({
      devices: devices.split('\n').filter((line) => line !== ''),
      answer,
    }),
  ),
};

export const tpmClaims = [
  defineClaim({
    id: 'tpm',
    sentence:
      "The EFLOW virtual machine doesn't support vTPM. However the user can enable/disable the TPM passthrough feature, that allows the EFLOW virtual machine to use the Windows host OS TPM.",
    since: '0.1',
    looksAt: "The guest's TPM devices, and the answer at the broker's address to one command.",
    fooledBy: 'Root in the guest can answer in place of the broker; the host decides which commands pass.',
    notStopped:
      "Once enabled, every user and container of the machine can use the host's TPM, for the commands in docs/reference/tpm-broker.md. The machine's own TPM measures its boot, which `holdfast attest` verifies; data are sealed to it only with `deploy --encrypt-data`.",
    guest: { seen },
    host: ['configuration'],
    judge: (guest, { configuration: { hostTpm: path } }) => {
      const { devices, answer } = guest.seen;
      const others = devices.filter((device) => !own.includes(device));
      if (others.length > 0) return fail(`the machine has ${others.join(', ')}, which is not its own TPM`);
      if (path === undefined && answer === '')
        return pass("disabled: no broker to the host's TPM answers; the machine has its own TPM");
      if (path === undefined) return fail("the host's TPM answers, although it is not enabled");
      if (answer === denial)
        return pass(`enabled: the broker to ${path} answers, and denies TPM2_StirRandom`);
      return fail(`the broker to ${path} should deny TPM2_StirRandom, but answered '${answer}'`);
    },
  }),
] as const;
