import assert from 'node:assert/strict';
import { test } from 'node:test';
import { releaseNotes } from '../../../scripts/release-tag.ts';

const changelog = `# Changelog

## [Unreleased]

## [0.2.0] - 2026-12-01

### Added

- A command.

## [0.1.0] - 2026-11-01

- First version.
`;

test('the notes of a version are its changelog section', () => {
  assert.equal(releaseNotes(changelog, '0.2.0'), '### Added\n\n- A command.');
  assert.equal(releaseNotes(changelog, '0.1.0'), '- First version.');
});

test('a version without a dated section, or with an empty one, has no notes', () => {
  assert.equal(releaseNotes(changelog, '0.3.0'), undefined);
  assert.equal(releaseNotes(changelog, 'Unreleased'), undefined);
  assert.equal(releaseNotes('## [0.2.0]\n\n- A command.\n', '0.2.0'), undefined);
  assert.equal(releaseNotes('## [0.2.0] - soon\n\n- A command.\n', '0.2.0'), undefined);
  assert.equal(releaseNotes('## [0.2.0] - 2026-12-01\n\n## [0.1.0] - 2026-11-01\n', '0.2.0'), undefined);
});
