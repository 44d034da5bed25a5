import { setDefaultAutoSelectFamilyAttemptTimeout } from 'node:net';
import { describe, HoldfastError } from '../../base/errors.ts';
import { debug } from '../../base/log.ts';
import { sourceErrors } from './errors.ts';
import { shownSource } from './shown-source.ts';
import type { ByteRange, RepositorySource } from './source.ts';

/** Time within which a server must respond, and send the next data. */
const silenceLimitMs = 30_000;

/**
 * Lowest accepted rate over the window below. A slower server could hold up an update indefinitely.
 */
const slowestRate = 1024;
const rateWindowMs = 60_000;

/** Time limits for a server. Tests use shorter ones. */
export interface HttpLimits {
  readonly silenceMs: number;
  /** Bytes per second, measured over `windowMs`. */
  readonly rate: number;
  readonly windowMs: number;
}

const defaultLimits: HttpLimits = { silenceMs: silenceLimitMs, rate: slowestRate, windowMs: rateWindowMs };

/**
 * Time for connecting to one address of a server before the next one is tried. Node's 250 ms are
 * less than a satellite link needs, and with them it gives up the address that would have answered.
 */
const connectMs = 5000;

/** A web server with a repository. */
interface Server {
  /** For errors, without secrets. */
  readonly address: string;
  /** Of the repository, without user and password. */
  readonly base: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly limits: HttpLimits;
}

/** An answered request, whose body is not read yet. */
interface Answer {
  readonly response: Response;
  readonly watch: ReturnType<typeof watchSilence>;
}

/**
 * Opens a repository on a web server. Any server for static files works; with range requests,
 * updates are small.
 * @param address may have a user and password, sent as Basic (RFC 7617), and a query, which is sent
 *   with every request.
 */
export function httpSource(address: string, limits = defaultLimits): RepositorySource {
  setDefaultAutoSelectFamilyAttemptTimeout(connectMs);
  const base = new URL(address);
  const { username, password } = base;
  base.username = '';
  base.password = '';
  base.hash = '';
  if (!base.pathname.endsWith('/')) base.pathname += '/';
  const credentials = Buffer.from(`${decoded(username)}:${decoded(password)}`).toString('base64');
  const server: Server = {
    address: shownSource(address),
    ...{ base, limits },
    headers: username || password ? { authorization: `Basic ${credentials}` } : {},
  };
  const uncached = { ...server.headers, 'cache-control': 'no-cache', pragma: 'no-cache' };
  return { ...sourceOf(server), uncached: sourceOf({ ...server, headers: uncached }) };
}

