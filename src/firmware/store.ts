import { type Guid, guid, guidFromBytes, guidSize } from '../base/guid.ts';
import { emptyWorkingArea, finishInterruptedWrite } from './fault-tolerant-write.ts';
import { erased, flashBlockSize, geometry } from './geometry.ts';
import { malformed } from './malformed.ts';
import { parseRecord, serializeRecord, startsRecord, type Variable } from './record.ts';

/** The content of a variable store file. Immutable: each change returns a new store. */
export interface VariableStore {
  /**
   * Headers of the firmware volume and of the variable store, unchanged from the firmware's
   * template.
   */
  readonly headers: Buffer;
  readonly variables: readonly Variable[];
}

/** EFI_FIRMWARE_VOLUME_HEADER (PI specification 1.8, volume 3, section 3.2.1). */
const volume = { fileSystem: 16, size: 32, signature: 40, headerSize: 48, blockMap: 56, length: 72 } as const;
const nonVolatileData = guid('fff12b8d-7696-4c8b-a985-2747075b4f50');

/** VARIABLE_STORE_HEADER, directly after it (edk2: MdeModulePkg/Include/Guid/VariableFormat.h). */
const store = { kind: 72, size: 88, format: 92, state: 93, length: 28 } as const;
const authenticatedVariables = guid('aaf32c78-947b-439a-a180-2e144ec37792');
const formatted = 0x5a;
const healthy = 0xfe;

const recordsStart = volume.length + store.length;
const erasedArea = Buffer.alloc(geometry.variables.end, erased);

/**
 * Parses the variable store file of OVMF's 4 MB build, also one with an incomplete write of the
 * firmware.
 * @throws HoldfastError `firmware.variables`.
 */
export function parseVariableStore(image: Buffer): VariableStore {
  if (image.length !== geometry.size) {
    throw malformed(`it has ${image.length} bytes; a store has ${geometry.size}`);
  }
  const finished = finishInterruptedWrite(image);
  checkVolumeHeader(finished);
  checkStoreHeader(finished);
  return {
    headers: Buffer.from(finished.subarray(0, recordsStart)),
    variables: parseRecords(finished.subarray(recordsStart, geometry.variables.end)),
  };
}

/**
 * Encodes the file: the variables in their order without gaps, an empty log of writes, nothing
 * else. The same store always gives the same bytes.
 * @throws HoldfastError `firmware.variables` when the variables do not fit.
 */
export function serializeVariableStore({ headers, variables }: VariableStore): Buffer {
  const records = Buffer.concat(variables.map(serializeRecord));
  if (recordsStart + records.length > geometry.variables.end) {
    throw malformed(
      `its variables take ${records.length} bytes, the limit is ${geometry.variables.end - recordsStart}`,
    );
  }
  const image = Buffer.alloc(geometry.size, erased);
  headers.copy(image);
  records.copy(image, recordsStart);
  emptyWorkingArea().copy(image, geometry.working.start);
  return image;
}

/** Returns the bytes of the file that headers, variables and what deleted variables left take. */
export function usedBytes(image: Buffer): number {
  const { start, end } = geometry.variables;
  return image.subarray(start, end).findLastIndex((byte) => byte !== erased) + 1;
}

/** Returns the variable with this name, or undefined. */
export function findVariable(store: VariableStore, vendor: Guid, name: string): Variable | undefined {
  return store.variables.find((variable) => variable.name === name && variable.vendor === vendor);
}

/** Adds or replaces variables. A replaced variable keeps its position. */
export function setVariables(store: VariableStore, ...changes: readonly Variable[]): VariableStore {
  const variables = new Map(store.variables.map((variable) => [keyOf(variable), variable]));
  for (const variable of changes) variables.set(keyOf(variable), variable);
  return { ...store, variables: [...variables.values()] };
}

/** Removes a variable, if it exists. */
export function deleteVariable(store: VariableStore, vendor: Guid, name: string): VariableStore {
  const removed = keyOf({ vendor, name });
  return { ...store, variables: store.variables.filter((variable) => keyOf(variable) !== removed) };
}

/** The wanted state of a variable; `data` is undefined for a removed one. */
export type VariableChange = Omit<Variable, 'data' | 'timestamp'> & { readonly data: Buffer | undefined };

/** Returns the changes, in order, that turn one store into the other. */
export function changesBetween(before: VariableStore, after: VariableStore): VariableChange[] {
  const isIn = (store: VariableStore, { vendor, name, data }: Variable) =>
    findVariable(store, vendor, name)?.data.equals(data) ?? false;
  const set = after.variables.filter((variable) => !isIn(before, variable));
  const removed = before.variables.filter(({ vendor, name }) => !findVariable(after, vendor, name));
  return [...set, ...removed.map((variable) => ({ ...variable, data: undefined }))];
}

function keyOf({ vendor, name }: Pick<Variable, 'vendor' | 'name'>): string {
  return `${vendor} ${name}`;
}

function checkVolumeHeader(image: Buffer): void {
  const header = image.subarray(0, volume.length);
  if (header.toString('latin1', volume.signature, volume.signature + 4) !== '_FVH') {
    throw malformed('it does not start with a firmware volume');
  }
  let sum = 0;
  for (let at = 0; at < header.length; at += 2) sum = (sum + header.readUInt16LE(at)) & 0xffff;
  if (sum !== 0) throw malformed('the checksum of the firmware volume header is wrong');
  const isOurs =
    guidFromBytes(header, volume.fileSystem) === nonVolatileData &&
    header.readBigUInt64LE(volume.size) === BigInt(geometry.size) &&
    header.readUInt16LE(volume.headerSize) === volume.length &&
    header.readUInt32LE(volume.blockMap) === geometry.size / flashBlockSize &&
    header.readUInt32LE(volume.blockMap + 4) === flashBlockSize;
  if (!isOurs) throw malformed('the firmware volume is not that of a variable store');
}

function checkStoreHeader(image: Buffer): void {
  if (guidFromBytes(image.subarray(store.kind, store.kind + guidSize)) !== authenticatedVariables) {
    throw malformed('it is not a store of authenticated variables, which Secure Boot requires');
  }
  if (image.readUInt32LE(store.size) !== geometry.variables.end - volume.length) {
    throw malformed('the variable store has an unexpected size');
  }
  if (image[store.format] !== formatted || image[store.state] !== healthy) {
    throw malformed('the variable store is marked as unhealthy');
  }
}

function parseRecords(area: Buffer): Variable[] {
  const live = new Map<string, { variable: Variable; inTransition: boolean }>();
  let offset = 0;
  while (startsRecord(area, offset)) {
    const { variable, inTransition, end } = parseRecord(area, offset);
    offset = end;
    if (!variable) continue;
    const earlier = live.get(keyOf(variable));
    if (earlier && !earlier.inTransition && !inTransition) {
      throw malformed(`there are two variables ${variable.name}`);
    }
    if (!earlier || earlier.inTransition) live.set(keyOf(variable), { variable, inTransition });
  }
  checkErased(area.subarray(offset));
  return [...live.values()].map(({ variable }) => variable);
}

/**
 * Checks that nothing follows the last record but the first byte of an interrupted start mark
 * (0x55AA).
 */
function checkErased(rest: Buffer): void {
  const unused = rest.subarray(rest[0] === 0xaa ? 1 : 0);
  if (!unused.equals(erasedArea.subarray(0, unused.length))) {
    throw malformed('there is unknown data after the last variable');
  }
}
