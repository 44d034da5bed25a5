import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServiceManager } from '../../../../src/supervisor/systemd/autostart.ts';
import { ownScope, serviceOf } from '../../../../src/supervisor/systemd/scope.ts';

function manager(changes: Partial<ServiceManager> = {}): ServiceManager {
  return {
    scope: 'system',
    unitDirectory: '/nowhere',
    runtime: '/run',
    isRunning: async () => true,
    isLingering: async () => true,
    systemctl: async () => {},
    ...changes,
  };
}

const job = '0::/system.slice/cron.service\n';
const session = '0::/user.slice/user-1000.slice/session-3.scope\n';
const ofUser = '0::/user.slice/user-1000.slice/user@1000.service/app.slice/job.service\n';

test('root gets a scope of its own wherever systemd runs', async () => {
  for (const cgroups of [job, session, '0::/\n']) {
    const scope = await ownScope('Holdfast machine a', manager(), cgroups);
    assert.equal(scope?.prefix.slice(0, 2).join(' '), 'systemd-run --scope');
    assert.equal(scope?.prefix.at(-1), '--');
    assert.deepEqual(scope?.environment, {});
  }
  assert.equal(await ownScope('', manager({ isRunning: async () => false }), job), undefined);
  assert.equal(await ownScope('', manager({ runtime: undefined }), job), undefined);
});

test('the scope of a user is one that outlives the job and the session', async () => {
  const lingers = manager({ scope: 'user', runtime: '/run/user/1000' });
  const leaves = { ...lingers, isLingering: async () => false };
  const scope = await ownScope('Holdfast machine a', lingers, job);
  assert.ok(scope?.prefix.includes('--user'));
  assert.deepEqual(scope?.environment, { XDG_RUNTIME_DIR: '/run/user/1000' });
  assert.ok(await ownScope('', leaves, ofUser), 'its manager ends with the last session, as the job would');
  for (const cgroups of [job, session]) assert.equal(await ownScope('', leaves, cgroups), undefined);
});

test('the service that ends a machine is named, but not a scope or its own service', () => {
  assert.equal(serviceOf(job), 'cron.service');
  assert.equal(serviceOf(ofUser), 'job.service');
  assert.equal(serviceOf(`12:pids:/x\n1:name=systemd:/system.slice/ci.service\n`), 'ci.service');
  const none = ['', '0::/\n', session, '0::/system.slice/run-r1.scope\n'];
  const own = ['0::/system.slice/system-holdfast.slice/holdfast@a.service\n'];
  for (const cgroups of [...none, ...own]) assert.equal(serviceOf(cgroups), undefined, cgroups);
});
