import type { ErrorEntry } from './entry.ts';

/** A machine: its record, its limits, its power, its supervisor and its hypervisor. */
export const machineCodes = {
  'machine.as-released': {
    when: 'The machine was started as released, and the command would start it with everything that it has kept.',
    remedy: 'Run `holdfast restart`, then the command again.',
  },
  'machine.boot-timeout': {
    when: 'The machine was started but did not become ready within the time limit. It keeps running.',
    remedy: 'Read the console log and `holdfast logs`, or wait and run `holdfast status`.',
  },
  'machine.damaged': {
    when: 'The `machine.json` of a machine cannot be parsed.',
    remedy: 'Restore the file from a backup, or remove the machine and deploy it again.',
  },
  'machine.ended': {
    when: 'The machine was stopped, or its processes ended, before it was ready.',
    remedy: 'Read its console log, then run `holdfast start`.',
  },
  'machine.exists': {
    when: 'A machine with this name is deployed already.',
    remedy: 'Choose another name with `--machine`, or remove the existing machine first.',
  },
  'machine.format': {
    when: 'The `machine.json` of a machine was written by a newer version of Holdfast.',
    remedy: 'Use that version or a newer one.',
  },
  'machine.name': {
    when: 'A name is not 1 to 32 lower-case letters, digits and hyphens, or has a hyphen at an end.',
    remedy: 'Choose another name, such as `gateway-1`.',
  },
  'machine.none': {
    when: 'No machine with this name is deployed.',
    remedy: 'Run `holdfast list` to see the machines that exist, or `holdfast deploy` to create this one.',
  },
  'machine.not-ready': {
    when: 'The machine runs, but its guest has not opened the channel.',
    remedy: 'Wait until `holdfast status` reports `running`, or read the console log.',
  },
  'machine.not-running': {
    when: 'A supervisor was asked about a machine whose processes have ended.',
    remedy: 'Run `holdfast start`.',
  },
  'machine.off': {
    when: 'The command needs a running machine, and the machine is off.',
    remedy: 'Run `holdfast start`.',
  },
  'machine.running': {
    when: 'The command needs a machine that is off, and the machine is running.',
    remedy: 'Run `holdfast stop` first.',
  },
  'machine.stop-timeout': {
    when: 'The guest did not shut down within the time limit.',
    remedy: 'Try again, or run `holdfast stop --force`, which loses unwritten data.',
  },
  'machine.stopping': {
    when: 'The machine is shutting down and cannot be started or stopped now.',
    remedy: 'Run `holdfast stop`, which waits for the shutdown, and try again.',
  },
  'limit.cpus': {
    when: 'The number of CPUs is not between 1 and the number of cores of the host.',
    remedy: 'Choose a number in that range.',
  },
  'limit.data-size': {
    when: 'The size of the data partition is out of range or not a whole number of megabytes.',
    remedy: 'Choose a size in the range that the error states, such as `10GB`.',
  },
  'limit.memory': {
    when: 'The memory is less than 1024 MB, odd in megabytes, or more than the host has free.',
    remedy: 'Choose an even number of megabytes within what the host has free.',
  },
  'autostart.linger': {
    when: "The user's services do not start before the user logs in, as lingering is disabled.",
    remedy: 'Run the `loginctl enable-linger` command that the error shows, and try again.',
  },
  'autostart.path': {
    when: 'The path of HOLDFAST_HOME contains characters that a systemd unit cannot.',
    remedy: 'Choose another HOLDFAST_HOME.',
  },
  'autostart.systemd': {
    when: 'Autostart was enabled on a host that does not run systemd.',
    remedy: 'Have the service manager of the host run `holdfast start` at boot.',
  },
  'autostart.taken': {
    when: 'The systemd unit for this name belongs to a machine in another HOLDFAST_HOME.',
    remedy: 'Use another machine name, or disable autostart of the other machine.',
  },
  'supervisor.absent': {
    when: 'The machine has no supervisor, or its supervisor cannot be reached.',
    remedy: 'Run `holdfast start`; if the machine is running, run `holdfast status`.',
  },
  'supervisor.failed': {
    when: 'The supervisor ended with an error.',
    remedy: 'Read the supervisor log that the error names.',
  },
  'supervisor.hangs': {
    when: 'The supervisor accepts connections, but does not answer: it was stopped by a signal, or hangs.',
    remedy: 'Continue or end the process that the error names; ending it does not end the machine.',
  },
  'supervisor.internal': {
    when: 'The supervisor met a condition that its code does not expect.',
    remedy: 'Report the message and the supervisor log as a defect.',
  },
  'supervisor.long': {
    when: 'A request or reply exceeds the size of one message of the supervisor protocol.',
    remedy: 'Pass data on standard input or in a file instead of arguments.',
  },
  'supervisor.lost': {
    when: 'The supervisor ended, or closed the connection, during the command.',
    remedy: 'Run `holdfast status` to see whether the machine still runs.',
  },
  'supervisor.protocol': {
    when: 'The command and the supervisor have different protocol versions, or one sent an invalid message.',
    remedy: 'Restart the machine if Holdfast was updated while it ran.',
  },
  'supervisor.silent': {
    when: 'The supervisor was started but does not accept connections.',
    remedy: 'Read the supervisor log that the error names.',
  },
  'credential.name': {
    when: 'A systemd credential was given an unsupported name.',
    remedy: 'Report it as a defect: Holdfast chooses these names itself.',
  },
  'credential.too-large': {
    when: 'The credentials of a machine exceed the limit of the firmware tables.',
    remedy: 'Report it as a defect: Holdfast chooses the credentials itself.',
  },
  'hypervisor.disk-locked': {
    when: 'Another program has the disk of the machine open.',
    remedy: 'End that program, such as a hypervisor started by hand, and try again.',
  },
  'hypervisor.firmware-missing': {
    when: 'The UEFI firmware for virtual machines is not installed.',
    remedy: 'Run `holdfast doctor` and install the package that it names.',
  },
  'hypervisor.memory': {
    when: 'The host has less free memory than the machine needs.',
    remedy: 'End other programs, or reduce the memory with `holdfast set --memory`.',
  },
  'hypervisor.port': {
    when: 'No TCP port is free on the loopback interface of the host.',
    remedy: 'End programs that use many ports, and try again.',
  },
  'hypervisor.port-taken': {
    when: 'Another program took the TCP port between its choice and its use.',
    remedy: 'Try again.',
  },
  'hypervisor.running': {
    when: 'A start was requested for a machine whose hypervisor runs already.',
    remedy: 'Run `holdfast status`; to start the machine again, run `holdfast restart`.',
  },
  'hypervisor.start': {
    when: 'The hypervisor or one of its helpers did not start.',
    remedy: 'Run `holdfast doctor`, then the command again with `--debug`.',
  },
  'qmp.closed': {
    when: 'The hypervisor closed its control socket.',
    remedy: 'Run `holdfast status` to see whether the machine still runs.',
  },
  'qmp.malformed': {
    when: 'The hypervisor sent a message on its control socket that does not follow the QMP specification.',
    remedy: 'Run `holdfast doctor` to check the versions of the installed packages.',
  },
  'qmp.refused': {
    when: 'The hypervisor rejected a command.',
    remedy: 'Run `holdfast status`, and try again; if it repeats, restart the machine.',
  },
  'qmp.timeout': {
    when: 'The hypervisor did not reply on its control socket within the time limit.',
    remedy: 'Check the load of the host, then run `holdfast stop --force` and `holdfast start`.',
  },
  'qmp.unreachable': {
    when: 'The control socket of the hypervisor cannot be connected to.',
    remedy: 'Run `holdfast status` to see whether the machine still runs.',
  },
  'sandbox.file': {
    when: 'A file of a machine is a link or no file, so it cannot be given to the user that runs the machine.',
    remedy: 'Put the file itself in its place. To have it on another disk, move `HOLDFAST_HOME`.',
  },
  'sandbox.user': {
    when: 'The user IDs that machines may have are taken by accounts or processes of the host.',
    remedy: 'Read which range machines use in the [reference](sandbox.md), and free it.',
  },
  'socket.foreign': {
    when: 'A program of a machine replaced its socket by something else.',
    remedy: 'Run `holdfast restart`. If it repeats, treat the guest as compromised.',
  },
  'vsock.gone': {
    when: 'The process that carries the channel has ended and cannot be replaced while the machine runs.',
    remedy: 'Run `holdfast restart`.',
  },
} as const satisfies Record<string, ErrorEntry>;
