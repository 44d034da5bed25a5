import { debian } from '../debian/debian.ts';
import type { GuestDistribution } from '../distribution/distribution.ts';

/** The distribution that releases are made from. */
export const guestDistribution: GuestDistribution = debian.guest;
