/** `missing`: machines cannot run; `warning`: they can, but something else fails or is slower. */
export type HostVerdict = 'ok' | 'warning' | 'missing';

/** The result of a check. */
export interface HostFinding {
  readonly verdict: HostVerdict;
  /** What was found, in one line. */
  readonly found: string;
  /** How to fix it; absent when the verdict is `ok`. */
  readonly remedy?: string;
}

/** A check of one thing that Holdfast needs on the host. */
export interface HostCheck {
  readonly name: string;
  examine(): Promise<HostFinding>;
}
