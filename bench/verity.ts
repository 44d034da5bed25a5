import { createCipheriv } from 'node:crypto';
import { copyFile, mkdtemp, open, rm, stat, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../src/base/process.ts';
import { MiB } from '../src/base/size.ts';
import { formatImage } from '../src/verity/format.ts';
import { blockSize } from '../src/verity/geometry.ts';
import { verifyImage } from '../src/verity/verify.ts';
import { type Bench, type Comparison, type Defer, timed } from './measure.ts';

const uuid = '2d1f6c0a-5a0e-4b1e-9b0c-6f1d8a7e4c35';
const generatedSize = 350 * MiB;
const runs = 15;
const ourProgram = fileURLToPath(new URL('./verity/process.ts', import.meta.url));

/**
 * Compares formatting and verifying an image with veritysetup, on two copies in the page cache; both flush the tree to disk.
 * Holdfast's functions are called inside a running program, as in the product, which would have to start veritysetup. The
 * last two comparisons, for information, also start a program, with Node's compile cache enabled as in `bin/holdfast`.
 */
export const bench: Bench = { name: 'verity', prepare };

async function prepare(defer: Defer): Promise<readonly Comparison[]> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-bench-verity-'));
  defer(() => rm(directory, { recursive: true }));
  const mine = join(directory, 'ours.img');
  const theirs = join(directory, 'peer.img');
  const given = process.env.HOLDFAST_BENCH_IMAGE;
  if (given === undefined) await generateImage(mine);
  else await copyFile(given, mine);
  const dataSize = Math.floor((await stat(mine)).size / blockSize) * blockSize;
  await truncate(mine, dataSize);
  await copyFile(mine, theirs);
  await run('sync', [mine, theirs]);

  const { rootHash } = await formatImage(mine, uuid);
  const hashOffset = `--hash-offset=${dataSize}`;
  const expected = { dataSize, uuid, rootHash };
  const strip = (path: string) => truncate(path, dataSize);
  const env = { ...process.env, NODE_COMPILE_CACHE: join(directory, 'compile-cache') };
  const program = (...args: string[]) => timed(() => run(process.execPath, [ourProgram, ...args], { env }));
  const formatTheirs = async () => {
    await strip(theirs);
    return timed(() =>
      run('veritysetup', ['format', '--salt=-', `--uuid=${uuid}`, hashOffset, theirs, theirs]),
    );
  };
  const verifyTheirs = () =>
    timed(() => run('veritysetup', ['verify', hashOffset, theirs, theirs, rootHash]));
  const format = { unit: 'ms', runs, peerName: 'veritysetup format', peer: formatTheirs };
  const verify = { unit: 'ms', runs, peerName: 'veritysetup verify', peer: verifyTheirs };
  const formatMine = async (work: () => Promise<number>) => {
    await strip(mine);
    return work();
  };
  return [
    {
      ...format,
      name: 'format',
      target: 1,
      ours: () => formatMine(() => timed(() => formatImage(mine, uuid))),
    },
    { ...verify, name: 'verify', target: 1, ours: () => timed(() => verifyImage(mine, expected)) },
    { ...format, name: 'format-process', ours: () => formatMine(() => program('format', mine, uuid)) },
    { ...verify, name: 'verify-process', ours: () => program('verify', mine, uuid, `${dataSize}`, rootHash) },
  ];
}

/** Writes the same pseudo-random bytes each time: a key stream of AES-CTR, incompressible for any file system. */
async function generateImage(path: string): Promise<void> {
  const stream = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16));
  const zeros = Buffer.alloc(MiB);
  const file = await open(path, 'wx');
  try {
    for (let done = 0; done < generatedSize; done += MiB) await file.writeFile(stream.update(zeros));
  } finally {
    await file.close();
  }
}
