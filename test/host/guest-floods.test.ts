import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { after, test } from 'node:test';
import { askForQuote } from '../../src/attestation/request-quote.ts';
import { parseAnswers, probeScript } from '../../src/audit/guest-probe.ts';
import { writeArchive } from '../../src/base/archive.ts';
import { type HoldfastError, isFailure } from '../../src/base/errors.ts';
import { run } from '../../src/base/process.ts';
import { silent } from '../../src/base/progress.ts';
import { until } from '../../src/base/until.ts';
import { bounds } from '../../src/channel/bounds.ts';
import { printable } from '../../src/channel/run.ts';
import { openSession } from '../../src/channel/ssh.ts';
import { connectVsock } from '../../src/channel/vsock.ts';
import { driftText } from '../../src/cli/commands/drift/text.ts';
import { jsonLines } from '../../src/cli/terminal/guest-text.ts';
import { listOverlays } from '../../src/guest/drift-listing.ts';
import { findDrift } from '../../src/guest/drift-report.ts';
import { readAllowed } from '../../src/guest/firewall.ts';
import { askLayerFacts } from '../../src/guest/layer-facts.ts';
import { rawPath } from '../../src/guest/overlay-path.ts';
import { askGuest, parseReport } from '../../src/guest/report.ts';
import { boundLog } from '../../src/hypervisor/qemu/console-log.ts';
import { LineSplitter } from '../../src/hypervisor/qemu/qmp-message.ts';
import { consoleProblem, plainLines, readConsole } from '../../src/supervisor/console-log.ts';
import { startSshServer } from '../support/ssh-server.ts';

/*
 * A hostile guest answers every question of the host with a flood. Each row of the table of bounds is flooded through the code
 * that reads it, which must reject or bound it within a time, and in an amount of memory, for all of this file.
 */

const memoryLimit = 900 * 1024 * 1024;
const timeLimit = 60_000;

const scratch = await mkdtemp(join(tmpdir(), 'holdfast-floods-'));
const script = join(scratch, 'flood');
const input = join(scratch, 'answer');
await chmod(scratch, 0o755);
// whatever the host asks, it gets this
const server = await startSshServer([`ForceCommand ${script}`]);
const session = await openSession(await server.connect(), server.identity);
after(async () => {
  await session.close();
  await server.close();
  await rm(scratch, { recursive: true });
});
const { signal } = new AbortController();

/** Makes the guest answer with what these commands print. */
async function answerWith(commands: string): Promise<void> {
  await writeFile(script, `#!/bin/bash\n${commands}\n`, { mode: 0o755 });
}

const head =
  'overlay\0etc\0upperdir=/sysroot/var/.eflow/overlays/etc/upper\0lower\0d\x00755\x000\x000\x000\0\0\0upper\0d\x00755\x000\x000\x000\0\0\0';

async function answerWithListing(record: (index: number) => string, count: number): Promise<void> {
  const records = Array.from({ length: count }, (_, index) => record(index));
  await writeFile(input, `${head}${records.join('')}end\0`, 'latin1');
  await answerWith(`exec cat ${input}`);
}

const added = (path: string | number) => `upper\0f\x00644\x000\x000\x001\0\0${path}\0`;
const endless = 'exec yes 0123456789abcdef';
const longOf = (error: unknown) => isFailure(error, 'guest.long');

