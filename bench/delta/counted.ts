import type { RepositorySource } from '../../src/repository/source/source.ts';

/** Wraps a source to count the bytes read from it. */
export function counted(source: RepositorySource): { source: RepositorySource; total: () => number } {
  let bytes = 0;
  return {
    total: () => bytes,
    source: {
      ...source,
      read: async (...request) => {
        const read = await source.read(...request);
        bytes += read?.length ?? 0;
        return read;
      },
      async *readRange(...request) {
        for await (const chunk of source.readRange(...request)) {
          bytes += chunk.length;
          yield chunk;
        }
      },
    },
  };
}
