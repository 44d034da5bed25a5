import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openLogFile, previousLog, rotateLog } from '../../../src/supervisor/log-file.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdfast-log-'));
after(() => rmSync(directory, { recursive: true }));

test('a line has time and subsystem, and is always one line', () => {
  const path = join(directory, 'line.log');
  openLogFile(path, 1000, () => new Date(0))('tpm', 'guest said: a\r\nb\u001b[2J');
  assert.equal(readFileSync(path, 'utf8'), '1970-01-01T00:00:00.000Z tpm: guest said: a b [2J\n');
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('the log is bounded, and has the newest lines', () => {
  const path = join(directory, 'bounded.log');
  const log = openLogFile(path, 1000);
  for (let count = 0; count < 500; count++) log('supervisor', `line ${count}`);
  const sizes = [path, previousLog(path)].map((each) => statSync(each).size);
  for (const size of sizes) assert.ok(size > 0 && size <= 1000, `${size} bytes`);
  assert.match(readFileSync(path, 'utf8'), /line 499\n$/);
  assert.ok(readFileSync(previousLog(path), 'utf8').length > 900);
});

test('a log is continued by the next supervisor', () => {
  const path = join(directory, 'continued.log');
  openLogFile(path, 1000)('supervisor', 'first');
  openLogFile(path, 1000)('supervisor', 'second');
  assert.match(readFileSync(path, 'utf8'), /first\n.*second\n$/);
});

test('rotates a full file of another process', () => {
  const path = join(directory, 'console.log');
  rotateLog(path, 10);
  writeFileSync(path, 'short');
  rotateLog(path, 10);
  assert.ok(existsSync(path));
  writeFileSync(path, 'much longer');
  rotateLog(path, 10);
  assert.equal(existsSync(path), false);
  assert.equal(readFileSync(previousLog(path), 'utf8'), 'much longer');
});
