import assert from 'node:assert/strict';
import { once } from 'node:events';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { homeAt } from '../../../src/machine/paths.ts';
import type { WebServer } from '../../support/repository.ts';
import type { House } from './house.ts';
import type { Random } from './random.ts';
import type { Subject } from './subject.ts';

/** Causes a fault between a repository and this host. @returns its description. */
export type RepositoryFault = (parts: {
  readonly subject: Subject;
  readonly house: House;
  readonly web: WebServer;
  readonly random: Random;
}) => Promise<string>;

/** The server ends in the middle of a range. */
const cutServer: RepositoryFault = async ({ subject, web, random }) => {
  let left = random.below(24_000_000);
  const all = left;
  let gone = false;
  web.misbehave = (path, response, range) => {
    if (gone) response.destroy();
    if (gone || range === undefined || !path.startsWith('content/')) return gone;
    const [, from = 0, to = 0] = /^bytes=(\d+)-(\d+)$/.exec(range)?.map(Number) ?? [];
    left -= to - from;
    if (left > 0) return false;
    gone = true;
    // a part of the requested range, then nothing
    response.writeHead(206, { 'content-length': to + 1 - from, 'content-range': `bytes ${from}-${to}/*` });
    void once(response, 'finish').catch(() => {});
    response.write(Buffer.alloc(1), () => response.destroy());
    return true;
  };
  const said = await subject.holdfast(['update', 'apply', '--from', web.address], [1]);
  web.misbehave = () => false;
  return `the server went after ${all} bytes: ${firstLine(said)}`;
};

/** The server ends, and one bit of the received data is flipped. */
const flipDownloaded: RepositoryFault = async (parts) => {
  await cutServer(parts);
  const fetched = join(homeAt(parts.house.home).cache, 'fetched');
  const files: string[] = [];
  for (const entry of await readdir(fetched, { recursive: true, withFileTypes: true }))
    if (entry.isFile() && entry.name !== '.lock') files.push(join(entry.parentPath, entry.name));
  const path = files.sort()[parts.random.below(files.length)];
  assert.ok(path !== undefined, 'something was fetched');
  const size = (await stat(path)).size;
  const at = parts.random.below(size);
  const file = await open(path, 'r+');
  try {
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
    await file.write(Buffer.of((buffer[0] ?? 0) ^ (1 << parts.random.below(8))), 0, 1, at);
  } finally {
    await file.close();
  }
  // the damage is detected, and the data fetched again: by this command, or by the next if this one reports it
  const said = await parts.subject.holdfast(['update', 'stage', '--from', parts.web.address], [0, 1]);
  return `a bit of ${path.slice(fetched.length + 66)} flipped: ${firstLine(said)}`;
};

export const repositoryFaults: readonly RepositoryFault[] = [cutServer, flipDownloaded];

function firstLine(text: string): string {
  return text.split('\n').find((line) => line.startsWith('error')) ?? text.split('\n')[0] ?? '';
}
