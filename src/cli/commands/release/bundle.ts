import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { misuse } from '../../../base/errors.ts';
import { formatSize } from '../../../base/size.ts';
import { trustedCertificate } from '../../../release/store.ts';
import { repositoryKeys } from '../../../repository/client/host-trust.ts';
import { bundleRelease } from '../../../repository/publisher/bundle.ts';
import { defineCommand } from '../../framework/command.ts';
import { anyText, required, setting } from '../../framework/parameters.ts';

export const releaseBundleCommand = defineCommand({
  arguments: {
    release: required('RELEASE_DIR', 'Release directory, as `holdfast build` writes it', anyText),
  },
  flags: { out: setting('FILE', 'Bundle to write (required)', anyText) },
  examples: [
    [
      'holdfast release bundle ./release --out release.holdfast',
      'Pack a release for a host without a network',
    ],
  ],
  output: async () => (await import('../../output/releases.ts')).releaseBundleOutput,
  async run({ arguments: { release }, flags, home, progress, signal, output }) {
    if (flags.out === undefined)
      throw misuse('usage.out', '--out is missing', { next: 'name the bundle with --out FILE' });
    const out = resolve(flags.out);
    const { digest, version } = await bundleRelease(
      {
        release: resolve(release),
        from: [],
        certificate: trustedCertificate(home),
        keys: repositoryKeys(home),
        ...{ progress, signal },
      },
      out,
    );
    const { size } = await stat(out);
    output.result(
      { bundle: out, digest, version, size },
      `Bundled release ${version} in ${out} (${formatSize(size)})`,
    );
  },
});
