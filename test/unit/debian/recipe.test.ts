import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mmdebstrapOptions } from '../../../src/debian/install-root.ts';
import * as recipe from '../../../src/debian/recipe.ts';

test('the packages of the boot image do not stay in the root', () => {
  for (const name of ['busybox-static', 'systemd-boot-efi', 'dpkg', 'perl-base', 'debconf']) {
    assert.ok(recipe.takenOut.includes(name), name);
  }
  assert.equal(new Set(recipe.packages).size, recipe.packages.length);
});

test('the properties of the architecture are in their places', () => {
  assert.ok(recipe.packages.includes('linux-image-cloud-amd64'));
  assert.ok(recipe.removedPaths.includes('usr/lib/x86_64-linux-gnu/cryptsetup'));
  assert.equal(recipe.removedModules[0], 'arch/x86/kvm');
});

test('mmdebstrap makes a minimal root of these packages', () => {
  assert.deepEqual(mmdebstrapOptions.slice(0, 6), [
    '--mode=root',
    '--variant=essential',
    '--format=directory',
    `--include=${recipe.packages.join(',')}`,
    '--aptopt=APT::Install-Recommends "false"',
    '--aptopt=Acquire::Retries "3"',
  ]);
  assert.equal(mmdebstrapOptions.length, 6 + recipe.excludedPaths.length);
});
