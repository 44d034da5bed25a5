import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { run } from '../../../../src/base/process.ts';
import { parseMachineName } from '../../../../src/machine/paths.ts';
import { homeLine, type UnitParts, unitName, unitText } from '../../../../src/supervisor/systemd/unit.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdfast-unit-'));
after(() => rmSync(directory, { recursive: true }));

const parts: UnitParts = {
  name: parseMachineName('gateway-1'),
  home: '/srv/my machines/100%/"x"',
  command: [process.execPath, '/opt/hold fast/$HOME/supervisor.ts', 'gateway-1'],
  path: '/usr/sbin:/usr/bin',
  scope: 'system',
};

test('the unit defines start and end of the supervisor', () => {
  const lines = unitText(parts).split('\n');
  for (const line of ['KillMode=process', 'Restart=on-failure', 'WantedBy=multi-user.target'])
    assert.ok(lines.includes(line), line);
  assert.ok(!unitText(parts).includes('ExecStop'));
  assert.ok(unitText({ ...parts, scope: 'user' }).includes('WantedBy=default.target'));
  assert.ok(lines.includes(homeLine(parts.home)));
});

test('quotes all unit syntax in a path', () => {
  const text = unitText(parts);
  assert.match(text, /^Environment="HOLDFAST_HOME=\/srv\/my machines\/100%%\/\\"x\\""$/m);
  assert.match(text, /^ExecStart=".*" "\/opt\/hold fast\/\$\$HOME\/supervisor\.ts" "gateway-1"$/m);
  assert.throws(() => unitText({ ...parts, home: '/srv/a\nExecStartPre=/bin/false' }), {
    code: 'autostart.path',
  });
});

for (const scope of ['system', 'user'] as const)
  test(`systemd accepts the ${scope} unit`, async (context) => {
    const path = join(directory, unitName(parts.name));
    writeFileSync(path, unitText({ ...parts, scope }));
    try {
      const { stderr } = await run('systemd-analyze', [`--${scope}`, '--man=no', 'verify', path], {
        env: { ...process.env, XDG_RUNTIME_DIR: directory, SYSTEMD_LOG_LEVEL: 'warning' },
      });
      assert.doesNotMatch(stderr, /gateway-1/);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'process.missing')
        context.skip('systemd-analyze is not installed');
      else throw error;
    }
  });
