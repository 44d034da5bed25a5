import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { ignoredFile, ignoredFiles } from '../../../src/guest/ignored-files.ts';
import { systemRoot } from '../../../src/guest/system-root.ts';

/** Returns what the script prints about a system with these files. */
async function printed(files: Readonly<Record<string, string>>): Promise<string[]> {
  const root = await mkdtemp(join(tmpdir(), 'holdfast-ignored-'));
  try {
    await mkdir(join(root, 'etc'));
    for (const [path, text] of Object.entries(files)) {
      await mkdir(join(root, dirname(path)), { recursive: true });
      if (text.startsWith('-> ')) await symlink(text.slice(3), join(root, path));
      else await writeFile(join(root, path), text);
    }
    const script = ignoredFiles.replaceAll(systemRoot, root);
    return execFileSync('dash', ['-c', script], { encoding: 'utf8' }).trim().split('\n');
  } finally {
    await rm(root, { recursive: true });
  }
}

test('files that nothing reads are found', async () => {
  const files = {
    'etc/fstab': '# comment\n  tmpfs /var/scratch tmpfs size=8M 0 0\n',
    'etc/containers/systemd/users/web.container': '[Container]\n',
    'etc/init.d/holdfast-test': '#!/bin/sh\n',
    'etc/cron.d/holdfast-test': '@daily root true\n',
    'etc/network/interfaces.d/holdfast-test': 'auto eth1\n',
  };
  const words = ['fstab', 'quadlet', 'scripts', 'cron', 'network'];
  assert.deepEqual(await printed(files), words);
  for (const word of words) assert.match(ignoredFile.parse(word), / no effect: /);
  assert.deepEqual(await printed({ 'home/holdfast/.config/containers/systemd/a.pod': '-> ../b' }), [
    'quadlet',
  ]);
});

test('files that set nothing, and those of the release, are not found', async () => {
  const files = {
    'etc/fstab': '# UNCONFIGURED FSTAB\n\n',
    'etc/containers/systemd/README': 'text\n',
    'etc/systemd/system/web.service': '[Service]\n',
    // this host stands for the release
    'etc/passwd': '',
  };
  assert.deepEqual(await printed(files), ['']);
});
