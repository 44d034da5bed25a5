import { errorResponse, message } from '../../tpm/response.ts';
import { responseCode } from '../../tpm/response-codes.ts';
import { defineClaim, fail, pass } from '../claim.ts';
import { matching, type Probe } from '../guest-probe.ts';

/** TPM2_StirRandom without its parameter: no TPM would do it, and the broker does not pass it on. */
const notAdmitted = message(0x146);
const refusal = errorResponse(responseCode('commandCode')).toString('hex');

/** TPMs that the guest has, and what answers where the host's would be, in hexadecimal. */
const seen: Probe<{ readonly devices: readonly string[]; readonly answer: string }> = {
  name: 'tpm',
  command: `for device in /dev/tpm*; do [ ! -e "$device" ] || echo "$device"; done
  echo "answer $(printf '${[...notAdmitted].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('')}' |
    tpm2_send --tcti 'cmd:socat -d0 - VSOCK-CONNECT:2:2321' 2>/dev/null | od -A n -v -t x1 | tr -d ' \\n')"`,
  form: matching(/^((?:\/dev\/tpm\S{0,20}\n)*)answer ([0-9a-f]{0,8192})$/, ([devices = '', answer = '']) => ({
    devices: devices.split('\n').filter((line) => line !== ''),
    answer,
  })),
};

export const tpmClaims = [
  defineClaim({
    id: 'tpm',
    sentence:
      "The EFLOW virtual machine doesn't support vTPM. However the user can enable/disable the TPM passthrough feature, that allows the EFLOW virtual machine to use the Windows host OS TPM.",
    since: '0.1',
    notStopped:
      "Once it is open, every user and container of the machine can use the host's TPM, for what docs/tpm.md lists. Nothing is sealed to the machine's state.",
    guest: { seen },
    host: ['configuration'],
    judge: (guest, { configuration: { hostTpm: path } }) => {
      const { devices, answer } = guest.seen;
      if (devices.length > 0) return fail(`there is ${devices.join(', ')}, which nobody gave the machine`);
      if (path === undefined && answer === '')
        return pass("closed: nothing answers where the host's TPM would be");
      if (path === undefined) return fail("the host's TPM answers, and nobody opened it");
      if (answer === refusal) return pass(`open: the broker to ${path} answers, and refuses TPM2_StirRandom`);
      return fail(
        `the broker to ${path} should refuse TPM2_StirRandom, and answered '${answer.slice(0, 64)}'`,
      );
    },
  }),
] as const;
