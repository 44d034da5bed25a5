import { basename } from 'node:path';
import { failure } from '../../base/errors.ts';

/** The files with the state of a virtual TPM. */
export interface TpmState {
  readonly directory: string;
  /** The file (mode 0600) with the key that encrypts it: 64 hexadecimal digits. */
  readonly key: string;
}

export const swtpmProgram = 'swtpm';

/** Returns swtpm's options for a TPM 2.0 with this state, encrypted with the key in its file: swtpm(8). */
export function swtpmStateArguments({ directory, key }: TpmState): readonly string[] {
  return stateArguments(directory, `file=${key}`);
}

/** @param key where swtpm reads the key: the key itself is on no command line. */
function stateArguments(directory: string, key: string): readonly string[] {
  checkPath(directory);
  return [
    ...['socket', '--tpm2'],
    ...['--tpmstate', `dir=${directory},mode=0600`],
    ...['--key', `${key},mode=aes-256-cbc,format=hex`],
  ];
}

/**
 * Returns the argv of a machine's TPM. The hypervisor connects to the socket `control`; the TPM ends when it disconnects.
 * @param key the descriptor of the open file with the key.
 */
export function swtpmArguments({ directory }: TpmState, control: string, key: number): readonly string[] {
  return [
    ...stateArguments(directory, `fd=${key}`),
    ...['--ctrl', `type=unixio,path=${control},mode=0600`],
    '--terminate',
  ];
}

/** Returns whether this is the argv of the TPM with the socket `control`. */
export function isSwtpmOf(argv: readonly string[], control: string): boolean {
  const at = argv.indexOf('--ctrl');
  return (
    basename(argv[0] ?? '') === swtpmProgram &&
    (argv[at + 1] ?? '').startsWith(`type=unixio,path=${control},`)
  );
}

/** Rejects a comma, which ends an option of swtpm and cannot be escaped: swtpm's options.c, `options_parse`. */
function checkPath(path: string): void {
  if (!path.includes(',')) return;
  throw failure('tpm.path', "cannot start the machine's TPM", {
    why: `${path} contains a comma, which swtpm does not support`,
    next: 'move HOLDFAST_HOME to a directory without one',
  });
}
