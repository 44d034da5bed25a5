import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

test('benchmarks have a home of their own, also when HOLDFAST_HOME is set', () => {
  const module = join(import.meta.dirname, '../../../bench/support/home.ts');
  const script = `console.log((await import(${JSON.stringify(module)})).home.directory)`;
  const home = execFileSync(process.execPath, ['--input-type=module', '--eval', script], {
    encoding: 'utf8',
    env: { ...process.env, HOLDFAST_HOME: '/srv/gateways', XDG_CACHE_HOME: '/cache' },
  });
  assert.equal(home.trim(), '/cache/holdfast/bench/home');
});
