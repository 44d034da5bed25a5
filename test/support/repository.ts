import { createHash } from 'node:crypto';
import { createReadStream, readFileSync } from 'node:fs';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { silent } from '../../src/base/progress.ts';
import { type KeyPair, keyPair } from '../../src/release/keys.ts';
import type { ReleaseManifest } from '../../src/release/manifest.ts';
import { copiedFiles } from '../../src/repository/catalog.ts';
import { type Fetched, fetchRelease, withFetching } from '../../src/repository/client/fetch-release.ts';
import { readOffer, type Trust } from '../../src/repository/client/offer.ts';
import type { OldRelease } from '../../src/repository/client/seeds.ts';
import { type Publication, publishRelease } from '../../src/repository/publisher/publish.ts';
import { initKeys } from '../../src/repository/root-metadata.ts';
import type { Source } from '../../src/repository/source/source.ts';
import { formatImage } from '../../src/verity/format.ts';
import { makeFakeRelease, signRelease } from './fake-release.ts';

export interface FakeRelease {
  readonly folder: string;
  readonly manifest: ReleaseManifest;
}

/** A publisher and a host, both in one folder. */
export class Workshop {
  readonly folder: string;
  readonly key: KeyPair;
  readonly keys: string;
  readonly repository: string;

  private constructor(folder: string, key: KeyPair) {
    this.folder = folder;
    this.key = key;
    this.keys = join(folder, 'keys');
    this.repository = join(folder, 'repository');
  }

  /** @param parent where there is room for it. */
  static async open(parent = tmpdir()): Promise<Workshop> {
    const folder = await mkdtemp(join(parent, 'holdfast-repository-'));
    const workshop = new Workshop(folder, await keyPair(join(folder, 'release-keys'), 'release'));
    await initKeys({ folder: workshop.keys, rootKeys: workshop.keys }, 1, 1);
    return workshop;
  }

  /** One that another process opened. */
  static at(folder: string): Workshop {
    const key = join(folder, 'release-keys', 'release');
    const pair = { privateKey: join(key, 'private.pem'), certificate: join(key, 'certificate.pem') };
    return new Workshop(folder, pair);
  }

  async close(): Promise<void> {
    await rm(this.folder, { recursive: true });
  }

  /** A release whose root is made of 4 KiB blocks: equal numbers are equal blocks. */
  release(
    version: string,
    blocks: readonly number[],
    changes: Partial<ReleaseManifest> = {},
  ): Promise<FakeRelease> {
    const data = Buffer.concat(blocks.map(noise));
    return this.releaseOf(version, (path) => writeFile(path, data), changes);
  }

  /** A release whose root's data, whole blocks, is written by `writeRoot`. */
  async releaseOf(
    version: string,
    writeRoot: (path: string) => Promise<void>,
    changes: Partial<ReleaseManifest> = {},
  ): Promise<FakeRelease> {
    const folder = join(this.folder, `release-${version}`);
    const fake = await makeFakeRelease(folder, this.key, version);
    const path = join(folder, 'root.img');
    await writeRoot(path);
    const formatted = await formatImage(path, fake.root.uuid);
    const { size } = await stat(path);
    const digest = createHash('sha256');
    await pipeline(createReadStream(path), digest);
    const sha256 = digest.digest('hex') as ReleaseManifest['root']['sha256'];
    const root = { ...fake.root, ...formatted, size, sha256 };
    const manifest = { ...fake, version, root, ...changes };
    await signRelease(folder, manifest, this.key);
    return { folder, manifest };
  }

  publish(release: FakeRelease, from: readonly FakeRelease[] = [], keys = this.keys): Promise<Publication> {
    return publishRelease({
      release: release.folder,
      repository: this.repository,
      from: from.map(({ folder }) => folder),
      certificate: this.key.certificate,
      keys,
      progress: silent,
      signal: new AbortController().signal,
    });
  }

  trust(host = 'host'): Trust {
    return {
      certificate: this.key.certificate,
      firstRoot: join(this.keys, 'root.json'),
      metadata: join(this.folder, host, 'metadata'),
    };
  }

  /** Fetches the newest release to a host that has the releases `old`. */
  async fetch(source: Source, old: readonly FakeRelease[] = [], host = 'host'): Promise<Fetched> {
    const signal = new AbortController().signal;
    const offer = await readOffer(source, this.trust(host), signal);
    const folder = join(this.folder, host, 'fetched');
    return withFetching(folder, () =>
      fetchRelease({
        ...{ source, offer, signal, folder, trust: this.trust(host), progress: silent },
        old: async () => old.map(oldRelease),
      }),
    );
  }
}

function oldRelease({ folder, manifest }: FakeRelease): OldRelease {
  const digest = createHash('sha256')
    .update(readFileSync(join(folder, 'release.json')))
    .digest('hex');
  return {
    digest: digest as OldRelease['digest'],
    manifest,
    parts: copiedFiles(manifest).map(({ name, size }) => ({ path: join(folder, name), offset: 0, size })),
  };
}

/** A block that nothing makes smaller; the same for the same number. */
function noise(number: number): Buffer {
  return Buffer.concat(
    Array.from({ length: 128 }, (_, at) => createHash('sha256').update(`${number} ${at}`).digest()),
  );
}

/** Answers a request otherwise than a good server would; false: let the good one answer. */
export type Misbehaviour = (path: string, response: ServerResponse, range: string | undefined) => boolean;

export interface WebServer {
  readonly address: string;
  /** Paths asked for, with their ranges. */
  readonly requests: string[];
  misbehave: Misbehaviour;
  /** Whether range requests are answered. */
  ranges: boolean;
  close(): Promise<void>;
}

/** Serves a folder as a plain web server does. */
export async function serve(folder: string): Promise<WebServer> {
  const server = createServer((request, response) => {
    const path = decodeURIComponent((request.url ?? '').slice(1));
    const { range } = request.headers;
    web.requests.push(range === undefined ? path : `${path} ${range}`);
    if (web.misbehave(path, response, range)) return;
    let bytes: Buffer;
    try {
      bytes = readFileSync(join(folder, path));
    } catch {
      response.writeHead(404).end();
      return;
    }
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
    if (from === undefined || !web.ranges) {
      response.writeHead(200).end(bytes);
      return;
    }
    const [start, end] = [Number(from), Math.min(Number(to) + 1, bytes.length)];
    response
      .writeHead(206, { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` })
      .end(bytes.subarray(start, end));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const web: WebServer = {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    requests: [],
    misbehave: () => false,
    ranges: true,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return web;
}
