/**
 * The process of a supervisor: `supervisor/main.ts start|adopt NAME`, with HOLDFAST_HOME set. Each running machine has one.
 * On SIGTERM, SIGINT and SIGHUP it shuts the machine down; SIGKILL ends it alone.
 */
import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { describe, isFailure } from '../base/errors.ts';
import { makeDirectory } from '../base/files.ts';
import { type Lock, takeLock } from '../base/lock.ts';
import { until } from '../base/until.ts';
import { channels } from '../channel/channels.ts';
import { readIdentity } from '../channel/keys.ts';
import { openSession } from '../channel/ssh.ts';
import { readBootState } from '../firmware/boot.ts';
import { readVariableStore } from '../firmware/store-file.ts';
import { forgetRecovery } from '../machine/data-keys.ts';
import { Machine } from '../machine/machine.ts';
import { homeAt, homeDirectory, parseMachineName } from '../machine/paths.ts';
import { forgetResets } from '../machine/requested-resets.ts';
import { prepareVirtualTpm } from '../tpm/virtual/virtual-tpm.ts';
import { askStatus } from './client.ts';
import { consoleProblem, readConsole } from './console-log.ts';
import { noteCrash } from './crash-note.ts';
import { forgetFailure, noteFailure } from './failure-note.ts';
import { fallBack } from './fallback.ts';
import { hostHypervisor } from './host-hypervisor.ts';
import { TpmAccess } from './host-tpm-access.ts';
import { openLogFile, rotateLog } from './log-file.ts';
import type { SupervisorParts } from './parts.ts';
import { prepareStart } from './prepare-start.ts';
import { answer, serve } from './protocol/server.ts';
import { supervisorRequests } from './requests.ts';
import { supervise } from './supervisor.ts';
import { ownCgroups, serviceOf } from './systemd/scope.ts';

/** How long the supervisor answers after a failed start: milliseconds. The command that started it asks much earlier. */
const askedWithin = 5000;

const modes = z.enum(['start', 'adopt']);

async function main(modeWord: string | undefined, nameWord: string | undefined): Promise<number> {
  const mode = modes.parse(modeWord);
  const machine = new Machine(homeAt(homeDirectory()), parseMachineName(nameWord ?? ''));
  const { paths } = machine;
  await machine.configuration();
  const lock = await takeCharge(machine);
  if (!lock) return 0;
  const logLine = openLogFile(paths.supervisorLog);
  const log = (line: string) => logLine('supervisor', line);
  log(`supervisor ${process.pid} (${mode})`);
  await makeDirectory(paths.run, 0o700);
  await forgetFailure(paths.run);
  rotateLog(paths.consoleLog);

  const tpm = new TpmAccess(
    async () => (await machine.reload()).hostTpm,
    machine.home.tpmSessions,
    (line) => logLine('tpm', line),
  );
  const supervisor = supervise(await partsFor(machine, tpm, log), mode);
  const requests = supervisorRequests(supervisor);
  const server = await serve(paths.supervisorSocket, {
    ...requests.handlers,
    tpm: answer(z.object({}), () => tpm.refresh()),
  });
  const report = (error: unknown) => log(`not done: ${describe(error)}`);
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => {
      log(`${signal}: shutting the guest down`);
      supervisor.terminate().catch(report);
    });
  }

  const end = await supervisor.started.then(
    () => supervisor.ended,
    async (error: unknown) => {
      log(`not started: ${describe(error, { next: true })}`);
      if (mode === 'start') await Promise.race([requests.startAsked, sleep(askedWithin)]);
      return 'unstarted' as const;
    },
  );
  await requests.answered();
  await tpm.close();
  await server.close();
  log(`supervisor ends: ${end}`);
  if (end === 'failed') await noteFailure(paths.run, supervisor.status().problem);
  // if the directory stays, the machine is running, or ended without a shutdown
  if (end === 'stopped' || (end === 'unstarted' && mode === 'start'))
    await rm(paths.run, { recursive: true });
  await lock.release();
  return end === 'stopped' || end === 'left' ? 0 : 1;
}

/** Binds the supervisor to the machine's files, its hypervisor and the host's TPM. */
async function partsFor(
  machine: Machine,
  tpm: TpmAccess,
  log: (line: string) => void,
): Promise<SupervisorParts> {
  const { home, name, paths } = machine;
  const identity = await readIdentity(paths.secrets, channels.management.user);
  return {
    hypervisor: tpm.through(hostHypervisor(home)),
    machine: { name, run: paths.run, consoleLog: paths.consoleLog },
    endsWith: serviceOf(await ownCgroups()),
    prepare: async () => {
      for (const line of await prepareVirtualTpm(paths.tpm)) log(line);
      return prepareStart(machine, log);
    },
    handedOver: () => forgetRecovery(paths.secrets),
    answered: () => forgetResets(paths.secrets),
    isSingleStart: async () => readBootState(await readVariableStore(paths.variables)).next !== undefined,
    fallBack: () => fallBack(paths.variables, log),
    crashed: (reason) => noteCrash(paths.lastCrash, reason),
    readProblem: async () => consoleProblem(await readConsole(paths.consoleLog)),
    openSession: (stream, channel) => openSession(stream, { ...identity, user: channels[channel].user }),
    log,
  };
}

/** Takes the lock of the supervisor in charge; returns undefined when there is another one. Waits for one that is ending. */
async function takeCharge(machine: Machine): Promise<Lock | undefined> {
  const taken = await until({ within: Number.POSITIVE_INFINITY, every: 50 }, async () => {
    try {
      return { lock: await takeLock(machine.paths.supervisorLock, 'supervisor') };
    } catch (error) {
      if (!isFailure(error, 'lock.held')) throw error;
    }
    return (await askStatus(machine)) ? { lock: undefined } : false;
  });
  return taken?.lock;
}

// a hanging connection to the guest must not keep the process alive
process.exit(await main(process.argv[2], process.argv[3]));
