import type { CommandTable } from './framework/command.ts';

const machines: CommandTable = {
  deploy: {
    summary: 'Create and start a machine',
    load: async () => (await import('./commands/deploy.ts')).deployCommand,
  },
  list: {
    summary: 'List all machines',
    load: async () => (await import('./commands/list.ts')).listCommand,
  },
  status: {
    summary: 'Show the state of a machine',
    load: async () => (await import('./commands/status/status.ts')).statusCommand,
  },
  start: {
    summary: 'Start a machine',
    load: async () => (await import('./commands/start.ts')).startCommand,
  },
  stop: {
    summary: 'Shut down a machine',
    load: async () => (await import('./commands/stop.ts')).stopCommand,
  },
  restart: {
    summary: 'Shut down a machine and start it again',
    load: async () => (await import('./commands/restart.ts')).restartCommand,
  },
  set: {
    summary: 'Change CPUs, memory, data size or repository',
    load: async () => (await import('./commands/set.ts')).setCommand,
  },
  autostart: {
    summary: 'Control whether a machine starts with the host',
    subcommands: {
      enable: {
        summary: 'Start the machine when the host boots',
        load: async () => (await import('./commands/autostart/enable.ts')).autostartEnableCommand,
      },
      disable: {
        summary: 'Do not start the machine when the host boots',
        load: async () => (await import('./commands/autostart/disable.ts')).autostartDisableCommand,
      },
    },
  },
  remove: {
    summary: 'Remove a machine and everything it stored',
    load: async () => (await import('./commands/remove.ts')).removeCommand,
  },
};

const guest: CommandTable = {
  exec: {
    summary: 'Run a command in the guest',
    load: async () => (await import('./commands/exec.ts')).execCommand,
  },
  shell: {
    summary: 'Open a shell in the guest',
    load: async () => (await import('./commands/shell.ts')).shellCommand,
  },
  copy: {
    summary: 'Copy files to or from the guest',
    load: async () => (await import('./commands/copy.ts')).copyCommand,
  },
  logs: {
    summary: "Show the guest's journal, or archive all logs",
    load: async () => (await import('./commands/logs.ts')).logsCommand,
  },
  firewall: {
    summary: 'List or change which connections the guest accepts',
    subcommands: {
      list: {
        summary: 'List the firewall rules',
        load: async () => (await import('./commands/firewall/list.ts')).firewallListCommand,
      },
      allow: {
        summary: 'Allow incoming connections to a service',
        load: async () => (await import('./commands/firewall/allow.ts')).firewallAllowCommand,
      },
      remove: {
        summary: 'Remove the rule that allows a service',
        load: async () => (await import('./commands/firewall/remove.ts')).firewallRemoveCommand,
      },
      reset: {
        summary: 'Remove all firewall rules',
        load: async () => (await import('./commands/firewall/reset.ts')).firewallResetCommand,
      },
    },
  },
  drift: {
    summary: 'List or reset changes to files of the release',
    load: async () => (await import('./commands/drift/drift.ts')).driftCommand,
  },
};

const updates: CommandTable = {
  update: {
    summary: 'Update a machine to another release, or roll back',
    subcommands: {
      check: {
        summary: 'Check whether a newer release is available',
        load: async () => (await import('./commands/update/check.ts')).updateCheckCommand,
      },
      stage: {
        summary: 'Write a release to the inactive slot',
        load: async () => (await import('./commands/update/stage.ts')).updateStageCommand,
      },
      apply: {
        summary: 'Install a release, try it and commit it',
        load: async () => (await import('./commands/update/apply.ts')).updateApplyCommand,
      },
      status: {
        summary: 'Show what each slot holds',
        load: async () => (await import('./commands/update/status.ts')).updateStatusCommand,
      },
      commit: {
        summary: 'Check the release on trial and commit it',
        load: async () => (await import('./commands/update/commit.ts')).updateCommitCommand,
      },
      rollback: {
        summary: 'Return to the release in the other slot',
        load: async () => (await import('./commands/update/rollback.ts')).updateRollbackCommand,
      },
    },
  },
};

