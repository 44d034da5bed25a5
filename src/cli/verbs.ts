import type { Verb } from './verb.ts';

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
  doctor: { summary: 'check this host and say how to mend it', load: () => import('./doctor.ts') },
  build: { summary: 'build a signed release', load: () => import('./build.ts') },
  deploy: { summary: 'create and start a machine', load: () => import('./deploy.ts') },
  list: { summary: 'list all machines', load: () => import('./list.ts') },
  status: { summary: 'show how a machine is', load: () => import('./status.ts') },
  start: { summary: 'start a machine', load: () => import('./start.ts') },
  stop: { summary: 'shut a machine down', load: () => import('./stop.ts') },
  restart: { summary: 'shut a machine down and start it again', load: () => import('./restart.ts') },
  remove: { summary: 'remove a machine and all that it left', load: () => import('./remove.ts') },
  set: { summary: "change a stopped machine's CPUs, memory or data size", load: () => import('./set.ts') },
  exec: { summary: 'run a command in the machine', load: () => import('./exec.ts') },
  shell: { summary: 'open a shell in the machine', load: () => import('./shell.ts') },
  copy: { summary: 'copy files into or out of the machine', load: () => import('./copy.ts') },
  logs: { summary: "show the machine's journal, or archive all logs", load: () => import('./logs.ts') },
  firewall: { summary: 'list or change what may come into the machine', load: () => import('./firewall.ts') },
  update: { summary: 'bring the machine to another release, or back', load: () => import('./update.ts') },
  ipe: {
    summary: 'show or choose what happens to programs that nobody signed',
    load: () => import('./ipe.ts'),
  },
  audit: {
    summary: 'test every security claim on the machine',
    load: () => import('./audit.ts'),
  },
  attest: {
    summary: 'have the machine prove what it was started from',
    load: () => import('./attest.ts'),
  },
  drift: { summary: 'list what the machine changed against its release', load: () => import('./drift.ts') },
  verity: {
    summary: 'show, or switch from the next start on, whether the root is verified',
    load: () => import('./verity.ts'),
  },
  'release keys': {
    summary: 'make or change the keys of a repository',
    load: () => import('./release-keys.ts'),
  },
  'release publish': { summary: 'add a release to a repository', load: () => import('./release-publish.ts') },
  'release bundle': { summary: 'put a release into one file', load: () => import('./release-bundle.ts') },
  'release diff': { summary: 'say how two releases differ', load: () => import('./release-diff.ts') },
  recovery: {
    summary: 'open encrypted data with the recovery key',
    load: () => import('./recovery.ts'),
  },
  autostart: { summary: 'start the machine with this host, or not', load: () => import('./autostart.ts') },
  'tpm status': {
    summary: 'show what was measured, and whether it can',
    load: () => import('./tpm-status.ts'),
  },
  'tpm enable': { summary: "let the machine use the host's TPM", load: () => import('./tpm-enable.ts') },
  'tpm disable': { summary: 'take that away', load: () => import('./tpm-disable.ts') },
  'tpm info': { summary: 'show endorsement key and registration id', load: () => import('./tpm-info.ts') },
  'tpm nv-read': { summary: 'read an NV index as the machine can', load: () => import('./tpm-nv-read.ts') },
  completion: { summary: 'print the completion script of a shell', load: () => import('./completion.ts') },
};
