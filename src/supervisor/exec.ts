import type { Readable } from 'node:stream';
import * as z from 'zod';
import { type ChannelName, channels } from '../channel/channels.ts';
import type { Session } from '../channel/session.ts';
import {
  decodeSignal,
  decodeSize,
  encodeEnd,
  encodeNumbers,
  type FrameType,
  frameTypes,
  inputWindow,
  protocolError,
} from './protocol/frames.ts';
import { type Connection, type Handler, parseRequest } from './protocol/server.ts';

/** Columns and rows have 32 bits in SSH; no terminal needs more than this. */
const side = z.int().min(0).max(65_535);

const execRequest = z.object({
  channel: z.enum(Object.keys(channels) as [ChannelName, ...ChannelName[]]),
  /** Default: the login shell. */
  argv: z.array(z.string()).optional(),
  terminal: z.object({ type: z.string().regex(/^[\w.+-]{1,64}$/), columns: side, rows: side }).optional(),
});

/**
 * Returns the handler of `exec`, which runs a command in the guest for a client and forwards its streams. The command is hung up
 * when the client disconnects.
 * @param session returns the session of a channel; throws when there is none.
 */
export function executeFor(session: (channel: ChannelName) => Promise<Pick<Session, 'start'>>): Handler {
  return async (request, connection) => {
    const { channel, argv, terminal } = parseRequest(execRequest, request);
    const command = await (await session(channel)).start(argv, terminal);
    const hangUp = () => command.hangUp();
    connection.gone.addEventListener('abort', hangUp);
    if (connection.gone.aborted) hangUp();
    try {
      let granted = inputWindow;
      command.stdin.on('error', () => {}); // the command ended: unread input is dropped
      connection.receive(({ type, payload }) => {
        if (type === frameTypes.input) {
          granted -= payload.length;
          if (granted < 0) throw protocolError('the client sent more input than was granted');
          command.stdin.write(payload, () => {
            granted += payload.length;
            connection.send(frameTypes.grant, encodeNumbers(payload.length));
          });
        } else if (type === frameTypes.inputEnd) command.stdin.end();
        else if (type === frameTypes.signal) command.signal(decodeSignal(payload));
        else if (type === frameTypes.resize) {
          const { columns, rows } = decodeSize(payload);
          command.resize(columns, rows);
        } else throw protocolError(`unexpected frame of type ${type}`);
      });
      connection.send(frameTypes.started);
      forward(command.stdout, frameTypes.output, connection);
      forward(command.stderr, frameTypes.errorOutput, connection);
      connection.send(frameTypes.exit, encodeEnd(await command.ended));
    } finally {
      connection.gone.removeEventListener('abort', hangUp);
    }
  };
}

/** Forwards an output; a slow client makes the command wait. */
function forward(source: Readable, type: FrameType, connection: Connection): void {
  source.on('data', (chunk: Buffer) => {
    if (connection.send(type, chunk)) return;
    source.pause();
    void connection.drained().then(() => source.resume());
  });
}
