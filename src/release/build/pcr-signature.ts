import { constants, sign, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { digestOf, extended, type SectionMeasurement, sectionDigests } from '../../firmware/measurement.ts';
import type { KeyPair } from '../keys.ts';

/*
 * A machine's TPM unseals its data also for a release that did not exist when the data was sealed: the release key signs a policy
 * "PCR 11 has this value". systemd-stub(7) passes the signature from the UKI's section `.pcrsig` to the initrd; its form is that of
 * systemd-measure(1).
 */

/** The register that the stub extends with the UKI's sections. */
const pcr = 11;

/** TCG TPM 2.0 Library Part 2: TPM_CC_PolicyPCR and TPM_ALG_SHA256. */
const commandPolicyPcr = 0x17f;
const algorithmSha256 = 0x0b;

/** Returns the register's value in the initrd: systemd-stub(7), "TPM PCR Notes". Nothing else extends it in our machines. */
export function kernelImagePcr(sections: readonly SectionMeasurement[]): Buffer {
  return extended(sections.flatMap(sectionDigests));
}

/** Returns the policy that requires this value of the register: Part 3, TPM2_PolicyPCR, in an empty session. */
export function pcrPolicy(value: Uint8Array): Buffer {
  const head = Buffer.alloc(14);
  head.writeUInt32BE(commandPolicyPcr, 0);
  // TPML_PCR_SELECTION: one bank, three bytes of bits
  head.writeUInt32BE(1, 4);
  head.writeUInt16BE(algorithmSha256, 8);
  head.writeUInt8(3, 10);
  head.writeUIntLE(1 << pcr, 11, 3);
  return digestOf(Buffer.alloc(32), head, digestOf(value));
}

/** Signs the measurement of a UKI with these sections. Returns the text of `.pcrsig`. */
export async function signPcr(sections: readonly SectionMeasurement[], key: KeyPair): Promise<string> {
  const policy = pcrPolicy(kernelImagePcr(sections));
  const { publicKey } = new X509Certificate(await readFile(key.certificate));
  const signature = sign('sha256', policy, {
    key: await readFile(key.privateKey),
    padding: constants.RSA_PKCS1_PADDING,
  });
  return JSON.stringify({
    sha256: [
      {
        pcrs: [pcr],
        pkfp: digestOf(publicKey.export({ type: 'pkcs1', format: 'der' })).toString('hex'),
        pol: policy.toString('hex'),
        sig: signature.toString('base64'),
      },
    ],
  });
}

/** Returns the public half of a key, PEM: the section `.pcrpkey`. */
export async function publicKeyOf(key: KeyPair): Promise<string> {
  const { publicKey } = new X509Certificate(await readFile(key.certificate));
  return publicKey.export({ type: 'spki', format: 'pem' }).toString();
}
