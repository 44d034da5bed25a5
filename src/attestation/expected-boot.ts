import { type Guid, guidToBytes } from '../base/guid.ts';
import { digestOf, sectionDigests } from '../firmware/measurement.ts';
import { vendors } from '../firmware/names.ts';
import { enrolSecureBoot, type SecureBootKeys, signatureOf } from '../firmware/secure-boot.ts';
import type { ReleaseManifest } from '../release/manifest.ts';

/** The release and the keys of a valid boot. */
export interface ExpectedStart {
  readonly release: ReleaseManifest;
  /** Keys with which Secure Boot was enabled at deployment. */
  readonly keys: SecureBootKeys;
}

/** One measurement that a boot must make. */
export interface ExpectedEvent {
  readonly digest: Buffer;
  /** The measured object, such as `the command line`. */
  readonly what: string;
}

/**
 * The registers that follow from the release and the keys alone, the most informative difference first.
 * Specifications: docs/reference/tpm.md.
 */
export const judgedPcrs = [
  { pcr: 7, holds: 'Secure Boot: its state, its keys, the key that verified the boot' },
  { pcr: 4, holds: 'programs started by the firmware' },
  { pcr: 11, holds: 'sections of the UKI' },
  { pcr: 12, holds: 'additions to the UKI: none' },
] as const;

export type JudgedPcr = (typeof judgedPcrs)[number]['pcr'];

/**
 * Returns the events that a boot measures into the judged registers, each in order.
 * @param throughLoader whether the release's loader found the UKI, because the boot entries were lost.
 */
export function expectedEvents(
  { release, keys }: ExpectedStart,
  throughLoader: boolean,
): Readonly<Record<JudgedPcr, readonly ExpectedEvent[]>> {
  return {
    7: secureBoot(keys),
    4: [
      // TCG PC Client Platform Firmware Profile, section 3.3.4.5
      {
        what: "the firmware's attempt to start",
        digest: digestOf(Buffer.from('Calling EFI Application from Boot Option')),
      },
      separator,
      ...(throughLoader
        ? [{ what: 'the loader', digest: Buffer.from(release.loader.authenticode, 'hex') }]
        : []),
      { what: 'the UKI', digest: Buffer.from(release.uki.authenticode, 'hex') },
    ],
    11: release.uki.sections.flatMap((section) => {
      const [name, content] = sectionDigests(section);
      return [
        { what: `the name of ${section.name}`, digest: name },
        { what: sectionNames[section.name] ?? section.name, digest: content },
      ];
    }),
    12: [],
  };
}

const sectionNames: Readonly<Record<string, string>> = {
  '.linux': 'the kernel',
  '.osrel': "the release's name and version",
  '.cmdline': 'the command line',
  '.initrd': 'the initrd',
  '.uname': "the kernel's version",
  '.sbat': "the stub's generation",
};

/** Separates the firmware's own events from those of the programs that it started: EV_SEPARATOR, section 10.4.1. */
const separator: ExpectedEvent = { what: 'the end of the firmware', digest: digestOf(Buffer.alloc(4)) };

/** Returns the events of section 3.3.4.8. The firmware measures an empty `dbx` although it has none. */
function secureBoot(keys: SecureBootKeys): ExpectedEvent[] {
  const enrolled = enrolSecureBoot({ headers: Buffer.alloc(0), variables: [] }, keys).variables;
  const contentOf = (name: string) =>
    enrolled.find((variable) => variable.name === name)?.data ?? Buffer.alloc(0);
  const { global, imageSecurity } = vendors;
  return [
    { what: 'the state of Secure Boot', digest: variable('SecureBoot', global, Buffer.of(1)) },
    { what: 'the platform key', digest: variable('PK', global, contentOf('PK')) },
    { what: 'the key exchange key', digest: variable('KEK', global, contentOf('KEK')) },
    { what: 'the keys that may sign (db)', digest: variable('db', imageSecurity, contentOf('db')) },
    { what: 'the denied signatures (dbx)', digest: variable('dbx', imageSecurity, Buffer.alloc(0)) },
    separator,
    { what: 'the key that verified the boot', digest: variable('db', imageSecurity, signatureOf(keys.db)) },
  ];
}

/** Encodes UEFI_VARIABLE_DATA: section 10.4.2.6. */
function variable(name: string, vendor: Guid, data: Buffer): Buffer {
  const lengths = Buffer.alloc(16);
  lengths.writeBigUInt64LE(BigInt(name.length), 0);
  lengths.writeBigUInt64LE(BigInt(data.length), 8);
  return digestOf(guidToBytes(vendor), lengths, Buffer.from(name, 'utf16le'), data);
}
