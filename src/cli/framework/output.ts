import { visibleColours, visibleJson } from '../../base/visible.ts';
import { nameMachine } from '../../machine/hints.ts';

/** A value of the type that a schema describes, read-only. */
export type Printed<T> = T extends readonly (infer Item)[]
  ? readonly Printed<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Printed<T[Key]> }
    : T;

/** Prints a command's result, which is of the type that the command declares as its `output`. */
export interface Output<T> {
  /** Prints the command's result: `value` as JSON with `--json`, else `text`. Streams (`logs --follow`) call it per item. */
  readonly result: (value: Printed<T>, text: string) => void;
  /** Resolves when all that was printed has left this process. @throws what the stream does. */
  readonly printed: () => Promise<void>;
}

/**
 * Prints answers on `stream`: with `json` one object per line, so that a stream of answers can be read line by line. Nothing in
 * them controls a terminal: parts of any answer can come from a guest.
 * @param machine the machine that hints in texts name.
 */
export function printOn(stream: NodeJS.WritableStream, json: boolean, machine?: string): Output<unknown> {
  return {
    result: (value, text) => {
      const line = json ? visibleJson(JSON.stringify(value)) : visibleColours(nameMachine(text, machine));
      stream.write(!json && (line === '' || line.endsWith('\n')) ? line : `${line}\n`);
    },
    printed: () =>
      new Promise((resolve, reject) => {
        stream.write('', (error) => (error ? reject(error) : resolve()));
      }),
  };
}