/** A flood for each row of the table: a new row does not compile without one. */
const floods: Readonly<Record<keyof typeof bounds, () => Promise<void>>> = {
  commandOutput: async () => {
    await answerWith(endless);
    await assert.rejects(askGuest(session), longOf);
    await assert.rejects(askForQuote(session, Buffer.alloc(32)), longOf);
    await assert.rejects(readAllowed(session), longOf);
    await answerWith(`printf -- '--- addresses\\n['; yes '{},' | head -c 900000; printf '{}]\\n'`);
    await assert.rejects(askGuest(session), { code: 'guest.output' });
    await answerWith('exec sleep 1000');
    await assert.rejects(askGuest(session, 500), { code: 'guest.timeout' });
  },
  interfaces: async () => {
    const good = [
      ['release', 'IMAGE_VERSION=1'],
      ['slot', 'A'],
      ['uptime', '1.00 1.00'],
      ['memory', 'MemTotal: 2 kB\nMemAvailable: 1 kB'],
      ['data', '1B-blocks Used Avail IFree\n 2 1 1 1'],
      ['logs', '1B-blocks Used Avail IFree\n 2 1 1 1'],
      ['rootHash', `holdfast.root=${'0'.repeat(64)}`],
      ...['verity', 'secureBoot', 'lockdown', 'degraded', 'users', 'ignored', 'asReleased'].map((name) => [
        name,
        '',
      ]),
    ];
    const report = (count: number) =>
      parseReport(
        [...good, ['addresses', JSON.stringify(Array.from({ length: count }, () => ({})))]]
          .map(([name, answer]) => `--- ${name}\n${answer}\n`)
          .join(''),
      );
    assert.deepEqual(report(bounds.interfaces.count).addresses, []);
    assert.throws(() => report(bounds.interfaces.count + 1), { code: 'guest.output' });
  },
  errorOutput: async () => {
    await answerWith('yes $(printf "\\033]52;c;eA==\\007") | head -c 30000000 >&2; exit 1');
    await assert.rejects(askGuest(session), ({ code, why = '' }: HoldfastError) => {
      assert.equal(code, 'guest.command');
      assert.doesNotMatch(why, /\p{C}/u);
      return why.length <= bounds.errorText.count;
    });
  },
  errorText: async () => {
    assert.equal(printable('\x1b'.repeat(10_000_000)).length, bounds.errorText.count);
  },
  drift: async () => {
    await answerWith(`printf '${head.replaceAll('\0', '\\0')}'; exec yes x`);
    await assert.rejects(listOverlays(session, ['etc'], signal), { code: 'drift.large' });
    await answerWithListing(added, bounds.drift.count);
    await assert.rejects(findDrift(session, { overlay: 'etc', path: rawPath('') }, signal), {
      code: 'drift.large',
    });
  },
  driftField: async () => {
    await answerWith(`printf '${head.replaceAll('\0', '\\0')}'; head -c 1000000 /dev/zero | tr '\\0' x`);
    await assert.rejects(listOverlays(session, ['etc'], signal), { code: 'guest.output' });
  },
  driftText: async () => {
    await answerWithListing(added, bounds.drift.count - 10);
    const drift = await findDrift(session, { overlay: 'etc', path: rawPath('') }, signal);
    assert.equal(drift.length, bounds.drift.count - 10 + 1 - 1);
    assert.equal(driftText(drift).split('\n').length, bounds.driftText.count + 2);
  },
  layerFact: async () => {
    await answerWith(endless);
    const questions = [{ about: 'upper', path: rawPath('hosts') }] as const;
    await assert.rejects(askLayerFacts(session, 'etc', questions, signal), longOf);
  },
  auditAnswer: async () => {
    const probe = { name: 'x', command: endless, form: undefined as never };
    const { stdout } = await run('bash', ['--norc', '-c', probeScript([probe], 'mark')]);
    assert.ok(stdout.length <= bounds.auditAnswer.bytes + 1);
    assert.equal(parseAnswers(stdout.toString(), 'mark').size, 0);
  },
  auditAnswers: async () => {
    await answerWith('exec yes mark begin x');
    const { bytes: maximum } = bounds.auditAnswers;
    await assert.rejects(session.run(['audit'], { maximum }), longOf);
    assert.equal(parseAnswers('mark begin x\n'.repeat(maximum / 14), 'mark').size, 0);
  },
  healthCheck: async () => {
    await answerWith(endless);
    await assert.rejects(session.run(['check'], { maximum: bounds.healthCheck.bytes }), longOf);
  },
  journalEntry: async () => {
    await answerWith(`exec tr '\\0' x </dev/zero`);
    const command = await session.start(['journalctl']);
    await assert.rejects(command.stdout.pipe(jsonLines()).toArray(), longOf);
    command.hangUp();
  },
  journalArchive: async () => {
    await answerWith('yes 0123456789abcdef | head -c 100000000; echo the end');
    const { bytes: maximum } = bounds.journalArchive;
    const { stdout } = await session.run(['journalctl'], { maximum, endOnly: true });
    assert.equal(stdout.length, maximum);
    assert.equal(stdout.subarray(-8).toString(), 'the end\n');
  },
  logArchive: async () => {
    const log = join(scratch, 'log');
    const file = await open(log, 'w');
    await file.truncate(1024 ** 4); // sparse
    await file.write('the end', 1024 ** 4 - 7);
    await file.close();
    const archive = join(scratch, 'logs.tar.gz');
    const entry = { name: 'log', copy: log, maximum: bounds.logArchive.bytes };
    assert.equal((await writeArchive(archive, 'x', [entry], silent, signal))[0]?.outcome, 'included');
    await run('tar', ['--extract', '--directory', scratch, '--file', archive, 'x/log']);
    assert.equal((await stat(join(scratch, 'x/log'))).size, bounds.logArchive.bytes);
  },
  execJson: async () => {
    // test/host/exec.test.ts: the command line prints what it collected
    await answerWith(endless);
    await assert.rejects(session.run(['yes'], { maximum: bounds.execJson.bytes }), longOf);
  },
  consoleLog: async () => {
    await floodLog(bounds.consoleLog.bytes);
  },
  processLog: async () => {
    await floodLog(bounds.processLog.bytes);
  },
  consoleTail: async () => {
    const log = join(scratch, 'console');
    const line = `BdsDxe: failed to load Boot000A "${'" from : Aa'.repeat(100_000)}`;
    await writeFile(log, `${line}\n`.repeat(20));
    const text = await readConsole(log);
    assert.ok(text.length <= bounds.consoleTail.bytes);
    consoleProblem(text);
  },
  consoleLine: async () => {
    for (const line of [
      `BdsDxe: failed to load Boot000A "${'" from : Aa'.repeat(20_000)}!`,
      `${'src/boot/'.repeat(25_000)}:`,
      `device-mapper: ${'verity: '.repeat(25_000)}`,
      `${'] holdfast: '.repeat(20_000)}`,
    ]) {
      const text = plainLines(line);
      assert.ok(text.length <= bounds.consoleLine.count + 1);
      consoleProblem(text);
    }
  },
  consoleShown: async () => {
    assert.ok(bounds.consoleShown.count * bounds.consoleLine.count < bounds.consoleTail.bytes);
  },
  problem: async () => {
    const text = Array.from({ length: 20_000 }, (_, index) => `holdfast: ${index} ${'x'.repeat(100)}\n`);
    assert.equal(consoleProblem(text.join(''))?.text.length, bounds.problem.count);
  },
  retiredConnection: async () => {
    const open = new Set<Socket>();
    const path = join(scratch, 'vsock.sock');
    const front = createServer({ allowHalfOpen: true }, (socket) => {
      open.add(socket);
      socket.on('error', () => {}).on('close', () => open.delete(socket));
      socket.once('data', () => socket.write('OK 1\n'));
      socket.resume(); // and never ends its half
    });
    front.listen(path);
    await once(front, 'listening');
    for (let count = 0; count < 3 * bounds.retiredConnection.count; count++)
      (await connectVsock(path, 22)).destroy();
    // a closed connection shows when it is written to
    const isBounded = await until({ within: 20_000, every: 50 }, () => {
      for (const socket of open) socket.write('x');
      return open.size <= bounds.retiredConnection.count;
    });
    assert.ok(isBounded, `${open.size} connections are open`);
    for (const socket of open) socket.destroy();
    front.close();
  },
  qmpMessage: async () => {
    const splitter = new LineSplitter();
    const part = Buffer.alloc(65_536, 'x');
    const flood = () => {
      for (let sent = 0; sent <= bounds.qmpMessage.bytes + part.length; sent += part.length)
        splitter.push(part);
    };
    assert.throws(flood, { code: 'qmp.malformed' });
  },
};

