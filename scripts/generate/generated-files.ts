import { boundsPage } from './bounds-page.ts';
import { cliPage } from './cli-reference.ts';
import { errorsPage } from './errors-page.ts';
import type { GeneratedFile } from './generated-file.ts';
import { jsonPage, jsonSchemas, schemaDirectory } from './json-schemas.ts';
import { manualDirectory, manualPages } from './manual.ts';
import { brokerPage, claimsPage } from './tables.ts';

/** Every generated file. `npm run generate` writes them, and a test fails when one is stale. */
export const generatedFiles: readonly GeneratedFile[] = [
  boundsPage,
  brokerPage,
  claimsPage,
  cliPage,
  errorsPage,
  jsonPage,
  ...jsonSchemas,
  ...manualPages,
];

/** Directories that hold nothing else: a file of a removed command is removed. */
export const generatedDirectories = [schemaDirectory, manualDirectory];
