import { type ZodType, z } from 'zod';
import { listEntries } from '../../src/cli/framework/command-table.ts';
import { errorsOutput, helpOutput, versionOutput } from '../../src/cli/output/errors.ts';
import { commands } from '../../src/cli/registry.ts';
import type { GeneratedFile } from './generated-file.ts';
import { markdownTable, replacePart } from './markdown.ts';

/** The version of the JSON output: docs/reference/json/README.md defines when it changes. */
const directory = 'docs/reference/json';
const version = 'v1';
export const schemaDirectory = `${directory}/${version}`;

const runnable = listEntries(commands).filter(({ load }) => load !== undefined);

/** A schema for each command, and those for errors, help and the version. */
export const jsonSchemas: readonly GeneratedFile[] = [
  ...runnable.map(({ name, summary, load }) => ({
    path: schemaPath(fileName(name)),
    make: async () => {
      const definition = await load?.();
      if (!definition) throw new TypeError(`${name} cannot be run`);
      return schemaText(fileName(name), `holdfast ${name}`, `${summary}.`, await definition.output());
    },
  })),
  ...[
    ['errors.json', 'Errors', 'What a command that fails prints on standard error.', errorsOutput] as const,
    ['help.json', 'Help', 'What help prints.', helpOutput] as const,
    ['version.json', 'Version', 'What `holdfast --version` prints.', versionOutput] as const,
  ].map(([file, title, description, type]) => ({
    path: schemaPath(file),
    make: () => schemaText(file, title, description, type),
  })),
];

/** The list of schemas on the page about JSON output. */
export const jsonPage = {
  path: `${directory}/README.md`,
  make(page: string): string {
    const rows = runnable.map(({ name }) => [
      `\`holdfast ${name}\``,
      `[${fileName(name)}](${version}/${fileName(name)})`,
    ]);
    return replacePart(page, 'schemas', markdownTable(['command', 'schema'], rows));
  },
};

/** Returns the name of a command's schema: `release keys init` has `release-keys-init.json`. */
function fileName(command: string): string {
  return `${command.replaceAll(' ', '-')}.json`;
}

function schemaPath(name: string): string {
  return `${schemaDirectory}/${name}`;
}

function schemaText(file: string, title: string, description: string, type: ZodType): string {
  const { $schema, ...schema } = z.toJSONSchema(type, { override: ({ jsonSchema }) => loosen(jsonSchema) });
  return `${JSON.stringify({ $schema, $id: file, title, description, ...schema }, null, 2)}\n`;
}

/** Removes constraints that would reject the output of a later minor version, or that a format implies already. */
function loosen(schema: z.core.JSONSchema.BaseSchema): void {
  if (schema.additionalProperties === false) delete schema.additionalProperties;
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
  if (schema.format !== undefined) delete schema.pattern;
}
