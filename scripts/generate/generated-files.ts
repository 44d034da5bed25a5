import { cliPage } from './cli-reference.ts';
import { errorsPage } from './errors-page.ts';
import { jsonPage, jsonSchemas } from './json-schemas.ts';
import { manualPages } from './manual.ts';
import { brokerPage, claimsPage } from './tables.ts';

/** A file of the repository that is made from the sources, whole or in part. */
export interface GeneratedFile {
  /** Relative to the repository. */
  readonly path: string;
  /**
   * Returns what the file must contain.
   * @param current its content; empty when the file does not exist.
   */
  make(current: string): string | Promise<string>;
}

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
