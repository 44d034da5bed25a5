import { failure } from '../base/errors.ts';
import type { GuestCommand, StartCommand } from '../channel/guest.ts';
import type { Session } from '../channel/session.ts';

/** The guest's SSH servers allow 64 for each connection (`MaxSessions`): the others are for the supervisor's own questions. */
const commandsPerSession = 48;

/** How many connections carry commands over each channel, in addition to the first. */
const additionalSessions = 7;

/** A session, and how many commands it runs. */
interface Carrier {
  readonly session: Promise<Session>;
  commands: number;
}

/** Spreads the commands of clients over several sessions of one channel: another is opened when all are full. */
export class CommandSessions {
  readonly #open: () => Promise<Session>;
  readonly #firsts = new WeakMap<Session, Carrier>();
  readonly #others = new Set<Carrier>();

  constructor(open: () => Promise<Session>) {
    this.#open = open;
  }

  /**
   * Returns a function that starts commands.
   * @param first the session of the channel, which the supervisor itself uses, too.
   * @throws HoldfastError from each command: `channel.busy`, and those of `open` and `Session.start`.
   */
  from(first: Session): StartCommand {
    return (argv, terminal) => this.#start(first, (session) => session.start(argv, terminal));
  }

  async close(): Promise<void> {
    const open = [...this.#others].map(({ session }) => session.then((each) => each.close()));
    await Promise.allSettled(open);
  }

  async #start(first: Session, start: (session: Session) => Promise<GuestCommand>): Promise<GuestCommand> {
    const carrier = this.#pick(first);
    const leave = () => {
      carrier.commands--;
    };
    carrier.commands++;
    try {
      const command = await start(await carrier.session);
      command.ended.then(leave, leave);
      return command;
    } catch (error) {
      leave();
      throw error;
    }
  }

  #pick(first: Session): Carrier {
    const own = this.#firsts.get(first) ?? { session: Promise.resolve(first), commands: 0 };
    this.#firsts.set(first, own);
    const free = [own, ...this.#others].find(({ commands }) => commands < commandsPerSession);
    if (free) return free;
    if (this.#others.size >= additionalSessions) throw busy();
    const opened: Carrier = { session: this.#open(), commands: 0 };
    this.#others.add(opened);
    const forget = () => this.#others.delete(opened);
    opened.session.then(({ ended }) => ended.then(forget), forget);
    return opened;
  }
}

function busy() {
  return failure('channel.busy', 'cannot start another command in the machine', {
    why: `${commandsPerSession * (additionalSessions + 1)} commands run there already over this channel`,
    next: 'wait until some of them have ended',
  });
}
