import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import dns from 'node:dns';
import { once } from 'node:events';
import { cp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '../../src/base/errors.ts';
import { readOffer } from '../../src/repository/client/offer.ts';
import { readPublished } from '../../src/repository/publisher/published.ts';
import { writeCatalog } from '../../src/repository/publisher/write-catalog.ts';
import { rotateKeys } from '../../src/repository/root-metadata.ts';
import { readPublishingKeys } from '../../src/repository/signed-metadata.ts';
import { openSource, sourcePath } from '../../src/repository/source/open.ts';
import { shownSource } from '../../src/repository/source/shown-source.ts';
import { Workshop } from '../support/repository.ts';

/* What is between a host and a repository: addresses, servers, caches, clocks. */

const signal = new AbortController().signal;
let shop: Workshop;

before(async () => {
  shop = await Workshop.open();
  await shop.publish(await shop.release('13.1', [1, 2, 3]));
});

after(() => shop.close());

/** Runs `work` with a server. @param answer answers in place of the repository; returns false to leave it to that. */
async function serving(
  answer: (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>,
  work: (address: string) => Promise<void>,
): Promise<void> {
  const listener: RequestListener = async (request, response) => {
    if (await answer(request, response)) return;
    const { pathname } = new URL(request.url ?? '', 'http://any');
    await readFile(join(shop.repository, pathname)).then(
      (bytes) => response.end(bytes),
      () => response.writeHead(404).end(),
    );
  };
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await work(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

async function offerFrom(address: string): Promise<string> {
  const source = await openSource(address);
  return (await readOffer(source, shop.trust(), signal)).manifest.version;
}

/** Returns the error of a failed attempt, of which nothing has a secret. */
async function errorFrom(address: string): Promise<HoldfastError> {
  const error = await offerFrom(address).catch((thrown: unknown) => thrown);
  assert.ok(error instanceof HoldfastError, String(error));
  const printed = [error.message, error.why, error.next, error.stack].join('\n');
  assert.doesNotMatch(printed, /secret|s3cret/);
  assert.ok(error.why, 'there is a reason');
  return error;
}

test('user, password and query of an address are sent with every request, and never printed', async () => {
  const requests: string[] = [];
  const expected = `Basic ${Buffer.from('me:s3cret/@ä').toString('base64')}`;
  await serving(
    ({ url = '', headers }, response) => {
      requests.push(url);
      const isAllowed = headers.authorization === expected && url.endsWith('?key=secret');
      if (!isAllowed) response.writeHead(401).end();
      return !isAllowed;
    },
    async (host) => {
      const address = `HTTP://me:s3cret%2F%40%C3%A4@${host}?key=secret`;
      assert.equal(await offerFrom(address), '13.1');
      assert(requests.length > 4);
      assert.equal(shownSource(address), `http://${host}/?…`);
      assert.equal(await sourcePath(address), address);
      assert.equal((await errorFrom(`http://me:s3cret@${host}/`)).code, 'repository.denied');
    },
  );
  assert.equal((await errorFrom('http://me:s3cret@127.0.0.1:2/?key=secret')).code, 'repository.unreachable');
  for (const address of ['http://me:s3cret/x@host/', 'https://me:s3cret@host:99999/?key=secret'])
    assert.equal((await errorFrom(address)).code, 'repository.source');
});

test('each wrong answer of a server has a reason of its own', async () => {
  const cases: readonly (readonly [string, RegExp, number, string?])[] = [
    ['repository.absent', /timestamp/, 404],
    ['repository.absent', /timestamp/, 410],
    ['repository.denied', /timestamp/, 403],
    ['repository.proxy', /./, 407],
    ['repository.http', /timestamp/, 503],
    ['repository.page', /root/, 200, '\n<!DOCTYPE html><title>Log in</title>'],
  ];
  for (const [code, pattern, status, body] of cases) {
    await serving(
      ({ url = '' }, response) => {
        if (pattern.test(url)) response.writeHead(status).end(body);
        return pattern.test(url);
      },
      async (host) => assert.equal((await errorFrom(`http://${host}/`)).code, code, String(status)),
    );
  }
  for (const status of [401, 403, 410]) {
    await serving(
      ({ url = '' }, response) => {
        if (url.includes('root')) response.writeHead(status).end();
        return url.includes('root');
      },
      async (host) => assert.equal(await offerFrom(`http://${host}/`), '13.1', String(status)),
    );
  }
  const { why = '' } = await errorFrom('http://localhost:2/');
  assert.match(why, /ECONNREFUSED 127\.0\.0\.1:2/);
});

test('asks once more past a stale cache before it rejects a repository', async () => {
  const old = join(shop.directory, 'old');
  await cp(shop.repository, old, { recursive: true });
  const { releases, version } = await readPublished(shop.repository);
  const publishing = await readPublishingKeys(shop.keys);
  await writeCatalog(shop.repository, releases, { keys: shop.keys, publishing, lastVersion: version });
  await offerFrom(shop.repository);
  for (const isHeeded of [true, false]) {
    await serving(
      async ({ url = '', headers }, response) => {
        if (!url.includes('timestamp') || (isHeeded && headers['cache-control'] === 'no-cache')) return false;
        response.end(await readFile(join(old, 'metadata', 'timestamp.json')));
        return true;
      },
      async (host) => {
        if (isHeeded) return assert.equal(await offerFrom(`http://${host}/`), '13.1');
        const error = await errorFrom(`http://${host}/`);
        assert.equal(error.code, 'repository.rollback');
        assert.match(error.next ?? '', /cache/);
      },
    );
  }
});

test('connects to a server that needs a second to answer, when its other address fails at once', async (context) => {
  const addresses = [
    { address: '127.0.0.1', family: 4 },
    { address: '2001:db8::1', family: 6 },
  ];
  context.mock.method(
    dns,
    'lookup',
    (_host: string, _options: unknown, answer: (...values: unknown[]) => void) => answer(null, addresses),
  );
  // a listener that is stopped: its queue fills up, and the kernel drops further attempts
  const script = `require('net').createServer((c) => c.end('HTTP/1.1 404 Not Found\\r\\ncontent-length: 0\\r\\nconnection: close\\r\\n\\r\\n'))
    .listen({ port: 0, host: '127.0.0.1', backlog: 1 }, function () { console.log(this.address().port); })`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const waiting: Socket[] = [];
  try {
    const [port] = await once(child.stdout, 'data');
    child.kill('SIGSTOP');
    await sleep(50);
    for (let count = 0; count < 4; count++)
      waiting.push(connect({ port: Number(port), host: '127.0.0.1' }).on('error', () => {}));
    await sleep(50);
    const attempt = errorFrom(`http://both.invalid:${Number(port)}/`);
    await sleep(400);
    for (const socket of waiting) socket.destroy();
    child.kill('SIGCONT');
    assert.equal((await attempt).code, 'repository.absent');
  } finally {
    for (const socket of waiting) socket.destroy();
    child.kill('SIGKILL');
  }
});

test('needs no directory for temporary files', async () => {
  const before = process.env.TMPDIR;
  process.env.TMPDIR = join(shop.directory, 'nothing');
  try {
    assert.equal(await offerFrom(shop.repository), '13.1');
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  }
});

test('names a clock before the time at which the repository was signed or a release built', async () => {
  const intact = join(shop.directory, 'intact');
  await cp(shop.repository, intact, { recursive: true });
  const { releases, version } = await readPublished(shop.repository);
  const publishing = await readPublishingKeys(shop.keys);
  const now = new Date(Date.now() + 3 * 86_400_000);
  await writeCatalog(shop.repository, releases, { keys: shop.keys, publishing, lastVersion: version, now });
  assert.equal((await errorFrom(shop.repository)).code, 'repository.clock');
  const trust = { ...shop.trust(), knownTime: now.getTime() / 1000 };
  await assert.rejects(readOffer(await openSource(shop.repository), trust, signal), {
    code: 'repository.clock',
    why: /a release on this host was built at/,
  });
  await rm(shop.repository, { recursive: true });
  await rm(join(shop.directory, 'host'), { recursive: true });
  await cp(intact, shop.repository, { recursive: true });
});

test('follows more than 256 versions of root metadata at once', async () => {
  await offerFrom(shop.repository);
  const keys = { directory: shop.keys, rootKeys: shop.keys };
  for (let count = 0; count < 257; count++) await rotateKeys(keys, []);
  await rotateKeys(keys, ['timestamp']);
  const { releases, version } = await readPublished(shop.repository);
  const publishing = await readPublishingKeys(shop.keys);
  await writeCatalog(shop.repository, releases, { keys: shop.keys, publishing, lastVersion: version });
  assert.equal(
    (await readdir(join(shop.repository, 'metadata'))).filter((name) => /root/.test(name)).length,
    259,
  );
  assert.equal(await offerFrom(shop.repository), '13.1');
});
