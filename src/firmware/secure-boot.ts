import { X509Certificate } from 'node:crypto';
import { guid, guidSize, guidToBytes } from '../base/guid.ts';
import { malformed } from './malformed.ts';
import { attributes, vendors } from './names.ts';
import type { Variable } from './record.ts';
import { findVariable, setVariables, type VariableStore } from './store.ts';

/** X.509 certificates in DER of the Secure Boot keys (UEFI specification 2.10, section 32.3). */
export interface SecureBootKeys {
  /** Platform key: allowed to replace itself and `kek`. */
  readonly pk: Buffer;
  /** Key exchange key: allowed to change `db` and the denylist `dbx`. */
  readonly kek: Buffer;
  /** The firmware starts only programs that are signed with this key. */
  readonly db: Buffer;
}

/** EFI_CERT_X509_GUID (section 32.4.1). */
const certificateSignature = guid('a5c059a1-94e4-4aa7-87b5-ab155c2bf072');

/** Identifies the owner of an enrolled certificate. The firmware does not use it. */
const signatureOwner = guid('0f5c1d9e-6a37-4b82-9d11-3c7e58a2b40f');

/**
 * 1 January 2000 as EFI_TIME (section 8.3): earlier than any signed update. A constant, so that the same
 * keys give the same store.
 */
const enrolmentTime = Buffer.from('d0070101000000000000000000000000', 'hex');

/**
 * Enables Secure Boot with the given keys. A platform key puts the firmware into user mode at its
 * next start; the other two variables are set as OVMF's own enrolment does (edk2:
 * OvmfPkg/EnrollDefaultKeys). No `dbx` is needed, because `db` allows this one key only.
 * @throws HoldfastError `firmware.variables` when a certificate is not an X.509 certificate in DER.
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

/** Returns the names of the variables that `enrolSecureBoot` would change. */
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

/**
 * Encodes a certificate as EFI_SIGNATURE_DATA (section 32.4.1), which is measured when it
 * authorizes a program.
 */
export function signatureOf(certificate: Buffer): Buffer {
  return Buffer.concat([guidToBytes(signatureOwner), certificate]);
}

/** Encodes an EFI_SIGNATURE_LIST with one EFI_SIGNATURE_DATA. */
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
    // not a certificate: reported below
  }
  throw malformed(`the ${name} key is not an X.509 certificate in DER`);
}
