import assert from 'node:assert/strict';
import { cp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type CatalogEntry, contentDescription, contentDirectory } from '../../src/repository/catalog.ts';
import { readOffer } from '../../src/repository/client/offer.ts';
import { pruneRepository } from '../../src/repository/publisher/prune.ts';
import { readPublished } from '../../src/repository/publisher/published.ts';
import { writeCatalog } from '../../src/repository/publisher/write-catalog.ts';
import { readPublishingKeys, sha256Of } from '../../src/repository/signed-metadata.ts';
import { openSource } from '../../src/repository/source/open.ts';
import { type FakeRelease, Workshop } from '../support/repository.ts';

/* Repositories that grow: many releases, withdrawn releases, and files larger than a release needs. */

const day = 86_400_000;
const signal = new AbortController().signal;
const releases: FakeRelease[] = [];
let shop: Workshop;
let intact: string;

before(async () => {
  shop = await Workshop.open();
  intact = join(shop.directory, 'intact');
  for (const version of ['13.1', '13.2', '13.3']) {
    releases.push(await shop.release(version, [1, 2, 3, Number(version.at(-1)) * 10]));
    await shop.publish(releases.at(-1) as FakeRelease);
  }
  await cp(shop.repository, intact, { recursive: true });
});

after(() => shop.close());

async function freshly(): Promise<void> {
  for (const directory of [shop.repository, join(shop.directory, 'host')])
    await rm(directory, { recursive: true, force: true });
  await cp(intact, shop.repository, { recursive: true });
}

async function publishCatalog(change: (releases: readonly CatalogEntry[]) => CatalogEntry[]): Promise<void> {
  const { releases, version } = await readPublished(shop.repository);
  const publishing = await readPublishingKeys(shop.keys);
  await writeCatalog(shop.repository, change(releases), {
    ...{ keys: shop.keys, publishing, lastVersion: version },
  });
}

function prune(keep: number, days: number) {
  const now = new Date(Date.now() + days * day);
  return pruneRepository({ repository: shop.repository, keep, graceDays: 7, keys: shop.keys, now });
}

test('a check of 1000 releases takes less than half a second of processor time', async () => {
  await freshly();
  await publishCatalog((real) => [
    ...Array.from({ length: 997 }, (_, at): CatalogEntry => {
      const digest = sha256Of(Buffer.from(`${at}`)) as CatalogEntry['digest'];
      return { digest, version: `12.${at}`, content: { size: 300_000, sha256: digest } };
    }),
    ...real,
  ]);
  const source = await openSource(shop.repository);
  for (const _ of ['the first time', 'again']) {
    const before = process.cpuUsage();
    const offer = await readOffer(source, shop.trust(), signal);
    const { user, system } = process.cpuUsage(before);
    assert.equal(offer.manifest.version, '13.3');
    assert((user + system) / 1e6 < 0.5, `${(user + system) / 1e6} s`);
  }
});

test('prune withdraws releases at once, and removes their files when no host can be fetching them', async () => {
  await freshly();
  const source = await openSource(shop.repository);
  // a host that reads the offer just before
  const offer = await readOffer(source, shop.trust(), signal, '13.1');
  const first = await prune(1, 0);
  assert.deepEqual(
    first.withdrawn.map(({ version }) => version),
    ['13.1', '13.2'],
  );
  assert(first.pending > 0);
  await assert.rejects(readOffer(source, shop.trust(), signal, '13.1'), { code: 'repository.version' });
  assert.ok(await offer.read('content.json', (await entryOf(intact, '13.1')).content));
  assert.equal((await prune(1, 6)).freed, 0);
  await shop.publish(releases[2] as FakeRelease); // again
  const last = await prune(1, 15);
  assert.equal(last.pending, 0);
  assert(last.freed >= first.pending);
  assert.deepEqual(await readdir(join(shop.repository, 'content')), [(await entryOf(intact, '13.3')).digest]);
  assert.equal((await readdir(join(shop.repository, 'targets'))).length, 1);
  const metadata = (await readdir(join(shop.repository, 'metadata'))).sort();
  assert.match(metadata.join(' '), /^1\.root\.json \d+\.snapshot\.json \d+\.targets\.json timestamp\.json$/);
  await shop.fetch(source);
});

async function entryOf(repository: string, version: string): Promise<CatalogEntry> {
  const entry = (await readPublished(repository)).releases.find((each) => each.version === version);
  assert.ok(entry);
  return entry;
}

/** Publishes the newest release with frames that add up to more than it has. */
async function inflate(
  change: (content: ReturnType<typeof contentDescription.parse>) => void,
): Promise<void> {
  await freshly();
  const entry = await entryOf(shop.repository, '13.3');
  const source = await openSource(shop.repository);
  const offer = await readOffer(source, shop.trust(), signal);
  const content = contentDescription.parse(
    JSON.parse((await offer.read('content.json', entry.content)).toString()),
  );
  change(content);
  const bytes = Buffer.from(JSON.stringify(content));
  const sha256 = sha256Of(bytes) as CatalogEntry['digest'];
  const changed = { ...entry, content: { size: bytes.length, sha256 } };
  const place = join(shop.repository, contentDirectory(changed));
  await cp(join(shop.repository, contentDirectory(entry)), place, { recursive: true });
  await writeFile(join(place, 'content.json'), bytes);
  await publishCatalog((all) => all.map((each) => (each.version === '13.3' ? changed : each)));
}

test('refuses a pack or a block store larger than the release before fetching any of it', async () => {
  const large = { size: 16 * 1024 * 1024, sha256: sha256Of(Buffer.alloc(0)) as CatalogEntry['digest'] };
  await inflate(({ packs }) => {
    for (const pack of packs) pack.frames.push(...Array(20).fill(large));
  });
  const fetched = await shop.fetch(await openSource(shop.repository), [releases[1] as FakeRelease]);
  assert.equal(fetched.strategy, 'ranges');
  assert.match(fetched.detours.join(), /^pack: it is larger than the whole release/);
  await inflate(({ blocks }) => blocks.push(large));
  await assert.rejects(shop.fetch(await openSource(shop.repository)), {
    code: 'repository.malformed',
    why: /^it has .*, the release only/,
  });
});
