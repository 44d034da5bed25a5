import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { failure, HoldfastError } from '../../../../src/base/errors.ts';
import { silent } from '../../../../src/base/progress.ts';
import { parseSize } from '../../../../src/base/size.ts';
import { type Context, defineCommand, type Given } from '../../../../src/cli/framework/command.ts';
import {
  anyText,
  flagName,
  oneOf,
  optional,
  required,
  rest,
  setting,
  toggle,
  wholeNumber,
} from '../../../../src/cli/framework/parameters.ts';
import { Machine } from '../../../../src/machine/machine.ts';
import { homeAt, parseMachineName } from '../../../../src/machine/paths.ts';

const context: Context<unknown> = {
  machine: new Machine(homeAt('/nowhere'), parseMachineName('default')),
  json: false,
  home: homeAt('/nowhere'),
  commands: {},
  progress: silent,
  output: { result: () => {}, printed: async () => {} },
  streams: process,
  signal: new AbortController().signal,
  exitWith: () => {},
};

const tables = {
  arguments: {
    source: required('SRC', 'from', anyText),
    target: optional('DST', 'to', anyText),
    words: rest('W', 'more'),
  },
  flags: {
    cpus: setting('N', 'processors', wholeNumber),
    dataSize: setting('SIZE', 'data', parseSize),
    logSize: setting('SIZE', 'log', oneOf('small', 'large')),
    force: toggle('at once'),
  },
};

const output = async () => z.never();

/** Returns the input of the command's `run`. */
async function callWith(given: Given): Promise<unknown> {
  let seen: unknown;
  const command = defineCommand({
    ...tables,
    examples: [],
    output,
    run: async (call) => {
      seen = { arguments: call.arguments, flags: call.flags };
    },
  });
  await command.run(given, context);
  return seen;
}

test('reads arguments and flags with their parsers', async () => {
  const given = {
    arguments: { source: ['a'], target: ['b'], words: ['c', 'd'] },
    flags: { cpus: '4', dataSize: '2GB', logSize: 'large', force: true as const },
  };
  assert.deepEqual(await callWith(given), {
    arguments: { source: 'a', target: 'b', words: ['c', 'd'] },
    flags: { cpus: 4, dataSize: 2 * 1024 ** 3, logSize: 'large', force: true },
  });
});

test('an absent flag is undefined, an absent toggle false', async () => {
  assert.deepEqual(await callWith({ arguments: { source: ['a'] }, flags: {} }), {
    arguments: { source: 'a', target: undefined, words: [] },
    flags: { cpus: undefined, dataSize: undefined, logSize: undefined, force: false },
  });
});

test('names one wrong value with its flag', async () => {
  await assert.rejects(callWith({ arguments: { source: ['a'] }, flags: { dataSize: 'much' } }), {
    name: 'HoldfastError',
    code: 'size.malformed',
    exitCode: 2,
    message: "--data-size: invalid size 'much'",
  });
});

test('all wrong values are reported at once', async () => {
  const flags = { cpus: 'two', dataSize: '-1', logSize: 'huge' };
  await assert.rejects(callWith({ arguments: { source: [''] }, flags }), (error) => {
    assert(error instanceof AggregateError);
    assert.deepEqual(
      error.errors.map((each) => each instanceof HoldfastError && each.message.split(':', 1)[0]),
      ['SRC', '--cpus', '--data-size', '--log-size'],
    );
    return true;
  });
});

test('a defect in a parser is an internal error', async () => {
  const command = defineCommand({
    arguments: {},
    flags: {
      broken: setting('X', 'breaks', () => {
        throw new TypeError('a defect');
      }),
    },
    examples: [],
    output,
    run: async () => {},
  });
  await assert.rejects(command.run({ arguments: {}, flags: { broken: 'x' } }, context), TypeError);
});

test("an error of the command's run is unchanged", async () => {
  const error = failure('internal', 'y');
  const command = defineCommand({
    arguments: {},
    flags: {},
    examples: [],
    output,
    run: () => Promise.reject(error),
  });
  await assert.rejects(command.run({ arguments: {}, flags: {} }, context), (thrown) => thrown === error);
});

test('whole numbers only', () => {
  assert.equal(wholeNumber('0'), 0);
  for (const word of ['', '-1', '1.5', '1e3', ' 1', '0x10', '9007199254740993', 'NaN']) {
    assert.throws(() => wholeNumber(word), { code: 'usage.number', exitCode: 2 }, word);
  }
});

test('flag names', () => {
  assert.equal(flagName('cpus'), '--cpus');
  assert.equal(flagName('dataSize'), '--data-size');
});
