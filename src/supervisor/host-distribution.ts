import { debian } from '../debian/debian.ts';
import type { Distribution } from '../distribution/distribution.ts';

/** The distribution of this host. */
export const hostDistribution: Distribution = debian;