/** A program that appends to its log without end, as QEMU does with the output of a guest that floods its console. */
async function floodLog(maximum: number): Promise<void> {
  const log = join(scratch, `flooded-${maximum}`);
  const writer = await open(log, 'a');
  const flood = spawn('yes', ['0123456789abcdef'], { stdio: ['ignore', 'pipe', 'inherit'] });
  let written = 0;
  try {
    for await (const chunk of flood.stdout as Readable & AsyncIterable<Buffer>) {
      await writer.write(chunk);
      written += chunk.length;
      if (written % (maximum >> 2) < chunk.length) await boundLog(log, maximum);
      if (written > 6 * maximum) break;
    }
  } finally {
    flood.kill('SIGKILL');
    await writer.close();
  }
  await boundLog(log, maximum);
  for (const path of [log, `${log}.1`]) assert.ok((await stat(path)).size <= 1.5 * maximum, path);
  assert.match((await readFile(`${log}.1`)).toString('latin1', 0, 100), /0123456789abcdef/);
  await rm(log);
  await rm(`${log}.1`);
}

for (const [row, flood] of Object.entries(floods)) {
  test(`bounds a flood: ${row}`, { timeout: timeLimit }, flood);
}

test('all floods together took a bounded amount of memory', () => {
  const used = process.resourceUsage().maxRSS * 1024;
  assert.ok(used < memoryLimit, `${used} bytes`);
});
