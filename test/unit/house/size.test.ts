import assert from 'node:assert/strict';
import { test } from 'node:test';
import { functionsIn } from '../../support/functions.ts';
import { sourcesIn } from '../../support/sources.ts';

const longestFunction = 60;
const longestFile = 300;

const sources = sourcesIn('src', 'scripts', 'bench');

test(`no function has more than ${longestFunction} lines`, () => {
  const long = sources.flatMap(({ path, lines }) =>
    functionsIn(lines)
      .filter(({ length }) => length > longestFunction)
      .map(({ line, length }) => `${path}:${line} has ${length} lines`),
  );
  assert.deepEqual(long, []);
});

test(`no file has more than ${longestFile} lines`, () => {
  const long = sources.filter(({ lines }) => lines.length > longestFile);
  assert.deepEqual(
    long.map(({ path, lines }) => `${path} has ${lines.length} lines`),
    [],
  );
});

const example = `
export async function open(path: string): Promise<void> {
  const wait = () =>
    sleep(1);
  if (
    path
  ) {
    write(\`
#!/bin/sh
\`);
  }
}

class Disk {
  static async make(
    size: number,
  ): Promise<Disk> {
    const disks = sizes.map((each) => ({
      each,
    }));
    for (const one of disks) {
      one.open();
    }
  }
}

function grow({
  size,
  path,
}: Growth): void {
  start(size);
}`;

test('functions of every form are found and counted', () => {
  assert.deepEqual(functionsIn(example.split('\n')), [
    { line: 2, length: 11 },
    { line: 3, length: 2 },
    { line: 15, length: 10 },
    { line: 18, length: 3 },
    { line: 27, length: 6 },
  ]);
});