const security: CommandTable = {
  audit: {
    summary: 'Test every security claim on a running machine',
    load: async () => (await import('./commands/audit.ts')).auditCommand,
  },
  attest: {
    summary: 'Prove which release a machine booted',
    load: async () => (await import('./commands/attest/attest.ts')).attestCommand,
    subcommands: {
      verify: {
        summary: 'Verify saved evidence of a boot',
        load: async () => (await import('./commands/attest/verify.ts')).attestVerifyCommand,
      },
      trust: {
        summary: 'Print what another host needs to verify evidence',
        load: async () => (await import('./commands/attest/trust.ts')).attestTrustCommand,
      },
      enrol: {
        summary: 'Record the attestation key of a machine again',
        load: async () => (await import('./commands/attest/enrol.ts')).attestEnrolCommand,
      },
    },
  },
  verity: {
    summary: 'Show or set whether the root is verified',
    subcommands: {
      status: {
        summary: 'Show whether the root is verified',
        load: async () => (await import('./commands/verity/status.ts')).verityStatusCommand,
      },
      enable: {
        summary: 'Verify the root from the next start',
        load: async () => (await import('./commands/verity/enable.ts')).verityEnableCommand,
      },
      disable: {
        summary: 'Do not verify the root from the next start',
        load: async () => (await import('./commands/verity/disable.ts')).verityDisableCommand,
      },
    },
  },
  ipe: {
    summary: 'Show or set how the kernel treats unsigned code',
    subcommands: {
      status: {
        summary: 'Show how the kernel treats unsigned code',
        load: async () => (await import('./commands/ipe/status.ts')).ipeStatusCommand,
      },
      audit: {
        summary: 'Log unsigned code from the next start',
        load: async () => (await import('./commands/ipe/audit.ts')).ipeAuditCommand,
      },
      enforce: {
        summary: 'Block unsigned code from the next start',
        load: async () => (await import('./commands/ipe/enforce.ts')).ipeEnforceCommand,
      },
    },
  },
  tpm: {
    summary: "Show the machine's TPM, or share the host's TPM with it",
    subcommands: {
      status: {
        summary: 'Show measured boot state and host TPM access',
        load: async () => (await import('./commands/tpm/status.ts')).tpmStatusCommand,
      },
      enable: {
        summary: 'Allow the machine to use the host TPM',
        load: async () => (await import('./commands/tpm/enable.ts')).tpmEnableCommand,
      },
      disable: {
        summary: "Revoke the machine's access to the host TPM",
        load: async () => (await import('./commands/tpm/disable.ts')).tpmDisableCommand,
      },
      info: {
        summary: 'Show the endorsement key and the registration ID',
        load: async () => (await import('./commands/tpm/info.ts')).tpmInfoCommand,
      },
      'nv-read': {
        summary: 'Read an NV index of the host TPM as the machine can',
        load: async () => (await import('./commands/tpm/nv-read.ts')).tpmNvReadCommand,
      },
    },
  },
  recovery: {
    summary: 'Show the recovery key, or start a machine with it',
    load: async () => (await import('./commands/recovery/recovery.ts')).recoveryCommand,
  },
};

const releases: CommandTable = {
  build: {
    summary: 'Build a signed release',
    load: async () => (await import('./commands/release/build.ts')).buildCommand,
  },
  release: {
    summary: 'Publish releases for other hosts, or import one',
    subcommands: {
      keys: {
        summary: 'Create or rotate the keys of a repository',
        subcommands: {
          init: {
            summary: 'Create the keys of a repository',
            load: async () => (await import('./commands/release/keys/init.ts')).releaseKeysInitCommand,
          },
          rotate: {
            summary: 'Replace keys of a repository with new ones',
            load: async () => (await import('./commands/release/keys/rotate.ts')).releaseKeysRotateCommand,
          },
        },
      },
      publish: {
        summary: 'Add a release to a repository',
        load: async () => (await import('./commands/release/publish.ts')).releasePublishCommand,
      },
      prune: {
        summary: 'Withdraw older releases from a repository',
        load: async () => (await import('./commands/release/prune.ts')).releasePruneCommand,
      },
      bundle: {
        summary: 'Pack a release into a single file',
        load: async () => (await import('./commands/release/bundle.ts')).releaseBundleCommand,
      },
      import: {
        summary: 'Bring a release into the store of this host',
        load: async () => (await import('./commands/release/import.ts')).releaseImportCommand,
      },
      diff: {
        summary: 'Show how two releases differ',
        load: async () => (await import('./commands/release/diff.ts')).releaseDiffCommand,
      },
    },
  },
};

const host: CommandTable = {
  doctor: {
    summary: 'Check whether this host can run machines',
    load: async () => (await import('./commands/doctor.ts')).doctorCommand,
  },
  completion: {
    summary: 'Print the completion script for a shell',
    load: async () => (await import('./commands/completion.ts')).completionCommand,
  },
};

/** Every command, in the sections and the order of help. A command's file is loaded only when it is called. */
export const sections = {
  Machines: machines,
  Guest: guest,
  Updates: updates,
  Security: security,
  Releases: releases,
  Host: host,
} as const satisfies Readonly<Record<string, CommandTable>>;

export const commands: CommandTable = Object.assign({}, ...Object.values(sections));
