import { misuse } from '../../base/errors.ts';
import { copyIn } from '../../channel/copy-in.ts';
import { copyOut } from '../../channel/copy-out.ts';
import { parseCopyPath } from '../../channel/copy-paths.ts';
import { guestOf } from '../../supervisor/guest.ts';
import { defineCommand } from '../framework/command.ts';
import { required } from '../framework/parameters.ts';

export const copyCommand = defineCommand({
  description:
    'Directories are copied recursively, with modes and symbolic links. Exactly one of SRC and DST is in the guest: a colon marks its path, which is relative to the home directory there.',
  arguments: {
    source: required('SRC', 'File or directory to copy; :PATH is in the guest', parseCopyPath),
    destination: required(
      'DST',
      'Directory to copy into, or a new name; :PATH is in the guest',
      parseCopyPath,
    ),
  },
  flags: {},
  examples: [
    ['holdfast copy site.conf :', 'Copy a file to the home directory in the guest'],
    ['holdfast copy ./images :images', 'Copy a directory recursively, with modes and symbolic links'],
    ['holdfast copy :/var/log/app.log .', 'Copy a file from the guest to the current directory'],
  ],
  output: async () => (await import('../output/guest.ts')).copyOutput,
  async run({ arguments: { source, destination }, machine, progress, signal, output }) {
    if (source.side === destination.side) {
      throw misuse(
        'copy.sides',
        `both SRC and DST are ${source.side === 'guest' ? 'in the guest' : 'on this host'}`,
        {
          why: 'one of them must be in the guest and the other on this host',
          next:
            source.side === 'guest'
              ? 'use `holdfast exec -- cp -r SRC DST`'
              : 'put a colon in front of the path in the guest, such as :notes.txt',
        },
      );
    }
    const start = guestOf(machine).start;
    const copy = destination.side === 'guest' ? copyIn : copyOut;
    await copy(start, source.path, destination.path, progress, signal);
    output.result({ machine: machine.name, source, destination }, '');
  },
});
