import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '../../src/base/errors.ts';
import { silent } from '../../src/base/progress.ts';
import { readOffer } from '../../src/repository/client/offer.ts';
import { bundleRelease } from '../../src/repository/publisher/bundle.ts';
import { readPublished } from '../../src/repository/publisher/published.ts';
import { initKeys, rotateKeys } from '../../src/repository/root-metadata.ts';
import { readPublishingKeys, signMetadata, type Target } from '../../src/repository/signed-metadata.ts';
import { httpSource } from '../../src/repository/source/http.ts';
import { openSource } from '../../src/repository/source/open.ts';
import { type FakeRelease, serve, type WebServer, Workshop } from '../support/repository.ts';

/** Patience of the host: little where a slow server is the point. */
const impatient = { silenceMs: 300, rate: 2000, windowMs: 200 };
const patient = { silenceMs: 30_000, rate: 1, windowMs: 60_000 };
let patience = patient;
const blocks = Array.from({ length: 600 }, (_, at) => at);
/** Ten blocks are new, everything behind them has moved. */
const newer = [
  ...blocks.slice(0, 100),
  ...Array.from({ length: 10 }, (_, at) => 1000 + at),
  ...blocks.slice(100),
];

let shop: Workshop;
let web: WebServer;
let first: FakeRelease;
let second: FakeRelease;
/** What the first holds, but never published: no pack begins at it. */
let stray: FakeRelease;
/** The repository as it was published, to start each test from. */
let sound: string;

before(async () => {
  shop = await Workshop.open();
  sound = join(shop.directory, 'sound');
  first = await shop.release('13.1.1', blocks);
  second = await shop.release('13.1.2', newer);
  stray = await shop.release('13.1.0', blocks);
  await shop.publish(first);
  await shop.publish(second);
  await cp(shop.repository, sound, { recursive: true });
  web = await serve(shop.repository);
});

after(async () => {
  await web.close();
  await shop.close();
});

/** Runs with the sound repository, a good server and a host that knows nothing, whatever was done before. */
async function anew(work: () => Promise<void>): Promise<void> {
  web.misbehave = () => false;
  web.ranges = true;
  patience = patient;
  web.requests.length = 0;
  await rm(shop.repository, { recursive: true, force: true });
  await cp(sound, shop.repository, { recursive: true });
  await rm(join(shop.directory, 'host'), { recursive: true, force: true });
  await work();
}

const source = () => httpSource(web.address, patience);

async function assertSame(directory: string, release: FakeRelease): Promise<void> {
  for (const name of await readdir(release.directory))
    assert(
      (await readFile(join(directory, name))).equals(await readFile(join(release.directory, name))),
      name,
    );
}

test('each road leads to the same release, byte for byte, and says why it was taken', async () => {
  await anew(async () => {
    const full = await shop.fetch(source());
    assert.equal(full.road, 'full');
    assert.match(full.detours.join(), /no older release/);
    await assertSame(full.release.directory, second);
    assert.equal((await shop.fetch(source())).road, 'present');
  });
  await anew(async () => {
    const ranges = await shop.fetch(source(), [stray]);
    assert.equal(ranges.road, 'ranges');
    assert.match(ranges.detours.join(), /^pack: none was published/);
    assert(ranges.received < 10 * 4096 + 8192, `${ranges.received} bytes for ten blocks`);
    await assertSame(ranges.release.directory, second);
  });
  await anew(async () => {
    const pack = await shop.fetch(source(), [stray, first]);
    assert.equal(pack.road, 'pack');
    assert.deepEqual(pack.detours, []);
    assert(pack.received < 10 * 4096 + 8192);
    await assertSame(pack.release.directory, second);
  });
  await anew(async () => {
    const { packs } = await shop.publish(second, [stray]);
    assert.equal(packs.length, 2);
    const pack = await shop.fetch(source(), [stray]);
    assert.equal(pack.road, 'pack');
    assert.equal(pack.received, packs[0]?.size);
    await assertSame(pack.release.directory, second);
  });
});

