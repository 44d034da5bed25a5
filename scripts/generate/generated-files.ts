import { cliPage } from './cli-reference.ts';
import { errorsPage } from './errors-page.ts';
import type { GeneratedFile } from './generated-file.ts';
import { jsonPage, jsonSchemas } from './json-schemas.ts';
import { manualPages } from './manual.ts';
import { brokerPage, claimsPage } from './tables.ts';

/** Every generated file. `npm run generate` writes them, and a test fails when one is stale. */
export const generatedFiles: readonly GeneratedFile[] = [
  brokerPage,
  claimsPage,
  cliPage,
  errorsPage,
  jsonPage,
  ...jsonSchemas,
  ...manualPages,
];
