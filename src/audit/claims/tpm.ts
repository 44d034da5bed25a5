import { defineClaim, fail, pass } from '../claim.ts';
import { matching, type Probe } from '../guest-probe.ts';

/** TPM_RC_COMMAND_CODE: what the broker must say to a command that its table refuses. */
const refusal = '0x143';

/** The machine's own TPM, as Linux shows one: past the sentence, and no way to the host's. */
const own: readonly string[] = ['/dev/tpm0', '/dev/tpmrm0'];

/** TPMs that the guest has, and what answers TPM2_StirRandom where the host's would be. Longer codes are the tool's own: nobody is there. */
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
    notStopped:
      "Once enabled, every user and container of the machine can use the host's TPM, for the commands in docs/reference/tpm-broker.md. The machine's own TPM measures its boot, which `holdfast attest` verifies; data are sealed to it only with `deploy --encrypt-data`.",
    guest: { seen },
    host: ['configuration'],
    judge: (guest, { configuration: { hostTpm: path } }) => {
      const { devices, answer } = guest.seen;
      const others = devices.filter((device) => !own.includes(device));
      if (others.length > 0) return fail(`there is ${others.join(', ')}, which nobody gave the machine`);
      if (path === undefined && answer === '')
        return pass("closed: nothing answers where the host's TPM would be; the machine has its own");
      if (path === undefined) return fail("the host's TPM answers, and nobody opened it");
      if (answer === refusal) return pass(`open: the broker to ${path} answers, and refuses TPM2_StirRandom`);
      return fail(`the broker to ${path} should refuse TPM2_StirRandom, and answered '${answer}'`);
    },
  }),
] as const;
