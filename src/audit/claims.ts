import type { Claim } from './claim.ts';
import { bootClaims } from './claims/boot.ts';
import { diskClaims } from './claims/disk.ts';
import { hostClaims } from './claims/host.ts';
import { networkClaims } from './claims/network.ts';
import { rootClaims } from './claims/root.ts';
import { servicingClaims } from './claims/servicing.ts';
import { sshClaims } from './claims/ssh.ts';
import { tpmClaims } from './claims/tpm.ts';
import { writableClaims } from './claims/writable.ts';

/** Every claim, in the order of the document. */
export const claims: readonly Claim[] = [
  ...servicingClaims,
  ...rootClaims,
  ...bootClaims,
  ...writableClaims,
  ...diskClaims,
  ...networkClaims,
  ...sshClaims,
  ...hostClaims,
  ...tpmClaims,
];
