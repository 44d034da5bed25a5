import { join } from 'node:path';
import { makeDirectory, readBounded, writeFileAtomic } from '../../base/files.ts';
import { MiB } from '../../base/size.ts';
import { type Catalog, catalogPath } from '../catalog.ts';
import { rootVersions } from '../root-metadata.ts';
import {
  type MetadataFile,
  type PublishingKeys,
  sha256Of,
  signMetadata,
  targetFilePath,
} from '../signed-metadata.ts';

/**
 * Makes `releases` the content of a repository. Writes `timestamp.json` last, which makes the whole
 * publication effective at once. Requires the lock of the repository.
 * @param signing.keys directory of the publisher's keys, with the root metadata to publish.
 * @param signing.lastVersion version of the metadata that is replaced; 0 for none.
 */
export async function writeCatalog(
  repository: string,
  releases: Catalog['releases'],
  signing: {
    readonly keys: string;
    readonly publishing: PublishingKeys;
    readonly lastVersion: number;
    readonly now?: Date;
  },
): Promise<void> {
  const bytes = Buffer.from(`${JSON.stringify({ format: 2, releases } satisfies Catalog)}\n`);
  const [targets, metadata] = [join(repository, 'targets'), join(repository, 'metadata')];
  for (const directory of [targets, metadata]) await makeDirectory(directory);
  await writeFileAtomic(join(targets, targetFilePath(catalogPath, sha256Of(bytes))), bytes);
  const roots = (await rootVersions(signing.keys)).map(
    async ({ version, path }): Promise<MetadataFile> => ({
      name: `${version}.root.json`,
      bytes: await readBounded(path, MiB),
    }),
  );
  const { publishing, lastVersion, now } = signing;
  const signed = signMetadata([{ path: catalogPath, bytes }], publishing, lastVersion, now);
  for (const { name, bytes } of [...(await Promise.all(roots)), ...signed])
    await writeFileAtomic(join(metadata, name), bytes);
}
