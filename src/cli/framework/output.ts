/** Prints a command's result. */
export interface Output {
  /** Prints the command's result: `value` as JSON with `--json`, else `text`. Streams (`logs --follow`) call it per item. */
  result(value: unknown, text: string): void;
  /** Resolves when all that was printed has left this process. @throws what the stream does. */
  printed(): Promise<void>;
}

/** Prints answers on `stream`: with `json` one object per line, so that a stream of answers can be read line by line. */
export function printOn(stream: NodeJS.WritableStream, json: boolean): Output {
  return {
    result: (value, text) => {
      stream.write(
        json ? `${JSON.stringify(value)}\n` : text === '' || text.endsWith('\n') ? text : `${text}\n`,
      );
    },
    printed: () =>
      new Promise((resolve, reject) => {
        stream.write('', (error) => (error ? reject(error) : resolve()));
      }),
  };
}
