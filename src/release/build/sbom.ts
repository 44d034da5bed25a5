import { createHash } from 'node:crypto';
import type { DebianPackage, PackageLock } from './packages.ts';

/**
 * A software bill of materials, SPDX 2.3 (https://spdx.github.io/spdx-spec/v2.3/), of what is in the root: packages whose
 * files were taken out again are left out here too.
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

function spdxPackage(entry: DebianPackage, suite: string): object {
  const { name, version, architecture, source, sourceVersion } = entry;
  return {
    SPDXID: identifier(entry),
    name,
    versionInfo: version,
    sourceInfo: `built from ${source} ${sourceVersion}`,
    supplier: 'Organization: Debian',
    downloadLocation: 'NOASSERTION',
    filesAnalyzed: false,
    externalRefs: [
      {
        referenceCategory: 'PACKAGE-MANAGER',
        referenceType: 'purl',
        // https://github.com/package-url/purl-spec, type deb
        referenceLocator: `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${architecture}&distro=${suite}`,
      },
    ],
  };
}

/** SPDX identifiers have letters, digits, dots and hyphens only. */
function identifier({ name }: DebianPackage): string {
  return `SPDXRef-deb-${name.replaceAll('+', '-plus-')}`;
}
