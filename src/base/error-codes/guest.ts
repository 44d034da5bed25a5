import type { ErrorEntry } from './entry.ts';

/** The channel to the guest, and what the host does in the guest through it. */
export const guestCodes = {
  'channel.busy': {
    when: 'As many commands run in the guest as its channel carries.',
    remedy: 'Wait until some of them have ended.',
  },
  'channel.handshake': {
    when: 'The SSH handshake with the guest failed.',
    remedy: 'Wait until the machine has booted and try again; otherwise read its console log.',
  },
  'channel.host-key': {
    when: 'The SSH server presents another host key than the one created at deployment.',
    remedy: 'Treat the peer as hostile: stop the machine and find out what replaced its guest.',
  },
  'channel.identity': {
    when: 'The guest rejected the SSH key of the host.',
    remedy: 'Restart the machine; if it repeats, deploy it again.',
  },
  'channel.key': {
    when: "A key file in the machine's directory is damaged.",
    remedy: 'Restore the directory from a backup, or deploy the machine again.',
  },
  'channel.lost': {
    when: 'The connection to the guest closed before a command reported its exit status.',
    remedy: 'Run `holdfast status` to see whether the machine still runs.',
  },
  'channel.malformed': {
    when: 'The vsock proxy sent a reply that does not follow its protocol.',
    remedy: 'Run `holdfast restart`.',
  },
  'channel.no-vsock': {
    when: 'The command needs a vsock, and the machine has none.',
    remedy: 'Deploy it without `--transport tcp`; if the machine lost its vsock, run `holdfast restart`.',
  },
  'channel.rate': {
    when: 'The connection limit per minute of a machine with `--transport tcp` is used up.',
    remedy: 'Wait a minute and try again.',
  },
  'channel.refused': {
    when: 'The guest does not accept connections yet.',
    remedy: 'Wait until the machine has booted; read its console log if it does not.',
  },
  'channel.start': {
    when: 'The SSH server of the guest did not start the command.',
    remedy: 'Run `holdfast status` to see whether the machine still runs.',
  },
  'channel.timeout': {
    when: 'The guest did not answer, or did not finish the SSH handshake, within the time limit.',
    remedy: 'Wait until the machine has booted and try again.',
  },
  'channel.unreachable': {
    when: 'The socket of the vsock proxy cannot be connected to.',
    remedy: 'Run `holdfast status` to see whether the machine still runs.',
  },
  'channel.user': {
    when: 'The user channel, over which users run commands in the machine, cannot be opened.',
    remedy:
      'See what `holdfast status` reports as broken; `holdfast drift --reset` restores files of the release.',
  },
  'guest.command': {
    when: 'A command in the guest failed.',
    remedy: 'Run the command line that the error shows with `holdfast exec` to see the full output.',
  },
  'guest.command-long': {
    when: 'A command for the guest exceeds what Linux accepts.',
    remedy: 'Pass the data on standard input, or copy a file into the guest.',
  },
  'guest.command-malformed': {
    when: 'A command for the guest has no words, or a word with a NUL byte.',
    remedy: 'Give at least one word, without NUL bytes.',
  },
  'guest.long': {
    when: 'A command in the guest printed more than the host [accepts](bounds.md).',
    remedy: 'Audit the machine: no program of a release prints that much.',
  },
  'guest.output': {
    when: 'A command in the guest printed too much, or something that cannot be parsed.',
    remedy:
      'Run `holdfast restart`; if it repeats, run `holdfast audit`, as the guest may have been changed.',
  },
  'guest.timeout': {
    when: 'A command in the guest did not end within its time limit.',
    remedy: 'Check the load of the machine with `holdfast status`, and try again.',
  },
  'copy.destination': {
    when: 'The destination on this host cannot be written.',
    remedy: 'Choose a writable destination.',
  },
  'copy.failed': {
    when: 'Reading or writing the copied files failed in the guest.',
    remedy: 'Fix the cause that the error states, and copy again.',
  },
  'copy.kind': {
    when: 'The item to copy out of the guest is a device, pipe or socket.',
    remedy: 'Copy files, directories and symbolic links only.',
  },
  'copy.link': {
    when: 'The item to copy out of the guest is a symbolic link that leads elsewhere.',
    remedy: 'Copy what it points to with `--follow`, or the link itself with `--links`.',
  },
  'copy.ownership': {
    when: 'An owner or mode for a copy is malformed, or would have no effect.',
    remedy: 'Use `--owner` with `--root`, and both `--owner` and `--mode` for copies into the guest only.',
  },
  'copy.path': {
    when: 'An argument of `holdfast copy` is not a path, or has bytes that are not UTF-8.',
    remedy:
      'Write a path on this host, or a path in the guest after a colon, such as `:notes.txt`. To copy a file whose name is not UTF-8, copy its directory.',
  },
  'copy.sides': {
    when: 'Source and destination are both in the guest or both on this host.',
    remedy: 'Write a colon before the path that is in the guest.',
  },
  'copy.source': {
    when: 'The source on this host cannot be read, or is a device, pipe or socket.',
    remedy: 'Check that it exists and is readable.',
  },
  'copy.space': {
    when: 'A copy would fill the disk of this host.',
    remedy: 'Free disk space, or copy to a larger disk.',
  },
  'copy.stalled': {
    when: 'The guest neither sent nor accepted data for minutes during a copy.',
    remedy: 'Check the machine with `holdfast status`, and copy again.',
  },
  'copy.unsafe': {
    when: 'The guest sent an archive that is malformed, exceeds a limit, or has items that were not requested.',
    remedy: 'Copy it again; if it repeats, run `holdfast audit`, as the guest may have been changed.',
  },
  'drift.elsewhere': {
    when: 'Changes in an overlay of the guest are not stored on Data, so they cannot be listed.',
    remedy: 'Fix what `holdfast status` reports as degraded first.',
  },
  'drift.hidden': {
    when: 'A path cannot be reset alone, because its directory hides the content of the release.',
    remedy: 'Reset the whole directory: `holdfast drift --reset DIRECTORY`.',
  },
  'drift.large': {
    when: 'A listing of the overlays is longer than the [bound](bounds.md).',
    remedy:
      'Compare one directory, and keep large trees of files in `/var`; `update apply --accept-drift` and a reset while the machine is off do not compare.',
  },
  'drift.requests': {
    when: 'More resets were requested of a machine that is off than its next start takes.',
    remedy: 'Start the machine, or reset a directory above these paths.',
  },
  'drift.path': {
    when: 'No path was given to reset, or a path that is not in an overlay.',
    remedy: 'Name an absolute path in `/etc`, `/home` or `/root`, as `holdfast drift` prints it.',
  },
  'firewall.channel': {
    when: 'A rule names TCP port 22 of a machine that uses it for the channel.',
    remedy: 'Allow other ports; the channel has a rule of its own.',
  },
  'firewall.comment': {
    when: 'The comment of a rule is too long, or has line breaks, quotation marks or backslashes.',
    remedy: 'Write a short one, such as `--comment "web server"`.',
  },
  'firewall.damaged': {
    when: 'The file with the rules of the machine cannot be parsed.',
    remedy: 'Run `holdfast firewall reset`, which recreates it without rules, and add the rules again.',
  },
  'firewall.families': {
    when: 'A rule combines a protocol and an address of different IP versions.',
    remedy: 'Give `--from` an address of the same IP version.',
  },
  'firewall.full': {
    when: 'The machine has the maximum number of firewall rules.',
    remedy: 'Remove rules, or combine them into ranges of ports or networks.',
  },
  'firewall.none': {
    when: 'The rule to be removed does not exist.',
    remedy: 'Run `holdfast firewall list`, and name the service and source as it prints them.',
  },
  'firewall.service': {
    when: 'A service is not a protocol with a port or range of ports, nor ICMP.',
    remedy: 'Write for example `tcp/8080`, `udp/5000-5010`, `icmp` or `icmpv6`.',
  },
  'firewall.source': {
    when: 'The source of a rule is not an IP address or network.',
    remedy: 'Write for example `192.0.2.7`, `192.0.2.0/24` or `2001:db8::/32`; leave it out for any source.',
  },
} as const satisfies Record<string, ErrorEntry>;
