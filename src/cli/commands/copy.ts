import { misuse } from '../../base/errors.ts';
import { copyIn } from '../../channel/copy-in.ts';
import { copyOut } from '../../channel/copy-out.ts';
import { parsePlace } from '../../channel/copy-paths.ts';
import { startIn } from '../../supervisor/guest.ts';
import { defineCommand, required } from '../framework/command.ts';

export const copyCommand = defineCommand({
  arguments: {
    source: required('SRC', 'a file or directory; :PATH is in the guest', parsePlace),
    destination: required(
      'DST',
      'a directory to copy into, or a new name; :PATH is in the guest',
      parsePlace,
    ),
  },
  flags: {},
  examples: [
    ['holdfast copy site.conf :', 'copy a file into the home directory of the guest'],
    ['holdfast copy ./images :images', 'copy a directory with all in it, modes and symbolic links included'],
    ['holdfast copy :/var/log/app.log .', 'copy a file of the guest to this directory'],
  ],
  async run({ arguments: { source, destination }, machine, layout, progress, signal, output }) {
    if (source.side === destination.side) {
      throw misuse(
        'copy.sides',
        `both SRC and DST are ${source.side === 'guest' ? 'in the guest' : 'on this host'}`,
        {
          why: 'a copy goes from one side to the other',
          next:
            source.side === 'guest'
              ? 'use `holdfast exec -- cp -r SRC DST`'
              : 'write a colon before the path that is in the guest, such as :notes.txt',
        },
      );
    }
    const start = startIn(layout, machine);
    const copy = destination.side === 'guest' ? copyIn : copyOut;
    await copy(start, source.path, destination.path, progress, signal);
    output.result({ machine, source, destination }, '');
  },
});
