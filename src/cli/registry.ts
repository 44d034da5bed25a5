import type { Verb } from './framework/command.ts';

/** A verb that help can list without loading it. */
export interface VerbEntry {
  readonly summary: string;
  load(): Promise<{ readonly verb: Verb }>;
}

/** Verbs of two words: what those with the same first word are about. */
export const groups: Readonly<Record<string, string>> = {
  release: 'publish releases for other hosts',
  tpm: "show the machine's own TPM, or use the host's from the machine",
};

/** Every verb, in the order of help. A verb's file is loaded only when it is called. */
export const verbs: Readonly<Record<string, VerbEntry>> = {
  doctor: { summary: 'check this host and say how to mend it', load: () => import('./commands/doctor.ts') },
  build: { summary: 'build a signed release', load: () => import('./commands/release/build.ts') },
  deploy: { summary: 'create and start a machine', load: () => import('./commands/deploy.ts') },
  list: { summary: 'list all machines', load: () => import('./commands/list.ts') },
  status: { summary: 'show how a machine is', load: () => import('./commands/status/status.ts') },
  start: { summary: 'start a machine', load: () => import('./commands/start.ts') },
  stop: { summary: 'shut a machine down', load: () => import('./commands/stop.ts') },
  restart: { summary: 'shut a machine down and start it again', load: () => import('./commands/restart.ts') },
  remove: { summary: 'remove a machine and all that it left', load: () => import('./commands/remove.ts') },
  set: {
    summary: "change a stopped machine's CPUs, memory or data size",
    load: () => import('./commands/set.ts'),
  },
  exec: { summary: 'run a command in the machine', load: () => import('./commands/exec.ts') },
  shell: { summary: 'open a shell in the machine', load: () => import('./commands/shell.ts') },
  copy: { summary: 'copy files into or out of the machine', load: () => import('./commands/copy.ts') },
  logs: {
    summary: "show the machine's journal, or archive all logs",
    load: () => import('./commands/logs.ts'),
  },
  firewall: {
    summary: 'list or change what may come into the machine',
    load: () => import('./commands/firewall.ts'),
  },
  update: {
    summary: 'bring the machine to another release, or back',
    load: () => import('./commands/update/update.ts'),
  },
  ipe: {
    summary: 'show or choose what happens to programs that nobody signed',
    load: () => import('./commands/ipe.ts'),
  },
  audit: {
    summary: 'test every security claim on the machine',
    load: () => import('./commands/audit.ts'),
  },
  attest: {
    summary: 'have the machine prove what it was started from',
    load: () => import('./commands/attest/attest.ts'),
  },
  drift: {
    summary: 'list what the machine changed against its release',
    load: () => import('./commands/drift/drift.ts'),
  },
  verity: {
    summary: 'show, or switch from the next start on, whether the root is verified',
    load: () => import('./commands/verity.ts'),
  },
  'release keys': {
    summary: 'make or change the keys of a repository',
    load: () => import('./commands/release/keys.ts'),
  },
  'release publish': {
    summary: 'add a release to a repository',
    load: () => import('./commands/release/publish.ts'),
  },
  'release bundle': {
    summary: 'put a release into one file',
    load: () => import('./commands/release/bundle.ts'),
  },
  'release diff': {
    summary: 'say how two releases differ',
    load: () => import('./commands/release/diff.ts'),
  },
  recovery: {
    summary: 'open encrypted data with the recovery key',
    load: () => import('./commands/recovery/recovery.ts'),
  },
  autostart: {
    summary: 'start the machine with this host, or not',
    load: () => import('./commands/autostart.ts'),
  },
  'tpm status': {
    summary: 'show what was measured, and whether it can',
    load: () => import('./commands/tpm/status.ts'),
  },
  'tpm enable': {
    summary: "let the machine use the host's TPM",
    load: () => import('./commands/tpm/enable.ts'),
  },
  'tpm disable': { summary: 'take that away', load: () => import('./commands/tpm/disable.ts') },
  'tpm info': {
    summary: 'show endorsement key and registration id',
    load: () => import('./commands/tpm/info.ts'),
  },
  'tpm nv-read': {
    summary: 'read an NV index as the machine can',
    load: () => import('./commands/tpm/nv-read.ts'),
  },
  completion: {
    summary: 'print the completion script of a shell',
    load: () => import('./commands/completion.ts'),
  },
};
