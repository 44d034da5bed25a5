import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Machine } from '../../../../src/machine/machine.ts';
import { homeAt, parseMachineName } from '../../../../src/machine/paths.ts';
import {
  disableAutostart,
  enableAutostart,
  hostServiceManager,
  isAutostarted,
  type ServiceManager,
} from '../../../../src/supervisor/systemd/autostart.ts';

const scratch = mkdtempSync(join(tmpdir(), 'holdfast-autostart-'));
after(() => rmSync(scratch, { recursive: true }));

const name = parseMachineName('gateway-1');
const machine = new Machine(homeAt('/srv/holdfast'), name);

function fakeManager(changes: Partial<ServiceManager> = {}) {
  const unitDirectory = mkdtempSync(join(scratch, 'units-'));
  const commands: string[] = [];
  const manager: ServiceManager = {
    scope: 'system',
    unitDirectory,
    runtime: undefined,
    isRunning: async () => true,
    isLingering: async () => true,
    systemctl: async (...args) => void commands.push(args.join(' ')),
    ...changes,
  };
  return { manager, commands, unit: join(unitDirectory, 'holdfast@gateway-1.service') };
}

test('enable writes and enables the unit; disable undoes both', async () => {
  const { manager, commands, unit } = fakeManager();
  assert.equal(await isAutostarted(machine, manager), false);
  assert.equal(await enableAutostart(machine, manager), true);
  assert.equal(await isAutostarted(machine, manager), true);
  assert.match(readFileSync(unit, 'utf8'), /supervisor\/main\.ts" "start" "gateway-1"/);
  assert.equal(await disableAutostart(machine, manager), true);
  assert.equal(existsSync(unit), false);
  assert.deepEqual(commands, [
    'daemon-reload',
    'enable holdfast@gateway-1.service',
    'disable holdfast@gateway-1.service',
    'daemon-reload',
  ]);
});

test('enabling and disabling are idempotent', async () => {
  const { manager, commands } = fakeManager();
  assert.equal(await disableAutostart(machine, manager), false);
  assert.deepEqual(commands, []);
  await enableAutostart(machine, manager);
  assert.equal(await enableAutostart(machine, manager), false);
});

test('a machine of the same name in another home is not changed', async () => {
  const { manager, unit } = fakeManager();
  await enableAutostart(machine, manager);
  const other = new Machine(homeAt('/srv/other'), name);
  assert.equal(await isAutostarted(other, manager), false);
  assert.equal(await disableAutostart(other, manager), false);
  await assert.rejects(enableAutostart(other, manager), { code: 'autostart.taken', exitCode: 1 });
  assert.equal(await isAutostarted(machine, manager), true);
  assert.ok(existsSync(unit));
});

test('reports a host without systemd', async () => {
  const { manager, unit } = fakeManager({ isRunning: async () => false });
  await assert.rejects(enableAutostart(machine, manager), { code: 'autostart.systemd', exitCode: 1 });
  assert.equal(existsSync(unit), false);
  assert.equal(await disableAutostart(machine, manager), false);
});

test('reports how to enable lingering', async () => {
  const { manager, unit } = fakeManager({ scope: 'user', isLingering: async () => false });
  await assert.rejects(enableAutostart(machine, manager), {
    code: 'autostart.linger',
    next: /loginctl enable-linger/,
  });
  assert.equal(existsSync(unit), false);
});

test('creates a missing unit directory', async () => {
  const { manager } = fakeManager();
  const unitDirectory = join(scratch, 'deep/systemd/user');
  mkdirSync(join(scratch, 'deep'));
  await enableAutostart(machine, { ...manager, unitDirectory });
  assert.ok(existsSync(join(unitDirectory, 'holdfast@gateway-1.service')));
});

test('writes units to the directory of the scope', () => {
  const { scope, unitDirectory } = hostServiceManager({ XDG_CONFIG_HOME: '/home/u/.config' });
  assert.equal(unitDirectory, scope === 'system' ? '/etc/systemd/system' : '/home/u/.config/systemd/user');
});
