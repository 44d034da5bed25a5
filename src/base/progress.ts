/** How far a step is; `total` is absent while it is not known. */
export interface Amount {
  readonly done: number;
  readonly total?: number;
  readonly unit: 'bytes' | 'items' | 'seconds';
}

/** A step under way. */
export interface Step {
  update(amount: Amount): void;
  /** A short word on what is happening inside the step. */
  note(text: string): void;
}

/** Where long work tells what it is doing. Only `cli/` shows it; nothing below prints. */
export interface Progress {
  /** Runs `work` as one named step; its end, or failure, ends the step. */
  step<T>(title: string, work: (step: Step) => Promise<T>): Promise<T>;
}

/** Tells nobody: for callers that do not watch. */
export const silent: Progress = {
  step: (_title, work) => work({ update: () => {}, note: () => {} }),
};
