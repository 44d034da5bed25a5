import { createHash } from 'node:crypto';
import type { InstalledPackage } from '../../distribution/distribution.ts';
import { guestDistribution } from '../distribution.ts';
import type { PackageLock } from '../package-lock.ts';

/**
 * Returns a software bill of materials, SPDX 2.3 (https://spdx.github.io/spdx-spec/v2.3/), of the root: packages whose files
 * were removed again are not in it.
 * @param version the release's version.
 */
export function spdxDocument(lock: PackageLock, version: string): object {
  const shipped = lock.packages.filter((entry) => !entry.takenOut);
  const digest = createHash('sha256').update(JSON.stringify(shipped)).digest('hex');
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
    documentDescribes: ['SPDXRef-release'],
    packages: [
      {
        SPDXID: 'SPDXRef-release',
        name: 'holdfast',
        versionInfo: version,
        downloadLocation: 'NOASSERTION',
        filesAnalyzed: false,
        primaryPackagePurpose: 'OPERATING-SYSTEM',
      },
      ...shipped.map((entry) => spdxPackage(entry, lock.suite)),
    ],
    relationships: shipped.map((entry) => ({
      spdxElementId: 'SPDXRef-release',
      relationshipType: 'CONTAINS',
      relatedSpdxElement: identifier(entry),
    })),
  };
}

function spdxPackage(entry: InstalledPackage, suite: string): object {
  const { name, version, source, sourceVersion } = entry;
  return {
    SPDXID: identifier(entry),
    name,
    versionInfo: version,
    sourceInfo: `built from ${source} ${sourceVersion}`,
    supplier: guestDistribution.supplier,
    downloadLocation: 'NOASSERTION',
    filesAnalyzed: false,
    externalRefs: [
      {
        referenceCategory: 'PACKAGE-MANAGER',
        referenceType: 'purl',
        referenceLocator: guestDistribution.packageUrl(entry, suite),
      },
    ],
  };
}

/** Returns the SPDX identifier of a package: letters, digits, dots and hyphens. */
function identifier({ name }: InstalledPackage): string {
  return `SPDXRef-${guestDistribution.packageType}-${name.replaceAll('+', '-plus-')}`;
}
