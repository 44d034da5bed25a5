import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '../../src/base/errors.ts';
import { run } from '../../src/base/process.ts';
import { silent } from '../../src/base/progress.ts';
import { type CatalogEntry, contentDirectory } from '../../src/repository/catalog.ts';
import { readOffer } from '../../src/repository/client/offer.ts';
import { bundleRelease } from '../../src/repository/publisher/bundle.ts';
import { readPublished } from '../../src/repository/publisher/published.ts';
import { writeCatalog } from '../../src/repository/publisher/write-catalog.ts';
import { initKeys, rotateKeys } from '../../src/repository/root-metadata.ts';
import { readPublishingKeys } from '../../src/repository/signed-metadata.ts';
import { httpSource } from '../../src/repository/source/http.ts';
import { openSource } from '../../src/repository/source/open.ts';
import { type FakeRelease, serve, type WebServer, Workshop } from '../support/repository.ts';

/** Time limits of the host; short ones for the tests of slow servers. */
const shortLimits = { silenceMs: 300, rate: 2000, windowMs: 200 };
const longLimits = { silenceMs: 30_000, rate: 1, windowMs: 60_000 };
let limits = longLimits;
const blocks = Array.from({ length: 600 }, (_, at) => at);
/** Ten new blocks, after which everything has moved. */
const newer = [
  ...blocks.slice(0, 100),
  ...Array.from({ length: 10 }, (_, at) => 1000 + at),
  ...blocks.slice(100),
];

let shop: Workshop;
let web: WebServer;
let first: FakeRelease;
let second: FakeRelease;
/** The content of the first release, but never published, so there is no pack from it. */
let stray: FakeRelease;
/** The repository as it was published, from which each test starts. */
let intact: string;

before(async () => {
  shop = await Workshop.open();
  intact = join(shop.directory, 'intact');
  first = await shop.release('13.1.1', blocks);
  second = await shop.release('13.1.2', newer);
  stray = await shop.release('13.1.0', blocks);
  await shop.publish(first);
  await shop.publish(second);
  await cp(shop.repository, intact, { recursive: true });
  web = await serve(shop.repository);
});

after(async () => {
  await web.close();
  await shop.close();
});

/** Runs `work` with the intact repository, a well-behaved server and a host without metadata. */
async function freshly(work: () => Promise<void>): Promise<void> {
  web.misbehave = () => false;
  web.ranges = true;
  limits = longLimits;
  web.requests.length = 0;
  await rm(shop.repository, { recursive: true, force: true });
  await cp(intact, shop.repository, { recursive: true });
  await rm(join(shop.directory, 'host'), { recursive: true, force: true });
  await work();
}

const source = () => httpSource(web.address, limits);

async function assertSame(directory: string, release: FakeRelease): Promise<void> {
  for (const name of await readdir(release.directory))
    assert(
      (await readFile(join(directory, name))).equals(await readFile(join(release.directory, name))),
      name,
    );
}

test('each strategy yields the same release byte for byte, and reports why others were not used', async () => {
  await freshly(async () => {
    const full = await shop.fetch(source());
    assert.equal(full.strategy, 'full');
    assert.match(full.detours.join(), /no older release/);
    await assertSame(full.release.directory, second);
    assert.equal((await shop.fetch(source())).strategy, 'present');
  });
  await freshly(async () => {
    const ranges = await shop.fetch(source(), [stray]);
    assert.equal(ranges.strategy, 'ranges');
    assert.match(ranges.detours.join(), /^pack: none was published/);
    assert(ranges.received < 10 * 4096 + 8192, `${ranges.received} bytes for ten blocks`);
    await assertSame(ranges.release.directory, second);
  });
  await freshly(async () => {
    const pack = await shop.fetch(source(), [stray, first]);
    assert.equal(pack.strategy, 'pack');
    assert.deepEqual(pack.detours, []);
    assert(pack.received < 10 * 4096 + 8192);
    await assertSame(pack.release.directory, second);
  });
  await freshly(async () => {
    const { packs } = await shop.publish(second, [stray]);
    assert.equal(packs.length, 2);
    const pack = await shop.fetch(source(), [stray]);
    assert.equal(pack.strategy, 'pack');
    assert.equal(pack.received, packs[0]?.size);
    await assertSame(pack.release.directory, second);
  });
});

