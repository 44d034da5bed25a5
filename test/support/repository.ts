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
import { type RepositoryTrust, readOffer } from '../../src/repository/client/offer.ts';
import type { OldRelease } from '../../src/repository/client/seeds.ts';
import { type Publication, publishRelease } from '../../src/repository/publisher/publish.ts';
import { initKeys } from '../../src/repository/root-metadata.ts';
import type { RepositorySource } from '../../src/repository/source/source.ts';
import { formatImage } from '../../src/verity/format.ts';
import { makeFakeRelease, signRelease } from './fake-release.ts';

export interface FakeRelease {
  readonly directory: string;
  readonly manifest: ReleaseManifest;
}

/** A publisher and a host in one directory. */
export class Workshop {
  readonly directory: string;
  readonly key: KeyPair;
  readonly keys: string;
  readonly repository: string;

  private constructor(directory: string, key: KeyPair) {
    this.directory = directory;
    this.key = key;
    this.keys = join(directory, 'keys');
    this.repository = join(directory, 'repository');
  }

  /** @param parent directory with enough free space. */
  static async open(parent = tmpdir()): Promise<Workshop> {
    const directory = await mkdtemp(join(parent, 'holdfast-repository-'));
    const workshop = new Workshop(directory, await keyPair(join(directory, 'release-keys'), 'release'));
    await initKeys({ directory: workshop.keys, rootKeys: workshop.keys }, 1, 1);
    return workshop;
  }

  /** Returns the workshop that another process opened. */
  static at(directory: string): Workshop {
    const key = join(directory, 'release-keys', 'release');
    const pair = { privateKey: join(key, 'private.pem'), certificate: join(key, 'certificate.pem') };
    return new Workshop(directory, pair);
  }

  async close(): Promise<void> {
    await rm(this.directory, { recursive: true });
  }

  /** Makes a release whose root consists of 4 KiB blocks; equal numbers give equal blocks. */
  release(
    version: string,
    blocks: readonly number[],
    changes: Partial<ReleaseManifest> = {},
  ): Promise<FakeRelease> {
    const data = Buffer.concat(blocks.map(noise));
    return this.releaseOf(version, (path) => writeFile(path, data), changes);
  }

  /** Makes a release whose root data, in whole blocks, is written by `writeRoot`. */
  async releaseOf(
    version: string,
    writeRoot: (path: string) => Promise<void>,
    changes: Partial<ReleaseManifest> = {},
  ): Promise<FakeRelease> {
    const directory = join(this.directory, `release-${version}`);
    const fake = await makeFakeRelease(directory, this.key, version);
    const path = join(directory, 'root.img');
    await writeRoot(path);
    const formatted = await formatImage(path, fake.root.uuid);
    const { size } = await stat(path);
    const digest = createHash('sha256');
    await pipeline(createReadStream(path), digest);
    const sha256 = digest.digest('hex') as ReleaseManifest['root']['sha256'];
    const root = { ...fake.root, ...formatted, size, sha256 };
    const manifest = { ...fake, version, root, ...changes };
    await signRelease(directory, manifest, this.key);
    return { directory, manifest };
  }

  publish(release: FakeRelease, from: readonly FakeRelease[] = [], keys = this.keys): Promise<Publication> {
    return publishRelease({
      release: release.directory,
      repository: this.repository,
      from: from.map(({ directory }) => directory),
      certificate: this.key.certificate,
      keys,
      progress: silent,
      signal: new AbortController().signal,
    });
  }

  trust(host = 'host'): RepositoryTrust {
    return {
      certificate: this.key.certificate,
      firstRoot: join(this.keys, 'root.json'),
      metadata: join(this.directory, host, 'metadata'),
      knownTime: 0,
    };
  }

  /** Fetches the newest release as a host that has the releases `old`. */
  async fetch(source: RepositorySource, old: readonly FakeRelease[] = [], host = 'host'): Promise<Fetched> {
    const signal = new AbortController().signal;
    const offer = await readOffer(source, this.trust(host), signal);
    const directory = join(this.directory, host, 'fetched');
    return withFetching(directory, () =>
      fetchRelease({
        ...{ source, offer, signal, directory, trust: this.trust(host), progress: silent },
        old: async () => old.map(oldRelease),
      }),
    );
  }
}

function oldRelease({ directory, manifest }: FakeRelease): OldRelease {
  const digest = createHash('sha256')
    .update(readFileSync(join(directory, 'release.json')))
    .digest('hex');
  return {
    digest: digest as OldRelease['digest'],
    manifest,
    parts: copiedFiles(manifest).map(({ name, size }) => ({ path: join(directory, name), offset: 0, size })),
  };
}

/** Returns an incompressible block; the same for the same number. */
function noise(number: number): Buffer {
  return Buffer.concat(
    Array.from({ length: 128 }, (_, at) => createHash('sha256').update(`${number} ${at}`).digest()),
  );
}

/** Handles a request in place of the server; returns false to leave it to the server. */
export type Misbehaviour = (path: string, response: ServerResponse, range: string | undefined) => boolean;

export interface WebServer {
  readonly address: string;
  /** Requested paths, with their ranges. */
  readonly requests: string[];
  misbehave: Misbehaviour;
  /** Whether range requests are supported. */
  ranges: boolean;
  close(): Promise<void>;
}

/** Serves a directory over HTTP. */
export async function serve(directory: string): Promise<WebServer> {
  const server = createServer((request, response) => {
    const path = decodeURIComponent((request.url ?? '').slice(1));
    const { range } = request.headers;
    web.requests.push(range === undefined ? path : `${path} ${range}`);
    if (web.misbehave(path, response, range)) return;
    let bytes: Buffer;
    try {
      bytes = readFileSync(join(directory, path));
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
