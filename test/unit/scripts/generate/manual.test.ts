import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualPages } from '../../../../scripts/generate/manual.ts';

test('no line of a manual page is an accidental request', async () => {
  const known = /^\.(\\"|TH|SH|SS|PP|TP|RS 4|RE|EX|EE|br|nh|ad l)/;
  for (const { path, make } of manualPages) {
    const text = await make('');
    for (const line of text.split('\n').filter((each) => /^[.']/.test(each))) assert.match(line, known, path);
    assert.match(text, /^\p{ASCII}*$/u, path);
  }
});
