/** A byte range of the file. */
interface Area {
  readonly start: number;
  readonly end: number;
}

/** The value of erased flash. */
export const erased = 0xff;

/** Bytes that OVMF erases and rewrites at once. */
export const flashBlockSize = 0x1000;

/** The layout of the variable store of OVMF's 4 MB build (edk2: OvmfPkg/VarStore.fdf.inc). */
export const geometry = {
  size: 0x84000,
  /** Firmware volume header, variable store header, variables. */
  variables: { start: 0, end: 0x40000 },
  /** Log of the fault-tolerant writes, started and completed. */
  working: { start: 0x41000, end: 0x42000 },
  /** The new content of blocks while a fault-tolerant write replaces them. */
  spare: { start: 0x42000, end: 0x84000 },
} as const satisfies Readonly<Record<string, number | Area>>;
