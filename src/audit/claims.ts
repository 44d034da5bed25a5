import type { Claim } from './claim.ts';
import { aroundTheFilterClaims } from './claims/around-the-filter.ts';
import { bootClaims } from './claims/boot.ts';
import { diskClaims } from './claims/disk.ts';
import { hostClaims } from './claims/host.ts';
import { kernelClaims } from './claims/kernel.ts';
import { networkClaims } from './claims/network.ts';
import { privilegeClaims } from './claims/privileges.ts';
import { rootClaims } from './claims/root.ts';
import { servicingClaims } from './claims/servicing.ts';
import { sshClaims } from './claims/ssh.ts';
import { systemClaims } from './claims/system.ts';
import { tpmClaims } from './claims/tpm.ts';
import { writableClaims } from './claims/writable.ts';

/** Every claim: first those of the document in its order, then those that only Holdfast makes, but for a few next to theirs. */
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
  ...aroundTheFilterClaims,
  ...kernelClaims,
  ...systemClaims,
  ...privilegeClaims,
];
