/** Progress of a step; `total` is absent while it is unknown. */
export interface Amount {
  readonly done: number;
  readonly total?: number;
  readonly unit: 'bytes' | 'items' | 'seconds';
}

/** A running step. */
export interface ProgressStep {
  update(amount: Amount): void;
  /** Sets a short text on the current activity within the step. */
  note(text: string): void;
}

/** Receives the progress of long operations. Only `cli/` displays it; nothing below prints. */
export interface Progress {
  /** Runs `work` as one named step, which ends when `work` does. */
  step<T>(title: string, work: (step: ProgressStep) => Promise<T>): Promise<T>;
}

/** Discards all progress. */
export const silent: Progress = {
  step: (_title, work) => work({ update: () => {}, note: () => {} }),
};