/** Decodes a part of an address; returns it unchanged when it is not encoded. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function sourceOf(server: Server): RepositorySource {
  return {
    name: server.address,
    read: (path, maximum, signal) => readWhole(server, path, maximum, signal),
    readRange: (path, range, signal) => streamRange(server, path, range, signal),
    close: async () => {},
  };
}

async function readWhole(
  server: Server,
  path: string,
  maximum: number,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  const answer = await request(server, path, {}, signal);
  const { status } = answer.response;
  if (status !== 200) {
    await discard(answer);
    if (isMissing(status)) return undefined;
    throw statusError(server, path, status);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of receive(server, path, answer, signal)) {
    size += chunk.length;
    if (size > maximum) throw sourceErrors.tooLarge(server.address, path, maximum);
    chunks.push(chunk);
  }
  const bytes = Buffer.concat(chunks);
  // no file that is read whole begins so
  if (bytes.subarray(0, 64).toString().trimStart().startsWith('<'))
    throw sourceErrors.page(server.address, path);
  return bytes;
}

async function* streamRange(
  server: Server,
  path: string,
  { start, end }: ByteRange,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const answer = await request(server, path, { range: `bytes=${start}-${end - 1}` }, signal);
  const { status, headers } = answer.response;
  // RFC 9110, section 14.2: a server may ignore the header. For a range from the start, the whole file suffices
  const isRange = status === 206 && headers.get('content-range')?.startsWith(`bytes ${start}-`) === true;
  if (status === 200 && headers.get('content-type')?.startsWith('text/html')) {
    await discard(answer);
    throw sourceErrors.page(server.address, path);
  }
  if (!isRange && !(status === 200 && start === 0)) {
    await discard(answer);
    if (isMissing(status)) throw sourceErrors.missing(server.address, path);
    if (status === 200 || status === 206) throw sourceErrors.noRanges(server.address);
    throw statusError(server, path, status);
  }
  let left = end - start;
  for await (const chunk of receive(server, path, answer, signal)) {
    yield chunk.subarray(0, left);
    left -= chunk.length;
    if (left <= 0) return;
  }
}

function isMissing(status: number): boolean {
  return status === 404 || status === 410;
}

function statusError({ address }: Server, path: string, status: number): HoldfastError {
  // object stores return 403 for a missing file too (S3, GetObject)
  const isDenied = status === 401 || status === 403;
  return isDenied ? sourceErrors.denied(address, path, status) : sourceErrors.status(address, path, status);
}

async function request(
  { address, base, limits, headers: common }: Server,
  path: string,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<Answer> {
  debug('repository', `GET ${path}${headers.range ? ` (${headers.range})` : ''}`); // the address may hold a password
  const watch = watchSilence(limits, signal);
  try {
    const url = new URL(base);
    url.pathname += path;
    const response = await fetch(url, { headers: { ...common, ...headers }, signal: watch.signal });
    return { response, watch };
  } catch (error) {
    watch.stop();
    throw watch.isSilent()
      ? sourceErrors.slow(address, path, `no response within ${limits.silenceMs / 1000} s`)
      : transferError(error, signal, () =>
          isProxyDenial(error)
            ? sourceErrors.proxy(address, path)
            : sourceErrors.unreachable(address, path, error),
        );
  }
}

/**
 * Returns true for HTTP status 407, which fetch reports as a network error, the only one that gives
 * no reason (Fetch standard, HTTP-network-or-cache fetch).
 */
function isProxyDenial(error: unknown): boolean {
  return error instanceof TypeError && error.cause instanceof Error && describe(error.cause) === 'Error';
}

async function* receive(
  { address, limits }: Server,
  path: string,
  { response, watch }: Answer,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const pace = paceOf(limits);
  try {
    for await (const chunk of response.body ?? []) {
      watch.heard();
      if (pace.isSlow(chunk.length))
        throw sourceErrors.slow(address, path, `less than ${limits.rate} bytes per second`);
      yield chunk;
    }
  } catch (error) {
    if (watch.isSilent()) throw sourceErrors.slow(address, path, `no data for ${limits.silenceMs / 1000} s`);
    throw transferError(error, signal, () => sourceErrors.unreachable(address, path, error));
  } finally {
    watch.stop();
  }
}

async function discard({ response, watch }: Answer): Promise<void> {
  watch.stop();
  await response.body?.cancel().catch(() => {}); // the connection is not used again
}

/**
 * Returns Holdfast's own errors and the reason of the user's abort unchanged, any other error as
 * `other`.
 */
function transferError(error: unknown, signal: AbortSignal, other: () => HoldfastError): unknown {
  if (error instanceof HoldfastError) return error;
  return signal.aborted ? signal.reason : other();
}

function watchSilence({ silenceMs }: HttpLimits, signal: AbortSignal) {
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(), silenceMs);
  return {
    signal: AbortSignal.any([signal, silence.signal]),
    heard: () => timer.refresh(),
    stop: () => clearTimeout(timer),
    isSilent: () => silence.signal.aborted,
  };
}

function paceOf({ rate, windowMs }: HttpLimits) {
  let since = performance.now();
  let bytes = 0;
  return {
    isSlow: (more: number) => {
      bytes += more;
      const elapsed = performance.now() - since;
      if (elapsed < windowMs) return false;
      const isSlow = bytes < (rate * elapsed) / 1000;
      since = performance.now();
      bytes = 0;
      return isSlow;
    },
  };
}
