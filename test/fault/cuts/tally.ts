import { describe } from '../../../src/base/errors.ts';

/** Counts what passed and what failed, and tells of each. */
export class Tally {
  #passed = 0;
  #failed = 0;

  /** @param work answers what came of it, in words; what it throws is told and counted. */
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

  /** Tells the counts; the process ends with 1 if anything failed. */
  close(): void {
    console.log(`${this.#passed} passed, ${this.#failed} failed`);
    process.exitCode = this.#failed === 0 ? 0 : 1;
  }
}
