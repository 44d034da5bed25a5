import { createHash } from 'node:crypto';
import type { InstalledPackage } from '../../distribution/distribution.ts';
import { guestDistribution } from '../distribution.ts';
import type { PackageLock } from '../package-lock.ts';

/** A file of the release that is made from packages. */
interface ShippedFile {
  readonly name: string;
  /** In lower-case hex. */
  readonly sha256: string;
}

/**
 * Returns a software bill of materials, SPDX 2.3 (https://spdx.github.io/spdx-spec/v2.3/), of a release: root, boot images and loader.
 * Packages of which it ships no file are not in it. The files of Holdfast itself are those of the package `holdfast`.
 * @param version the release's version.
 * @param files its root image and EFI programs.
 */
export function spdxDocument(lock: PackageLock, version: string, files: readonly ShippedFile[]): object {
  const shipped = lock.packages.filter((entry) => !entry.takenOut);
  const digest = createHash('sha256')
    .update(JSON.stringify([shipped, files]))
    .digest('hex');
  return {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: `holdfast-${version}`,
    documentNamespace: `urn:holdfast:sbom:${version}:${digest}`,
    creationInfo: {
      created: new Date(lock.sourceDateEpoch * 1000).toISOString().replace('.000Z', 'Z'),
      creators: ['Tool: holdfast'],
    },
    packages: [
      {
        SPDXID: 'SPDXRef-release',
        name: 'holdfast',
        versionInfo: version,
        ...unanalyzed,
        primaryPackagePurpose: 'OPERATING-SYSTEM',
      },
      ...files.map((file) => ({
        SPDXID: fileIdentifier(file),
        name: file.name,
        versionInfo: version,
        packageFileName: file.name,
        checksums: [{ algorithm: 'SHA256', checksumValue: file.sha256 }],
        ...unanalyzed,
        primaryPackagePurpose: 'FILE',
      })),
      ...shipped.map((entry) => spdxPackage(entry, lock.suite)),
    ],
    relationships: [
      {
        spdxElementId: 'SPDXRef-DOCUMENT',
        relationshipType: 'DESCRIBES',
        relatedSpdxElement: 'SPDXRef-release',
      },
      ...[...files.map(fileIdentifier), ...shipped.map(identifier)].map((contained) => ({
        spdxElementId: 'SPDXRef-release',
        relationshipType: 'CONTAINS',
        relatedSpdxElement: contained,
      })),
    ],
  };
}

/** Debian states licences in files of prose, which no release ships: the source package has them. */
const unanalyzed = {
  downloadLocation: 'NOASSERTION',
  filesAnalyzed: false,
  licenseConcluded: 'NOASSERTION',
  licenseDeclared: 'NOASSERTION',
  copyrightText: 'NOASSERTION',
} as const;

function spdxPackage(entry: InstalledPackage, suite: string): object {
  const { name, version, source, sourceVersion } = entry;
  return {
    SPDXID: identifier(entry),
    name,
    versionInfo: version,
    sourceInfo: `built from ${source} ${sourceVersion}`,
    supplier: guestDistribution.supplier,
    ...unanalyzed,
    externalRefs: [
      {
        referenceCategory: 'PACKAGE-MANAGER',
        referenceType: 'purl',
        referenceLocator: guestDistribution.packageUrl(entry, suite),
      },
    ],
  };
}

function fileIdentifier({ name }: ShippedFile): string {
  return `SPDXRef-file-${name}`;
}

/** Returns the SPDX identifier of a package: letters, digits, dots and hyphens. */
function identifier({ name }: InstalledPackage): string {
  return `SPDXRef-${guestDistribution.packageType}-${name.replaceAll('+', '-plus-')}`;
}
