import { X509Certificate } from 'node:crypto';
import { guid, guidSize, guidToBytes } from '../base/guid.ts';
import { malformed } from './malformed.ts';
import { attributes, vendors } from './names.ts';
import type { Variable } from './record.ts';
import { findVariable, setVariables, type VariableStore } from './store.ts';

/** X.509 certificates in DER: who may change what (UEFI specification 2.10, section 32.3). */
export interface SecureBootKeys {
  /** Platform key: may replace itself and `kek`. */
  readonly pk: Buffer;
  /** Key exchange key: may change `db` and the list of the forbidden. */
  readonly kek: Buffer;
  /** What the firmware starts must be signed by this key. */
  readonly db: Buffer;
}

/** EFI_CERT_X509_GUID (section 32.4.1). */
const certificateSignature = guid('a5c059a1-94e4-4aa7-87b5-ab155c2bf072');

/** Says who put a certificate there; firmware does not look at it. */
const signatureOwner = guid('0f5c1d9e-6a37-4b82-9d11-3c7e58a2b40f');

/** Any update signed later is newer than this. Taken from no clock: the same keys give the same store. */
const enrolmentTime = new Date('2000-01-01T00:00:00Z');

/**
 * Turns Secure Boot on with our own keys. A platform key puts the firmware into user mode at its next start; the two
 * switches are those that OVMF's own enrolment leaves behind (edk2: OvmfPkg/EnrollDefaultKeys). There is no `dbx`: nothing is
 * forbidden, because `db` allows our key only.
 * @throws HoldfastError `firmware.variables` when a certificate is not one in DER.
 */
export function enrolSecureBoot(store: VariableStore, keys: SecureBootKeys): VariableStore {
  return setVariables(
    store,
    certificateVariable('db', keys.db),
    certificateVariable('KEK', keys.kek),
    certificateVariable('PK', keys.pk),
    {
      name: 'SecureBootEnable',
      vendor: vendors.secureBootEnable,
      attributes: attributes.firmware,
      data: Buffer.of(1),
    },
    { name: 'CustomMode', vendor: vendors.customMode, attributes: attributes.firmware, data: Buffer.of(0) },
  );
}

/** The names of the variables that `enrolSecureBoot` would change. */
export function changedSecureBoot(store: VariableStore, keys: SecureBootKeys): string[] {
  return enrolSecureBoot({ headers: Buffer.alloc(0), variables: [] }, keys)
    .variables.filter(({ name, vendor, attributes, data }) => {
      const found = findVariable(store, vendor, name);
      return !found?.data.equals(data) || found.attributes !== attributes;
    })
    .map(({ name }) => name);
}

function certificateVariable(name: 'PK' | 'KEK' | 'db', certificate: Buffer): Variable {
  return {
    name,
    vendor: name === 'db' ? vendors.imageSecurity : vendors.global,
    attributes: attributes.signed,
    data: signatureList(checked(name, certificate)),
    timestamp: enrolmentTime,
  };
}

/** EFI_SIGNATURE_DATA of a certificate (section 32.4.1): what a TPM is told of the one that vouched. */
export function signatureOf(certificate: Buffer): Buffer {
  return Buffer.concat([guidToBytes(signatureOwner), certificate]);
}

/** EFI_SIGNATURE_LIST with one EFI_SIGNATURE_DATA. */
function signatureList(certificate: Buffer): Buffer {
  const sizes = Buffer.alloc(12);
  const signatureSize = guidSize + certificate.length;
  sizes.writeUInt32LE(guidSize + sizes.length + signatureSize, 0);
  sizes.writeUInt32LE(signatureSize, 8); // after SignatureHeaderSize, which is 0 for certificates
  return Buffer.concat([guidToBytes(certificateSignature), sizes, signatureOf(certificate)]);
}

function checked(name: string, certificate: Buffer): Buffer {
  try {
    if (new X509Certificate(certificate).raw.equals(certificate)) return certificate;
  } catch {
    // said below: it is no certificate at all
  }
  throw malformed(`what should become ${name} is not an X.509 certificate in DER`);
}
