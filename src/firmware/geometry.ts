/** A byte range of the file. */
interface Area {
  readonly start: number;
  readonly end: number;
}

/** Flash that was erased and not written since reads as this. */
export const erased = 0xff;

/** OVMF's flash is erased and rewritten in blocks of this many bytes. */
export const blockSize = 0x1000;

/** Where things are in OVMF's variable store of the 4 MB build (edk2: OvmfPkg/VarStore.fdf.inc). */
export const geometry = {
  size: 0x84000,
  /** Firmware volume header, variable store header, variables. */
  variables: { start: 0, end: 0x40000 },
  /** Log of the fault-tolerant writes: what was begun, what was finished. */
  working: { start: 0x41000, end: 0x42000 },
  /** The new content of blocks while a fault-tolerant write replaces them. */
  spare: { start: 0x42000, end: 0x84000 },
} as const satisfies Readonly<Record<string, number | Area>>;
