import * as z from 'zod';
import { type Probe, textForm } from './guest-probe.ts';

/** ip-link(8) and ip-address(8) with `-json -details`; an object without a name is a gap in the list. */
const link = z.object({
  ifname: z.string().max(16),
  flags: z.array(z.string().max(32)).default([]),
  link_type: z.string().max(32),
  qdisc: z.string().max(32).default('noqueue'),
  /** The interface that it belongs to, such as a bridge. */
  master: z.string().max(16).optional(),
  /** The interface below it. */
  link: z.string().max(16).nullish(),
  /** Set if the interface below it, or at its other end, is in another network namespace. */
  link_netnsid: z.int().optional(),
  xdp: z.unknown().optional(),
  linkinfo: z.object({ info_kind: z.string().max(32).optional() }).optional(),
  addr_info: z
    .array(z.object({ local: z.string().max(64).optional(), prefixlen: z.int().optional() }))
    .default([]),
});
export type Link = z.infer<typeof link>;

const list = z.array(z.union([link, z.strictObject({}).transform(() => undefined)])).max(4096);

/** Parses the output of ip(8). @throws SyntaxError, ZodError. */
export function parseLinks(text: string): Link[] {
  return list.parse(JSON.parse(text) as unknown).filter((each) => each !== undefined);
}

/** Every interface of the network namespace of process 1, with its addresses. */
export const links: Probe<readonly Link[]> = {
  name: 'links',
  command: 'ip -json -details address show',
  form: textForm(parseLinks),
};

/** Returns the addresses of an interface. */
export function addressesOf({ addr_info }: Link): { readonly local: string; readonly prefixlen: number }[] {
  return addr_info.flatMap(({ local, prefixlen }) =>
    local === undefined || prefixlen === undefined ? [] : [{ local, prefixlen }],
  );
}

/** Returns whether an interface is a device of the machine, not one that software made. */
export function isPhysical({ link_type, linkinfo }: Link): boolean {
  return link_type !== 'loopback' && linkinfo?.info_kind === undefined;
}
