import { mkdirSync, mkdtempSync, rmdirSync, unlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { isSystemError } from '../base/errors.ts';
import type { ByteName, OpenDirectory } from '../base/open-directory.ts';

const prefix = '.holdfast-copy.';

/** A directory next to the destination that no other user can enter, so that moving from it is a rename. */
export interface Stage {
  /** Where the archive is unpacked. */
  readonly content: OpenDirectory;
  /** Removes the stage, and what is left in it. */
  remove(): void;
}

/** @throws Node's system errors when the directory cannot be written. */
export function makeStage(parent: OpenDirectory): Stage {
  const name = basename(mkdtempSync(parent.path(prefix).toString()));
  const stage = parent.child(name);
  try {
    const { uid, mode } = stage.stat();
    // another owner of the parent could have replaced it
    if (uid !== process.geteuid?.() || (mode & 0o077) !== 0)
      throw new Error('another user replaced the new directory');
    mkdirSync(stage.path('new'), { mode: 0o700 });
    const content = stage.child('new');
    return {
      content,
      remove: () => {
        content.close();
        emptyDirectory(stage);
        stage.close();
        removeName(parent, name);
      },
    };
  } catch (error) {
    stage.close();
    removeName(parent, name);
    throw error;
  }
}

function removeName(parent: OpenDirectory, name: ByteName): void {
  try {
    rmdirSync(parent.path(name));
  } catch (error) {
    // another owner of the parent moved or replaced it: what has its name now is not ours
    const isReplaced = ['ENOENT', 'ENOTDIR', 'ENOTEMPTY'].some((code) => isSystemError(error, code));
    if (!isReplaced) throw error;
  }
}

function emptyDirectory(directory: OpenDirectory): void {
  directory.chmod(0o700); // copied directories can lack write permission
  for (const name of directory.names()) {
    if (!directory.find(name)?.isDirectory()) {
      unlinkSync(directory.path(name));
      continue;
    }
    const child = directory.child(name);
    try {
      emptyDirectory(child);
    } finally {
      child.close();
    }
    rmdirSync(directory.path(name));
  }
}