test('fetches a release from a directory and from a bundle', async () => {
  await freshly(async () => {
    await assertSame(
      (await shop.fetch(await openSource(shop.repository), [first])).release.directory,
      second,
    );
  });
  await freshly(async () => {
    const bundle = join(shop.directory, 'release.holdfast');
    await bundleRelease(
      {
        ...{ release: second.directory, from: [], certificate: shop.key.certificate, keys: shop.keys },
        ...{ progress: silent, signal: new AbortController().signal },
      },
      bundle,
    );
    const opened = await openSource(bundle);
    const fetched = await shop.fetch(opened, [first]);
    assert.equal(fetched.strategy, 'ranges'); // a bundle has no older release to make packs from
    await assertSame(fetched.release.directory, second);
    await opened.close();
    await truncate(bundle, 100_000);
    await assert.rejects(openSource(bundle), { code: 'repository.bundle' });
    await assert.rejects(openSource(join(shop.directory, 'nothing')), {
      code: 'repository.source',
      exitCode: 2,
    });
  });
});

test('reports a failed pack or a server without ranges, and uses the next strategy', async () => {
  await freshly(async () => {
    web.misbehave = (path, response) => {
      if (!path.includes('/from-')) return false;
      response.writeHead(404).end();
      return true;
    };
    const fetched = await shop.fetch(source(), [first]);
    assert.equal(fetched.strategy, 'ranges');
    assert.match(fetched.detours.join(), /^pack: .*lacks content\//);
  });
  await freshly(async () => {
    web.ranges = false;
    // blocks that no older release has are first in the file: a server without range requests can send them
    assert.equal((await shop.fetch(source(), [stray])).strategy, 'ranges');
  });
  await freshly(async () => {
    web.ranges = false;
    const other = await shop.release('13.0.9', [...blocks.slice(0, 300), ...blocks.slice(310)]);
    const fetched = await shop.fetch(source(), [other]);
    assert.equal(fetched.strategy, 'full');
    assert.match(fetched.detours.join('\n'), /ranges: .* serves whole files only/);
    await assertSame(fetched.release.directory, second);
  });
});

test('does not use a damaged block of an old release', () =>
  freshly(async () => {
    const damaged = join(shop.directory, 'damaged');
    await cp(stray.directory, damaged, { recursive: true });
    const image = await readFile(join(damaged, 'root.img'));
    await writeFile(join(damaged, 'root.img'), image.fill(0, 5000, 5100));
    const fetched = await shop.fetch(source(), [{ ...stray, directory: damaged }]);
    assert.equal(fetched.strategy, 'ranges');
    await assertSame(fetched.release.directory, second);
  }));

test('detects a pack applied to a damaged old release, and uses the next strategy', () =>
  freshly(async () => {
    const damaged = join(shop.directory, 'damaged-too');
    await cp(first.directory, damaged, { recursive: true });
    const image = await readFile(join(damaged, 'root.img'));
    await writeFile(join(damaged, 'root.img'), image.fill(0, 5000, 5100));
    const fetched = await shop.fetch(source(), [{ ...first, directory: damaged }]);
    assert.equal(fetched.strategy, 'ranges');
    assert.match(fetched.detours.join(), /^pack: the assembled release differs from what was signed/);
    await assertSame(fetched.release.directory, second);
  }));

test('an interrupted transfer resumes behind the last complete frame, in the same run or the next', async () => {
  await freshly(async () => {
    let cuts = 0;
    web.misbehave = (path, response, range) => {
      if (!path.endsWith('/blocks') || cuts === 2) return false;
      cuts += 1;
      const start = Number(/^bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0);
      readFile(join(shop.repository, path)).then((bytes) => {
        response.writeHead(206, { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` });
        // a frame and a half
        response.write(bytes.subarray(start, start + 1_600_000), () => response.destroy());
      });
      return true;
    };
    const fetched = await shop.fetch(source());
    assert.equal(cuts, 2);
    await assertSame(fetched.release.directory, second);
    const starts = web.requests
      .filter((each) => each.includes('/blocks bytes'))
      .map((each) => each.split('=')[1]);
    assert(
      starts.slice(1).every((each) => !each?.startsWith('0-')),
      starts.join(' '),
    );
  });
  await freshly(async () => {
    web.misbehave = (path, response) => {
      if (!path.endsWith('/blocks')) return false;
      readFile(join(shop.repository, path)).then((bytes) => {
        response.writeHead(206, { 'content-range': `bytes 0-${bytes.length - 1}/${bytes.length}` });
        response.write(bytes.subarray(0, 1_600_000), () => response.destroy());
      });
      return true;
    };
    await assert.rejects(shop.fetch(source()), { code: /^repository\.(unreachable|cut|no-ranges)$/ });
    web.misbehave = () => false;
    const { received } = await shop.fetch(source());
    const { size } = await import('node:fs').then(({ statSync }) =>
      statSync(join(second.directory, 'root.img')),
    );
    assert(received < size - 1_000_000, `${received} bytes came again`);
  });
});

/** Signs an arbitrary catalog, as a publisher by mistake, or an attacker with the online keys. */
async function publishCatalog(
  change: (releases: readonly CatalogEntry[]) => CatalogEntry[] = (releases) => [...releases],
  now = new Date(),
): Promise<void> {
  const { releases, version } = await readPublished(shop.repository);
  const publishing = await readPublishingKeys(shop.keys);
  await writeCatalog(shop.repository, change(releases), {
    ...{ keys: shop.keys, publishing, lastVersion: version, now },
  });
}

/** Returns the directory of a published release. */
async function placeOf(release: FakeRelease): Promise<string> {
  const content = join(shop.repository, 'content', await digestOf(release));
  const [directory = ''] = await readdir(content);
  return join(content, directory);
}

async function metadataFile(pattern: RegExp): Promise<string> {
  const names = await readdir(join(shop.repository, 'metadata'));
  return join(
    shop.repository,
    'metadata',
    names
      .filter((name) => pattern.test(name))
      .sort()
      .at(-1) ?? '',
  );
}

async function flip(path: string): Promise<void> {
  const bytes = await readFile(path);
  const middle = Math.floor(bytes.length / 2);
  bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle);
  await writeFile(path, bytes);
}

const digestOf = async ({ directory }: FakeRelease) =>
  createHash('sha256')
    .update(await readFile(join(directory, 'release.json')))
    .digest('hex');

/** Every way in which a repository can be invalid, and the code of the error. */
const badRepositories: readonly {
  readonly name: string;
  readonly code: string;
  spoil(): Promise<void>;
}[] = [
  {
    name: 'whose metadata has expired',
    code: 'repository.expired',
    spoil: () => publishCatalog(undefined, new Date('2025-01-01')),
  },
  {
    name: 'signed by another publisher',
    code: 'repository.signature',
    spoil: async () => {
      const keys = join(shop.directory, 'stranger');
      await rm(keys, { recursive: true, force: true });
      await initKeys({ directory: keys, rootKeys: keys }, 1, 1);
      await rm(shop.repository, { recursive: true });
      await shop.publish(second, [], keys);
    },
  },
  {
    name: 'whose new root is signed by new keys only',
    code: 'repository.signature',
    spoil: async () => {
      const keys = join(shop.directory, 'thief');
      await rm(keys, { recursive: true, force: true });
      await initKeys({ directory: keys, rootKeys: keys }, 1, 1);
      await rotateKeys({ directory: keys, rootKeys: keys }, ['root']);
      await cp(join(keys, 'metadata/2.root.json'), join(shop.repository, 'metadata/2.root.json'));
    },
  },
  {
    name: 'that was rolled back',
    code: 'repository.rollback',
    spoil: async () => {
      await publishCatalog();
      await shop.fetch(source(), [first]);
      await rm(shop.repository, { recursive: true });
      await cp(intact, shop.repository, { recursive: true });
    },
  },
  {
    name: 'with the metadata of another role',
    code: 'repository.tampered',
    spoil: async () => cp(await metadataFile(/targets/), await metadataFile(/snapshot/)),
  },
  {
    name: 'that lists a release with the files of another',
    code: 'repository.tampered',
    spoil: async () => {
      const { releases } = await readPublished(shop.repository);
      const [one, other] = releases as [CatalogEntry, CatalogEntry];
      const mixed = { ...other, content: one.content };
      await cp(join(shop.repository, contentDirectory(one)), join(shop.repository, contentDirectory(mixed)), {
        recursive: true,
      });
      await publishCatalog(() => [one, mixed]);
    },
  },
  ...(['release.json', 'content.json', 'packages.json'] as const).map((file) => ({
    name: `with a changed ${file}`,
    code: 'repository.tampered',
    spoil: async () => flip(join(await placeOf(second), file)),
  })),
  {
    name: 'with a missing release',
    code: 'repository.missing',
    spoil: async () => rm(await placeOf(second), { recursive: true }),
  },
  {
    name: 'with a changed block',
    code: 'repository.tampered',
    spoil: async () => flip(join(await placeOf(second), 'blocks')),
  },
  {
    name: 'with a truncated block store',
    code: 'repository.cut',
    spoil: async () => truncate(join(await placeOf(second), 'blocks'), 1000),
  },
  {
    name: 'with malformed metadata',
    code: 'repository.malformed',
    spoil: async () => writeFile(await metadataFile(/timestamp/), '{"signed": 1'),
  },
  {
    name: 'with endless metadata',
    code: 'repository.too-large',
    spoil: async () => {
      web.misbehave = (path, response) => {
        if (!path.endsWith('timestamp.json')) return false;
        const write = () => response.write(Buffer.alloc(65_536), (error) => error ?? setImmediate(write));
        write();
        return true;
      };
    },
  },
  {
    name: 'whose server stops sending',
    code: 'repository.slow',
    spoil: async () => {
      limits = shortLimits;
      web.misbehave = (path, response) => {
        if (path.endsWith('/blocks')) response.writeHead(206, { 'content-range': 'bytes 0-9/9' }).write('x');
        return path.endsWith('/blocks');
      };
    },
  },
  {
    name: 'whose server sends too slowly',
    code: 'repository.slow',
    spoil: async () => {
      limits = shortLimits;
      web.misbehave = (path, response) => {
        if (!path.endsWith('timestamp.json')) return false;
        const timer = setInterval(() => response.write('x'), 50);
        response.on('close', () => clearInterval(timer));
        return true;
      };
    },
  },
  {
    name: 'whose server returns an HTTP error',
    code: 'repository.http',
    spoil: async () => {
      web.misbehave = (_path, response) => {
        response.writeHead(500).end();
        return true;
      };
    },
  },
  {
    name: 'with a release that the release key did not sign',
    code: 'release.signature',
    spoil: async () => writeFile(join(await placeOf(second), 'release.json.sig'), Buffer.alloc(384, 7)),
  },
  {
    name: 'with a release of an older epoch',
    code: 'release.epoch',
    spoil: async () => {
      const past = await shop.release('13.1.9', newer, { epoch: 0 });
      await shop.publish(past);
    },
  },
];

for (const { name, code, spoil } of badRepositories) {
  test(`rejects a repository ${name}`, () =>
    freshly(async () => {
      await spoil();
      const isContent = /block|stops sending/.test(name);
      await assert.rejects(shop.fetch(source(), isContent ? [] : [first]), (error) => {
        assert.ok(error instanceof HoldfastError);
        assert.equal(error.code, code, error.stack);
        assert.ok(error.why && error.next, 'the error has a reason and a remedy');
        return true;
      });
      const left = await readdir(join(shop.directory, 'host', 'fetched')).catch(() => []);
      for (const directory of left.filter((each) => each !== '.lock' && code !== 'repository.rollback'))
        assert(!(await readdir(join(shop.directory, 'host', 'fetched', directory))).includes('release.json'));
    }));
}

test('a host without root metadata trusts no repository', () =>
  freshly(async () => {
    const root = join(shop.keys, 'root.json');
    const kept = await readFile(root);
    await rm(root);
    try {
      await assert.rejects(shop.fetch(source()), { code: 'repository.untrusted' });
    } finally {
      await writeFile(root, kept);
    }
  }));

test('names damaged root metadata of this host, and the way out', () =>
  freshly(async () => {
    await shop.fetch(source(), [first]);
    const trusted = join(shop.trust().metadata, 'root.json');
    const kept = await readFile(trusted, 'utf8');
    const [, version = ''] = /"version":(\d+)/.exec(kept) ?? [];
    for (const damaged of ['', kept.slice(0, 100), kept.replace(`"version":${version}`, '"version":7')]) {
      await writeFile(trusted, damaged);
      await assert.rejects(shop.fetch(source(), [first]), (error) => {
        assert.ok(error instanceof HoldfastError);
        assert.equal(error.code, 'repository.trust');
        assert.ok(error.why?.includes(trusted));
        return true;
      });
    }
    await rm(trusted);
    await shop.fetch(source(), [first]);
  }));

test('takes root metadata of at most 64 kB, which no signature protects yet', () =>
  freshly(async () => {
    await shop.fetch(source(), [first]);
    const root = JSON.parse(await readFile(await metadataFile(/^\d+\.root\.json$/), 'utf8'));
    const [key] = Object.values(root.signed.keys);
    for (let count = 0; count < 11_000; count++)
      root.signed.keys[createHash('sha256').update(`${count}`).digest('hex')] = key;
    const next = root.signed.version + 1;
    root.signed.version = next;
    await writeFile(join(shop.repository, 'metadata', `${next}.root.json`), JSON.stringify(root));
    await assert.rejects(shop.fetch(source(), [first]), { code: 'repository.too-large' });
  }));

test('refuses anything else in place of a file at once, and names an address without a repository', () =>
  freshly(async () => {
    const signal = new AbortController().signal;
    const timestamp = join(shop.repository, 'metadata', 'timestamp.json');
    await rm(timestamp);
    for (const make of [
      () => run('mkfifo', [timestamp]),
      () => mkdir(timestamp),
      () => symlink('/dev/zero', timestamp),
    ]) {
      await make();
      const opened = await openSource(shop.repository);
      await assert.rejects(readOffer(opened, shop.trust(), signal), { code: 'file.special' });
      await rm(timestamp, { recursive: true });
    }
    for (const each of [await openSource(shop.repository), source()])
      await assert.rejects(readOffer(each, shop.trust(), signal), { code: 'repository.absent' });
  }));

test('refuses a bundle with more entries than one has, of whatever kind', () =>
  freshly(async () => {
    const header = Buffer.alloc(512);
    header.write('same');
    header.write('00000000000', 124);
    header.write('5', 156);
    header.write('ustar', 257);
    const path = join(shop.directory, 'many.tar');
    await writeFile(path, Buffer.concat([...Array(200_000).fill(header), Buffer.alloc(1024)]));
    await assert.rejects(openSource(path), { code: 'repository.bundle', why: /too many entries/ });
    await rm(path);
  }));

test('concurrent updates never replace trusted metadata with older metadata', () =>
  freshly(async () => {
    const old = join(shop.directory, 'old');
    await cp(shop.repository, old, { recursive: true });
    await shop.publish(second); // again: a newer timestamp
    const slow = await openSource(old);
    const asked = Promise.withResolvers<void>();
    const late: typeof slow = {
      ...slow,
      read: async (path, ...rest) => {
        const answer = await slow.read(path, ...rest);
        asked.resolve();
        await sleep(300);
        return answer;
      },
    };
    const signal = new AbortController().signal;
    const trust = shop.trust();
    const first = readOffer(late, trust, signal);
    await asked.promise;
    await Promise.all([first, readOffer(source(), trust, signal)]);
    await assert.rejects(readOffer(slow, trust, signal), { code: 'repository.rollback' });
  }));

test('rejects publishing an older release than the newest', () =>
  freshly(() => assert.rejects(shop.publish(first), { code: 'repository.downgrade' })));

test('hosts follow a key rotation and no longer trust the old keys', () =>
  freshly(async () => {
    await shop.fetch(source(), [first]);
    const stolen = join(shop.directory, 'stolen');
    await cp(shop.keys, stolen, { recursive: true });
    await rotateKeys({ directory: shop.keys, rootKeys: shop.keys }, [
      'root',
      'targets',
      'snapshot',
      'timestamp',
    ]);
    await shop.publish(second);
    assert.equal((await shop.fetch(source(), [first])).strategy, 'present');
    await rm(shop.repository, { recursive: true });
    await shop.publish(second, [], stolen);
    await assert.rejects(shop.fetch(source(), [first]), { code: 'repository.signature' });
  }));
