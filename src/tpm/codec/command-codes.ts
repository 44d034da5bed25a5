/** TPM_CC: TCG TPM 2.0 Library Part 2, section 6.5.2. The commands that Holdfast sends, or whose parameters it reads. */
export const commandCodes = {
  evictControl: 0x120,
  pcrAllocate: 0x12b,
  createPrimary: 0x131,
  nvRead: 0x14e,
  contextLoad: 0x161,
  contextSave: 0x162,
  flushContext: 0x165,
  nvReadPublic: 0x169,
  readPublic: 0x173,
  startAuthSession: 0x176,
  getCapability: 0x17a,
} as const;
