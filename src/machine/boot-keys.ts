import { join } from 'node:path';
import type { SecureBootKeys } from '../firmware/secure-boot.ts';
import { certificateDer } from '../release/keys.ts';
import { trustedCertificate } from '../release/store.ts';
import type { Home } from './paths.ts';

/** Returns the Secure Boot certificates that machines of this home are deployed with. */
export async function secureBootKeys(home: Home): Promise<SecureBootKeys> {
  const platform = await certificateDer(join(home.keys, 'platform', 'certificate.pem'));
  return { pk: platform, kek: platform, db: await certificateDer(trustedCertificate(home)) };
}
