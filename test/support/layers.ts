/** A directory below `src/` with its sub-directories, except those that are layers of their own. */
export interface Layer {
  readonly directory: string;
  readonly holds: string;
}

/**
 * The layers, top first. A file imports from its own layer and from those below it, never from above.
 * docs/design.md prints this table, and test/unit/house/layers.test.ts checks all imports against it.
 */
export const layers: readonly Layer[] = [
  { directory: 'cli', holds: 'the command line: the table of commands, and `main`' },
  { directory: 'cli/commands', holds: 'one file per command. Nothing below prints' },
  { directory: 'cli/terminal', holds: 'progress, questions, colours, raw mode' },
  { directory: 'cli/output', holds: "the types of the commands' output with `--json`" },
  { directory: 'cli/framework', holds: 'declared commands: arguments, flags, help, completion, output' },
  { directory: 'update', holds: 'from one release to another: pure plan, steps, health' },
  { directory: 'audit', holds: 'the claims: statement, probes, verdict. Judging is pure' },
  { directory: 'attestation', holds: 'quote, event log, expected boot, verification' },
  {
    directory: 'lifecycle',
    holds: 'create, remove, status, settings: needs both the record and the supervisor',
  },
  { directory: 'host', holds: 'checks, packages and description of this host' },
  { directory: 'supervisor', holds: 'the process that owns a running machine' },
  { directory: 'supervisor/systemd', holds: 'its service' },
  { directory: 'supervisor/protocol', holds: 'the frames on its socket: client and server' },
  { directory: 'machine', holds: 'the record of a deployed machine: configuration, paths, keys' },
  { directory: 'guest', holds: "the host's operations in the guest, through the channel only" },
  { directory: 'repository/publisher', holds: 'publishing releases: metadata, packs, bundles' },
  { directory: 'repository/client', holds: 'fetching releases: verification, strategies, seeds' },
  {
    directory: 'repository',
    holds: 'the forms that publisher and client share: roles, catalog, signed metadata',
  },
  { directory: 'repository/source', holds: 'the sources of a repository: HTTP, directory, bundle' },
  { directory: 'release/build', holds: 'making a release: root, initrd, UKI, SBOM' },
  { directory: 'release', holds: 'a release as shipped: manifest, store, verification' },
  { directory: 'hypervisor/qemu', holds: 'QEMU: argv, processes, control socket, disk files, checks' },
  { directory: 'hypervisor', holds: 'the interface of a hypervisor' },
  { directory: 'debian', holds: 'Debian: packages, mirrors, archive keys, kernel, paths' },
  { directory: 'distribution', holds: 'the interface of a distribution' },
  { directory: 'tpm/broker', holds: "the guest's access to the host's TPM: policy, sessions, limits" },
  { directory: 'tpm/host', holds: "the host's TPM: device or socket, identity, endorsement key" },
  { directory: 'tpm/virtual', holds: 'the TPM of a machine: swtpm, attestation key' },
  { directory: 'tpm/codec', holds: 'TPM 2.0 commands and responses' },
  { directory: 'firmware', holds: 'the UEFI variable store: keys, `Boot####`, `BootOrder`, `BootNext`' },
  { directory: 'disk', holds: "the partition table as data; making and growing a machine's disk" },
  { directory: 'channel', holds: 'transports, SSH session, files' },
  {
    directory: 'sandbox',
    holds: 'what confines the programs of a machine: user, namespaces, privileges',
  },
  { directory: 'delta', holds: 'the blocks that two releases share. Independent of releases' },
  { directory: 'verity', holds: 'the Merkle tree: format, verify, compare. Pure' },
  { directory: 'tar', holds: 'tar archives as streams: strict, bounded reader; writer' },
  { directory: 'base', holds: 'process start, atomic files, errors, progress: no domain terms' },
];

/** Returns the table in Markdown. */
export function layerTable(): string {
  const rows = layers.map(({ directory, holds }) => `| \`${directory}/\` | ${holds} |`);
  return ['| directory in `src/` | holds |', '|---|---|', ...rows].join('\n');
}
