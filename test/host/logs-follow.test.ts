import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { z } from 'zod';
import { failure } from '../../src/base/errors.ts';
import { homeAt, machinePaths, parseMachineName } from '../../src/machine/paths.ts';
import { frameTypes } from '../../src/supervisor/protocol/frames.ts';
import { answer, type Handler, serve } from '../../src/supervisor/protocol/server.ts';
import { eventually } from '../support/eventually.ts';
import { writeMachineRecord } from '../support/machine-record.ts';

const home = await mkdtemp(join(tmpdir(), 'holdfast-follow-'));
after(() => rm(home, { recursive: true }));
const name = parseMachineName('default');
const { run, supervisorSocket } = machinePaths(homeAt(home), name);

test('logs --follow goes on after a restart of the machine, from where it was lost', {
  timeout: 60_000,
}, async () => {
  const asked: string[][] = [];
  let state = 'running';
  /** A guest that reboots during the first command. */
  const exec: Handler = async (request, connection) => {
    const { argv } = z.object({ argv: z.array(z.string()) }).parse(request);
    const count = asked.push(argv);
    if (count === 2) throw failure('machine.not-ready', 'the machine does not answer');
    connection.receive(() => {}); // its input ends
    connection.send(frameTypes.started);
    connection.send(frameTypes.output, Buffer.from(`line ${count}\n`));
    if (count > 1) return void (await once(connection.gone, 'abort'));
    state = 'booting';
    setTimeout(() => {
      state = 'running';
    }, 2000);
    throw failure('channel.lost', 'the connection to the guest was lost');
  };
  await writeMachineRecord(home, name);
  await mkdir(run);
  const server = await serve(supervisorSocket, {
    status: answer(z.object({}), async () => ({ state })),
    exec,
  });
  const began = Date.now() / 1000;
  const main = join(import.meta.dirname, '../../src/cli/main.ts');
  const env = { ...process.env, HOLDFAST_HOME: home };
  const child = spawn(process.execPath, [main, 'logs', '--follow'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close');
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
  });
  await eventually(() => printed === 'line 1\nline 3\n', { within: 40_000, what: 'both lines' });
  child.kill('SIGINT');
  assert.deepEqual(await closed, [130, null]);
  const since = asked.map((argv) =>
    argv.find((word) => word.startsWith('--since=@'))?.slice('--since=@'.length),
  );
  assert.equal(since[0], undefined);
  assert.ok(Number(since[2]) > began && Number(since[2]) <= Date.now() / 1000, since[2]);
  await server.close();
});
