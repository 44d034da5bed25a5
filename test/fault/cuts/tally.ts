import { describe } from '../../../src/base/errors.ts';

/** Counts and prints passed and failed checks. */
export class Tally {
  #passed = 0;
  #failed = 0;

  /** @param work returns a description of the result; an exception is printed and counted. */
  async attempt(title: string, work: () => Promise<string>): Promise<void> {
    const began = performance.now();
    const seconds = () => `${Math.round((performance.now() - began) / 1000)} s`;
    try {
      console.log(`${title}: ${await work()} (${seconds()})`);
      this.#passed += 1;
    } catch (error) {
      console.log(`${title}: FAILED after ${seconds()}: ${describe(error)}`);
      this.#failed += 1;
    }
  }

  /** Prints the counts and sets exit code 1 after any failure. */
  close(): void {
    console.log(`${this.#passed} passed, ${this.#failed} failed`);
    process.exitCode = this.#failed === 0 ? 0 : 1;
  }
}
