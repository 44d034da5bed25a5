import { HoldfastError } from '../../base/errors.ts';
import { debug } from '../../base/log.ts';
import { sourceErrors } from './errors.ts';
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

/** A web server with a repository. */
interface Server {
  readonly address: string;
  readonly base: URL;
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
 */
export function httpSource(address: string, limits = defaultLimits): RepositorySource {
  const base = new URL(address.endsWith('/') ? address : `${address}/`);
  const server: Server = { address, base, limits };
  return {
    name: address,
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
    throw sourceErrors.status(server.address, path, status);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of receive(server, path, answer, signal)) {
    size += chunk.length;
    if (size > maximum) throw sourceErrors.tooLarge(server.address, path, maximum);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
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
  if (!isRange && !(status === 200 && start === 0)) {
    await discard(answer);
    if (isMissing(status)) throw sourceErrors.missing(server.address, path);
    if (status === 200 || status === 206) throw sourceErrors.noRanges(server.address);
    throw sourceErrors.status(server.address, path, status);
  }
  let left = end - start;
  for await (const chunk of receive(server, path, answer, signal)) {
    yield chunk.subarray(0, left);
    left -= chunk.length;
    if (left <= 0) return;
  }
}

/** Returns true for a missing file, for which object stores return 403 (S3, GetObject). */
function isMissing(status: number): boolean {
  return status === 404 || status === 403;
}

async function request(
  { address, base, limits }: Server,
  path: string,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<Answer> {
  debug('repository', `GET ${path}${headers.range ? ` (${headers.range})` : ''}`); // the address may hold a password
  const watch = watchSilence(limits, signal);
  try {
    const response = await fetch(new URL(path, base), { headers, signal: watch.signal });
    return { response, watch };
  } catch (error) {
    watch.stop();
    throw watch.isSilent()
      ? sourceErrors.slow(address, path, `no response within ${limits.silenceMs / 1000} s`)
      : transferError(error, signal, () => sourceErrors.unreachable(address, path, error));
  }
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