test('a release comes from a directory or a bundle as from a server', async () => {
  await anew(async () => {
    await assertSame(
      (await shop.fetch(await openSource(shop.repository), [first])).release.directory,
      second,
    );
  });
  await anew(async () => {
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
    assert.equal(fetched.road, 'ranges'); // a bundle holds no older release to make packs from
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

test('a pack that fails, and a server without ranges, are said and gone around', async () => {
  await anew(async () => {
    web.misbehave = (path, response) => {
      if (!path.includes('/from-')) return false;
      response.writeHead(404).end();
      return true;
    };
    const fetched = await shop.fetch(source(), [first]);
    assert.equal(fetched.road, 'ranges');
    assert.match(fetched.detours.join(), /^pack: .*lacks content\//);
  });
  await anew(async () => {
    web.ranges = false;
    // what the older releases in the repository lack comes first in the file: a server of whole files can give it
    assert.equal((await shop.fetch(source(), [stray])).road, 'ranges');
  });
  await anew(async () => {
    web.ranges = false;
    const other = await shop.release('13.0.9', [...blocks.slice(0, 300), ...blocks.slice(310)]);
    const fetched = await shop.fetch(source(), [other]);
    assert.equal(fetched.road, 'full');
    assert.match(fetched.detours.join('\n'), /ranges: .* serves whole files only/);
    await assertSame(fetched.release.directory, second);
  });
});

test('a damaged block of an old release is not used', () =>
  anew(async () => {
    const damaged = join(shop.directory, 'damaged');
    await cp(stray.directory, damaged, { recursive: true });
    const image = await readFile(join(damaged, 'root.img'));
    await writeFile(join(damaged, 'root.img'), image.fill(0, 5000, 5100));
    const fetched = await shop.fetch(source(), [{ ...stray, directory: damaged }]);
    assert.equal(fetched.road, 'ranges');
    await assertSame(fetched.release.directory, second);
  }));

test('a pack over a damaged old release is noticed before anything is used', () =>
  anew(async () => {
    const damaged = join(shop.directory, 'damaged-too');
    await cp(first.directory, damaged, { recursive: true });
    const image = await readFile(join(damaged, 'root.img'));
    await writeFile(join(damaged, 'root.img'), image.fill(0, 5000, 5100));
    const fetched = await shop.fetch(source(), [{ ...first, directory: damaged }]);
    assert.equal(fetched.road, 'ranges');
    assert.match(fetched.detours.join(), /^pack: the new release is not what was signed/);
    await assertSame(fetched.release.directory, second);
  }));

test('a transfer that is cut goes on behind the last whole part, in this run or the next', async () => {
  await anew(async () => {
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
    const starts = web.requests.filter((each) => each.includes('/blocks')).map((each) => each.split('=')[1]);
    assert(
      starts.slice(1).every((each) => !each?.startsWith('0-')),
      starts.join(' '),
    );
  });
  await anew(async () => {
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

/** Signs targets of our choice, as a publisher who makes mistakes, or whose online keys were stolen. */
async function publishTargets(
  change: (targets: readonly Target[]) => readonly Target[],
  now = new Date(),
): Promise<void> {
  const { targets, version } = await readPublished(shop.repository);
  const changed = change(targets);
  for (const { path, bytes } of changed) {
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const name = path.replace(/([^/]*)$/, `${sha256}.$1`);
    await writeFile(join(shop.repository, 'targets', name), bytes);
  }
  for (const { name, bytes } of signMetadata(changed, await readPublishingKeys(shop.keys), version, now))
    await writeFile(join(shop.repository, 'metadata', name), bytes);
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

/** Every way in which a repository can be bad, and what is said of it. */
const badRepositories: readonly {
  readonly name: string;
  readonly code: string;
  spoil(): Promise<void>;
}[] = [
  {
    name: 'its metadata has expired',
    code: 'repository.expired',
    spoil: () => publishTargets((targets) => targets, new Date('2025-01-01')),
  },
  {
    name: 'somebody else signed it',
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
    name: 'its new root is signed by new keys only',
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
    name: 'it offers what it offered before',
    code: 'repository.rollback',
    spoil: async () => {
      await publishTargets((targets) => targets);
      await shop.fetch(source(), [first]);
      await rm(shop.repository, { recursive: true });
      await cp(sound, shop.repository, { recursive: true });
    },
  },
  {
    name: 'the metadata of a role is that of another',
    code: 'repository.tampered',
    spoil: async () => cp(await metadataFile(/snapshot/), await metadataFile(/targets/)),
  },
  {
    name: 'its targets are mixed up',
    code: 'repository.mixed',
    spoil: async () => {
      const [one, other] = [await digestOf(first), await digestOf(second)];
      await publishTargets((targets) =>
        targets.map((target) => {
          const twin = targets.find(({ path }) => path === target.path.replace(other, one));
          return target.path.startsWith(other) && twin ? { ...twin, path: target.path } : target;
        }),
      );
    },
  },
  {
    name: 'a target was changed',
    code: 'repository.tampered',
    spoil: async () => {
      const directory = join(shop.repository, 'targets', await digestOf(second));
      const name = (await readdir(directory)).find((each) => each.endsWith('release.json'));
      await flip(join(directory, name ?? ''));
    },
  },
  {
    name: 'a target is missing',
    code: 'repository.missing',
    spoil: async () => rm(join(shop.repository, 'targets', await digestOf(second)), { recursive: true }),
  },
  {
    name: 'a block was changed',
    code: 'repository.tampered',
    spoil: async () => {
      const content = join(shop.repository, 'content', await digestOf(second));
      const [directory = ''] = await readdir(content);
      await flip(join(content, directory, 'blocks'));
    },
  },
  {
    name: 'its blocks end early',
    code: 'repository.cut',
    spoil: async () => {
      const content = join(shop.repository, 'content', await digestOf(second));
      const [directory = ''] = await readdir(content);
      await truncate(join(content, directory, 'blocks'), 1000);
    },
  },
  {
    name: 'its metadata makes no sense',
    code: 'repository.malformed',
    spoil: async () => writeFile(await metadataFile(/timestamp/), '{"signed": 1'),
  },
  {
    name: 'its metadata has no end',
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
    name: 'its server falls silent',
    code: 'repository.slow',
    spoil: async () => {
      patience = impatient;
      web.misbehave = (path, response) => {
        if (path.endsWith('/blocks')) response.writeHead(206, { 'content-range': 'bytes 0-9/9' }).write('x');
        return path.endsWith('/blocks');
      };
    },
  },
  {
    name: 'its server drips',
    code: 'repository.slow',
    spoil: async () => {
      patience = impatient;
      web.misbehave = (path, response) => {
        if (!path.endsWith('timestamp.json')) return false;
        const timer = setInterval(() => response.write('x'), 50);
        response.on('close', () => clearInterval(timer));
        return true;
      };
    },
  },
  {
    name: 'its server fails',
    code: 'repository.http',
    spoil: async () => {
      web.misbehave = (_path, response) => {
        response.writeHead(500).end();
        return true;
      };
    },
  },
  {
    name: 'its release is not signed by the release key',
    code: 'release.signature',
    spoil: async () => {
      const other = await digestOf(second);
      await publishTargets((targets) =>
        targets.map((target) =>
          target.path === `${other}/release.json.sig` ? { ...target, bytes: Buffer.alloc(384, 7) } : target,
        ),
      );
    },
  },
  {
    name: 'its release is of an epoch that this host has left',
    code: 'release.epoch',
    spoil: async () => {
      const past = await shop.release('13.1.9', newer, { epoch: 0 });
      await shop.publish(past);
    },
  },
];

for (const { name, code, spoil } of badRepositories) {
  test(`refused: ${name}`, () =>
    anew(async () => {
      await spoil();
      const isContent = /block|falls silent/.test(name);
      await assert.rejects(shop.fetch(source(), isContent ? [] : [first]), (error) => {
        assert.ok(error instanceof HoldfastError);
        assert.equal(error.code, code, error.stack);
        assert.ok(error.why && error.next, 'it is said why, and what to do');
        return true;
      });
      const left = await readdir(join(shop.directory, 'host', 'fetched')).catch(() => []);
      for (const directory of left.filter((each) => each !== '.lock' && code !== 'repository.rollback'))
        assert(!(await readdir(join(shop.directory, 'host', 'fetched', directory))).includes('release.json'));
    }));
}

test('a host without a root trusts no repository', () =>
  anew(async () => {
    const root = join(shop.keys, 'root.json');
    const kept = await readFile(root);
    await rm(root);
    try {
      await assert.rejects(shop.fetch(source()), { code: 'repository.untrusted' });
    } finally {
      await writeFile(root, kept);
    }
  }));

test('what is trusted never becomes older, also when two ask at the same time', () =>
  anew(async () => {
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

test('an older release is not published over a newer one', () =>
  anew(() => assert.rejects(shop.publish(first), { code: 'repository.downgrade' })));

test('hosts follow keys that are changed, and no longer trust the old ones', () =>
  anew(async () => {
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
    assert.equal((await shop.fetch(source(), [first])).road, 'present');
    await rm(shop.repository, { recursive: true });
    await shop.publish(second, [], stolen);
    await assert.rejects(shop.fetch(source(), [first]), { code: 'repository.signature' });
  }));
