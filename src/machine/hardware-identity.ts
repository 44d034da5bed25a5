import { createHmac } from 'node:crypto';

/** What distinguishes the hardware of one machine from another's, as a guest sees it. */
export interface HardwareIdentity {
  /** Product UUID of the firmware: SMBIOS type 1. */
  readonly uuid: string;
  /** MAC address of its network interface. */
  readonly mac: string;
}

/**
 * Derives the identity of a machine's hardware from its machine ID, so that it is stable and no record can disagree with it. The
 * machine ID itself stays confidential: machine-id(5), "a cryptographic, keyed hash function". Pure.
 */
export function hardwareIdentity(machineId: string): HardwareIdentity {
  const digest = createHmac('sha256', machineId).update('holdfast hardware').digest();
  // version 8 and variant of RFC 9562, section 5.8
  digest.writeUInt8((digest.readUInt8(6) & 0x0f) | 0x80, 6);
  digest.writeUInt8((digest.readUInt8(8) & 0x3f) | 0x80, 8);
  // unicast and locally administered: IEEE 802, section 8.4
  digest.writeUInt8((digest.readUInt8(16) & 0xfc) | 0x02, 16);
  const uuid = digest.toString('hex', 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  const mac = [...digest.subarray(16, 22)].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
  return { uuid, mac };
}
