import { createCipheriv } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { makePrivateDirectory } from '../src/base/files.ts';
import { MiB } from '../src/base/size.ts';
import { openSource } from '../src/repository/source/open.ts';
import { blockSize } from '../src/verity/geometry.ts';
import { Workshop } from '../test/support/repository.ts';
import { counted } from './delta/counted.ts';
import { type Bench, type Comparison, timed } from './measure.ts';
import { cache } from './support/home.ts';

const sizes: readonly number[] = [256, 512, 1024, 2048].map((mib) => mib * MiB);
const [smallest = 0] = sizes;

/** Number of changed runs of blocks, evenly spread, 5 MB in total. */
const runsOfBlocks = 64;
const blocksInRun = 20;

/** The cost of one update. */
interface Update {
  /** Bytes read from the repository. */
  readonly bytes: number;
  /** Time from the request until the release is assembled and verified. */
  readonly milliseconds: number;
}

/**
 * Compares the same change in releases of different sizes, as a pack from the previous release; the peer is the smallest. Of
 * the data read, only a list with an entry for each MiB grows. The host reads, writes and verifies the whole release.
 */
export const bench: Bench = { name: 'growth', prepare };

async function prepare(): Promise<readonly Comparison[]> {
  await makePrivateDirectory(cache);
  const updates = new Map<number, Promise<Update>>();
  const update = (size: number) => {
    const known = updates.get(size) ?? updateOf(size);
    updates.set(size, known);
    return known;
  };
  return sizes
    .filter((size) => size > smallest)
    .flatMap((size) => {
      const common = { peerName: `a release of ${smallest / MiB} MiB`, runs: 1 };
      const name = `${size / MiB}-MiB`;
      return [
        {
          ...{ ...common, name: `bytes-${name}`, unit: 'MB', target: 1.1 },
          ours: async () => (await update(size)).bytes / 1_000_000,
          peer: async () => (await update(smallest)).bytes / 1_000_000,
        },
        {
          // linear: no more per byte, except for noise
          ...{ ...common, name: `work-${name}`, unit: 'ms per MiB', target: 1.25 },
          ours: async () => ((await update(size)).milliseconds * MiB) / size,
          peer: async () => ((await update(smallest)).milliseconds * MiB) / smallest,
        },
      ];
    });
}

async function updateOf(size: number): Promise<Update> {
  const workshop = await Workshop.open(cache);
  try {
    const older = await workshop.releaseOf('1', (path) => writeNoise(path, size));
    const newer = await workshop.releaseOf('2', async (path) => {
      await writeNoise(path, size);
      await change(path, size);
    });
    await workshop.publish(older);
    await workshop.publish(newer);
    const { source, total } = counted(await openSource(workshop.repository));
    const milliseconds = await timed(async () => {
      const { strategy } = await workshop.fetch(source, [older]);
      if (strategy !== 'pack') throw new Error(`fetched by ${strategy} instead of a pack`);
    });
    return { bytes: total(), milliseconds };
  } finally {
    await rm(workshop.directory, { recursive: true });
  }
}

async function writeNoise(path: string, size: number): Promise<void> {
  const cipher = noise(1);
  const file = await open(path, 'w');
  try {
    for (let at = 0; at < size; at += MiB) await file.appendFile(cipher.update(Buffer.alloc(MiB)));
  } finally {
    await file.close();
  }
}

async function change(path: string, size: number): Promise<void> {
  const cipher = noise(2);
  const file = await open(path, 'r+');
  try {
    for (let run = 0; run < runsOfBlocks; run += 1) {
      const bytes = cipher.update(Buffer.alloc(blocksInRun * blockSize));
      await file.write(bytes, 0, bytes.length, (size / runsOfBlocks) * run);
    }
  } finally {
    await file.close();
  }
}

/** Returns incompressible bytes; the same for the same number. */
function noise(number: number) {
  return createCipheriv('aes-128-ctr', Buffer.alloc(16, number), Buffer.alloc(16));
}
