import { join } from 'node:path';
import { Metadata, MetadataKind, type Root } from '@tufjs/models';
import { describe, failure } from '../../base/errors.ts';
import { exists, writeFileAtomic } from '../../base/files.ts';
import { openRegular } from '../../base/regular-file.ts';
import { metadataLimit } from './source-fetcher.ts';

/**
 * Makes sure that a directory of trusted metadata has a valid root.
 * @param firstRoot root metadata that is trusted when there is none yet.
 * @throws HoldfastError `repository.untrusted` without any root, `repository.trust` with a damaged one.
 */
export async function trustFirst(directory: string, firstRoot: string): Promise<void> {
  const trusted = join(directory, 'root.json');
  if (await exists(trusted)) {
    await readRoot(trusted, `remove it: the next update starts again from ${firstRoot}`);
    return;
  }
  if (!(await exists(firstRoot))) {
    throw failure('repository.untrusted', 'this host does not trust any repository yet', {
      why: `${firstRoot} is missing`,
      next: "copy the publisher's root.json there, from keys/repository of the publisher's HOLDFAST_HOME",
    });
  }
  const { bytes } = await readRoot(firstRoot, "copy the publisher's root.json there again");
  await writeFileAtomic(trusted, bytes);
}

/**
 * Returns whether file names in the repository include digests (TUF specification 1.0, section 6.2).
 * Holdfast's repositories always do.
 * @throws HoldfastError `repository.trust`.
 */
export async function usesConsistentSnapshots(directory: string): Promise<boolean> {
  const { root } = await readRoot(join(directory, 'root.json'), 'run the command again');
  return root.consistentSnapshot;
}

/**
 * Reads root metadata of this host, which must be signed by its own keys (TUF specification 1.0, section 5.3.4).
 * @throws HoldfastError `repository.trust` when it is damaged.
 */
async function readRoot(path: string, next: string): Promise<{ bytes: Buffer; root: Root }> {
  try {
    const file = await openRegular(path);
    try {
      const { size } = await file.stat();
      if (size > metadataLimit) throw new RangeError(`it has ${size} bytes, the limit is ${metadataLimit}`);
      const bytes = await file.readFile();
      const root = Metadata.fromJSON(MetadataKind.Root, JSON.parse(bytes.toString()));
      root.verifyDelegate('root', root);
      return { bytes, root: root.signed };
    } finally {
      await file.close();
    }
  } catch (error) {
    throw failure('repository.trust', 'the metadata that this host trusts is damaged', {
      why: `${path}: ${describe(error)}`,
      next,
      cause: error,
    });
  }
}
