import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { describe, failure, type HoldfastError, isFailure } from '../base/errors.ts';
import { until } from '../base/until.ts';
import type { ChannelName } from '../channel/channels.ts';
import type { Session } from '../channel/session.ts';
import { executeFor } from './exec.ts';
import { notRunning } from './guest-connection.ts';
import { encodeJson, frameTypes } from './protocol/frames.ts';
import { answer, type Handler } from './protocol/server.ts';
import { isOff } from './state.ts';
import type { Supervisor } from './supervisor.ts';

/** The handlers of a supervisor, and how to wait for them. */
export interface Requests {
  readonly handlers: Readonly<Record<string, Handler>>;
  /** Resolves when a client has asked whether the machine was started. */
  readonly startAsked: Promise<void>;
  /** Resolves when all requests about the machine's power so far are answered. */
  answered(): Promise<void>;
}

const nothing = z.object({});

/** How long a command waits for a guest that boots, and how often it looks: milliseconds. */
const sessionWait = { within: 30_000, every: 50 };

/** The pause between two attempts to open the user channel, in milliseconds: over TCP each counts against a limit. */
const userRetry = 2000;

/** Returns the requests that a supervisor serves; client.ts has the other end. */
export function supervisorRequests(supervisor: Supervisor): Requests {
  const startAsked = Promise.withResolvers<void>();
  const pending = new Set<Promise<void>>();
  /** Makes `answered` wait for the handler: the process must not end before its client has the reply. */
  const awaited =
    (handler: Handler): Handler =>
    async (request, connection) => {
      const work = handler(request, connection);
      const settled = work.catch(() => {}).finally(() => pending.delete(settled));
      pending.add(settled);
      await work;
    };
  let diskIsFree: Promise<unknown> = Promise.resolve();
  /** Runs tasks one after the other: the hypervisor serves the disk to one client at a time. */
  const inTurn = (work: () => Promise<void>): Promise<void> => {
    const turn = diskIsFree.then(work);
    diskIsFree = turn.catch(() => {});
    return turn;
  };
  const started = answer(nothing, async () => {
    startAsked.resolve();
    await supervisor.started;
  });
  return {
    handlers: {
      status: answer(nothing, async () => supervisor.status()),
      started: awaited(started),
      stop: awaited(answer(z.object({ force: z.boolean() }), ({ force }) => supervisor.stop({ force }))),
      leave: awaited(answer(nothing, () => supervisor.leave())),
      exec: executeFor(async (channel) => ({
        start: supervisor.commands(channel, await sessionOf(supervisor, channel)),
      })),
      disk: (_request, connection) =>
        inTurn(async () => {
          if (connection.gone.aborted) return;
          const { socket, name, close } = await supervisor.exportDisk();
          try {
            connection.send(frameTypes.reply, encodeJson({ socket, name }));
            if (!connection.gone.aborted) await once(connection.gone, 'abort');
          } finally {
            await close();
          }
        }),
    },
    startAsked: startAsked.promise,
    answered: async () => {
      await Promise.all(pending);
    },
  };
}

/**
 * Returns the session of a channel, after a wait while the guest reboots or a new supervisor takes charge.
 * @throws HoldfastError `machine.not-ready`, `supervisor.absent`, `channel.user`.
 */
async function sessionOf(supervisor: Supervisor, channel: ChannelName): Promise<Session> {
  let problem: unknown;
  const session = await until(sessionWait, async () => {
    const { state } = supervisor.status();
    if (isOff({ state })) throw notRunning(); // this supervisor is ending: the caller proceeds as if there were none
    if (channel === 'management') {
      const open = supervisor.session();
      if (!open && !['starting', 'booting'].includes(state)) throw notReady(supervisor);
      return open;
    }
    if (state === 'starting') return undefined;
    try {
      return await supervisor.userSession();
    } catch (error) {
      if (!isFailure(error, 'channel.refused', 'channel.rate')) throw userChannelFailure(error);
      problem = error; // the guest still boots
      await sleep(userRetry);
      return undefined;
    }
  });
  if (session) return session;
  if (problem) throw userChannelFailure(problem);
  throw notReady(supervisor);
}

function userChannelFailure(error: unknown): HoldfastError {
  return failure('channel.user', 'cannot run commands of users in the machine', {
    why: describe(error),
    next: '`holdfast status` shows what is broken; `holdfast drift --reset /etc` restores what the release has there',
    cause: error,
  });
}

function notReady(supervisor: Supervisor): HoldfastError {
  const { state, channelProblem } = supervisor.status();
  return failure('machine.not-ready', 'the machine does not answer', {
    why: `it is ${state}${channelProblem ? `: ${channelProblem}` : ''}`,
    next: 'wait until `holdfast status` shows it as running, or see `holdfast logs`',
  });
}
