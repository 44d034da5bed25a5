/** Runs one verity operation as a program, for comparison with veritysetup from start to exit. */
import { formatImage } from '../../src/verity/format.ts';
import type { RootHash } from '../../src/verity/root-hash.ts';
import { verifyImage } from '../../src/verity/verify.ts';

const [operation, path = '', uuid = '', dataSize, root] = process.argv.slice(2);
if (operation === 'format') console.log((await formatImage(path, uuid)).rootHash);
else await verifyImage(path, { uuid, dataSize: Number(dataSize), rootHash: root as RootHash });
