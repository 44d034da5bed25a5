import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsonSchemas } from '../../../../scripts/generate/json-schemas.ts';
import { loadCommands } from '../../../../src/cli/framework/command-table.ts';
import { commands } from '../../../../src/cli/registry.ts';

/** The parts of a schema that the tests read. */
interface Schema {
  readonly $id?: string;
  readonly title?: string;
  readonly description?: string;
  readonly additionalProperties?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
}

function withParts(schema: Schema): Schema[] {
  const parts = [...Object.values(schema.properties ?? {}), ...(schema.anyOf ?? [])];
  return [schema, ...[...parts, ...(schema.items ? [schema.items] : [])].flatMap(withParts)];
}

test('every command has a schema that describes its output', async () => {
  const names = (await loadCommands(commands)).map(({ name }) => `${name.replaceAll(' ', '-')}.json`);
  assert.deepEqual(
    jsonSchemas.map(({ path }) => path.replace(/.*\//, '')).sort(),
    [...names, 'errors.json', 'help.json', 'version.json'].sort(),
  );
  for (const { path, make } of jsonSchemas) {
    const schema: Schema = JSON.parse(await make(''));
    assert.ok(path.endsWith(`/${schema.$id}`), path);
    assert.ok(schema.title && schema.description, path);
    assert.ok(schema.properties ?? schema.anyOf, path);
  }
});

test('no schema rejects keys that a later version adds', async () => {
  for (const { path, make } of jsonSchemas) {
    for (const part of withParts(JSON.parse(await make(''))))
      assert.notEqual(part.additionalProperties, false, path);
  }
});
