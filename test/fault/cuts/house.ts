import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exists } from '../../../src/base/files.ts';
import { run } from '../../../src/base/process.ts';
import { MiB } from '../../../src/base/size.ts';
import { homeAt } from '../../../src/machine/paths.ts';
import { program, home as shared } from '../../support/vm/machine.ts';

const roomy = 6144 * MiB;

/** A HOLDFAST_HOME on a separate file system, which can be filled. */
export class House {
  readonly home: string;

  private constructor(home: string) {
    this.home = home;
  }

  static async open(): Promise<House> {
    const home = await mkdtemp(join(tmpdir(), 'holdfast-cuts-'));
    await run('mount', ['-t', 'tmpfs', '-o', `size=${roomy},mode=0700`, 'holdfast-cuts', home]);
    const house = new House(home);
    try {
      await house.#furnish();
    } catch (error) {
      await house.close();
      throw error;
    }
    return house;
  }

  async #furnish(): Promise<void> {
    const home = homeAt(this.home);
    await cp(join(shared.keys, 'release'), join(home.keys, 'release'), { recursive: true });
    // reuses the downloads of other tests
    if (await exists(shared.tools)) await cp(shared.tools, home.tools, { recursive: true });
  }

  /** Runs `holdfast`, which must succeed unless `accept` has its code. @returns its output, or its error output. */
  async holdfast(words: readonly string[], accept: readonly number[] = [0]): Promise<string> {
    const { stdout, stderr, code } = await run(program, words, {
      env: { ...process.env, HOLDFAST_HOME: this.home },
      timeoutMs: 900_000,
      accept: [0, 1, 2, ...accept],
    });
    assert.ok(accept.includes(code), `holdfast ${words.join(' ')} ended with ${code}: ${stderr}`);
    return code === 0 ? stdout.toString() : stderr;
  }

  /** Fills the file system. */
  async fill(): Promise<void> {
    const { blocks, bfree, bsize } = await statfs(this.home);
    await this.#resize((blocks - bfree) * bsize + MiB);
  }

  makeRoom(): Promise<void> {
    return this.#resize(roomy);
  }

  async close(): Promise<void> {
    // lazily: processes that still use it must not hide the reason of a failure
    await run('umount', ['--lazy', this.home]);
    await rm(this.home, { recursive: true });
  }

  async #resize(size: number): Promise<void> {
    await run('mount', ['-o', `remount,size=${size}`, this.home]);
  }
}
