import { HoldfastError } from '../../base/errors.ts';
import { debug } from '../../base/log.ts';
import { sourceErrors } from './errors.ts';
import type { ByteRange, RepositorySource } from './source.ts';

/** A server must answer, and go on sending, within this time. */
const silenceLimitMs = 30_000;

/** Below this rate, counted over the time below, a server is given up: it could hold an update for ever. */
const slowestRate = 1024;
const rateWindowMs = 60_000;

/** How patient a source is. Tests are less so. */
export interface Patience {
  readonly silenceMs: number;
  /** Bytes a second, over `windowMs`. */
  readonly rate: number;
  readonly windowMs: number;
}

const defaultPatience: Patience = { silenceMs: silenceLimitMs, rate: slowestRate, windowMs: rateWindowMs };

/** A repository on a web server: any that serves files; with range requests updates are small. */
export function httpSource(address: string, patience = defaultPatience): RepositorySource {
  const base = new URL(address.endsWith('/') ? address : `${address}/`);
  const open = async (path: string, headers: Record<string, string>, signal: AbortSignal) => {
    const watch = watchSilence(patience, signal);
    debug('repository', `GET ${path}${headers.range ? ` (${headers.range})` : ''}`); // the address may hold a password
    try {
      const response = await fetch(new URL(path, base), { headers, signal: watch.signal });
      return { response, watch };
    } catch (error) {
      watch.stop();
      throw watch.isSilent()
        ? sourceErrors.slow(address, path, `no answer within ${patience.silenceMs / 1000} s`)
        : told(error, signal, () => sourceErrors.unreachable(address, path, error));
    }
  };
  async function* receive(
    path: string,
    { response, watch }: Awaited<ReturnType<typeof open>>,
    signal: AbortSignal,
  ) {
    const pace = paceOf(patience);
    try {
      for await (const chunk of response.body ?? []) {
        watch.heard();
        if (pace.isSlow(chunk.length))
          throw sourceErrors.slow(address, path, `less than ${patience.rate} bytes a second`);
        yield chunk;
      }
    } catch (error) {
      if (watch.isSilent())
        throw sourceErrors.slow(address, path, `nothing came for ${patience.silenceMs / 1000} s`);
      throw told(error, signal, () => sourceErrors.unreachable(address, path, error));
    } finally {
      watch.stop();
    }
  }
  const give = async ({ response, watch }: Awaited<ReturnType<typeof open>>) => {
    watch.stop();
    await response.body?.cancel().catch(() => {}); // the connection is not used again
  };
  return {
    name: address,
    read: async (path, maximum, signal) => {
      const opened = await open(path, {}, signal);
      const { status } = opened.response;
      if (status !== 200) {
        await give(opened);
        // 403: what a store of objects answers for a file that is not there (S3, GetObject)
        if (status === 404 || status === 403) return undefined;
        throw sourceErrors.status(address, path, status);
      }
      const chunks: Uint8Array[] = [];
      let size = 0;
      for await (const chunk of receive(path, opened, signal)) {
        size += chunk.length;
        if (size > maximum) throw sourceErrors.tooLarge(address, path, maximum);
        chunks.push(chunk);
      }
      return Buffer.concat(chunks);
    },
    async *readRange(path, { start, end }: ByteRange, signal) {
      const opened = await open(path, { range: `bytes=${start}-${end - 1}` }, signal);
      const { status, headers } = opened.response;
      // RFC 9110, section 14.2: a server may ignore the header. From the start on, the whole file will do
      const isRange = status === 206 && headers.get('content-range')?.startsWith(`bytes ${start}-`) === true;
      if (!isRange && !(status === 200 && start === 0)) {
        await give(opened);
        if (status === 404 || status === 403) throw sourceErrors.missing(address, path);
        if (status === 200 || status === 206) throw sourceErrors.noRanges(address);
        throw sourceErrors.status(address, path, status);
      }
      let left = end - start;
      for await (const chunk of receive(path, opened, signal)) {
        yield chunk.subarray(0, left);
        left -= chunk.length;
        if (left <= 0) return;
      }
    },
    close: async () => {},
  };
}

/** Our own errors, and the user's interruption, as they are. */
function told(error: unknown, signal: AbortSignal, other: () => HoldfastError): unknown {
  if (error instanceof HoldfastError) return error;
  return signal.aborted ? signal.reason : other();
}

function watchSilence({ silenceMs }: Patience, signal: AbortSignal) {
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(), silenceMs);
  return {
    signal: AbortSignal.any([signal, silence.signal]),
    heard: () => timer.refresh(),
    stop: () => clearTimeout(timer),
    isSilent: () => silence.signal.aborted,
  };
}

function paceOf({ rate, windowMs }: Patience) {
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
