import { cp, mkdtemp, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exists } from '../../../src/base/files.ts';
import { run } from '../../../src/base/process.ts';
import { MiB } from '../../../src/base/size.ts';
import { homeLayout } from '../../../src/machine/home.ts';
import { layout as shared } from '../../vm/machine.ts';

const roomy = 6144 * MiB;

/** A HOLDFAST_HOME on a file system of its own, which can be made full. */
export class House {
  readonly home: string;

  private constructor(home: string) {
    this.home = home;
  }

  static async open(): Promise<House> {
    const home = await mkdtemp(join(tmpdir(), 'holdfast-cuts-'));
    await run('mount', ['-t', 'tmpfs', '-o', `size=${roomy},mode=0700`, 'holdfast-cuts', home]);
    const layout = homeLayout(home);
    await cp(join(shared.keys, 'release'), join(layout.keys, 'release'), { recursive: true });
    // what another test had fetched is not fetched again
    if (await exists(shared.tools)) await cp(shared.tools, layout.tools, { recursive: true });
    return new House(home);
  }

  /** Leaves nothing free on the file system; what is there stays. */
  async fill(): Promise<void> {
    const { blocks, bfree, bsize } = await statfs(this.home);
    await this.#resize((blocks - bfree) * bsize + MiB);
  }

  makeRoom(): Promise<void> {
    return this.#resize(roomy);
  }

  async close(): Promise<void> {
    // lazily: what still runs from it must not hide why something failed
    await run('umount', ['--lazy', this.home]);
    await rm(this.home, { recursive: true });
  }

  async #resize(size: number): Promise<void> {
    await run('mount', ['-o', `remount,size=${size}`, this.home]);
  }
}
