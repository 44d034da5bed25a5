import { type Guid, guidFromBytes, guidToBytes } from '../base/guid.ts';
import { malformed } from './malformed.ts';

/**
 * A file on a GPT partition. The firmware finds it on any disk with that partition (section 3.1.2:
 * short-form).
 */
export interface LoadOption {
  readonly description: string;
  readonly partition: {
    /** Counted from 1. */
    readonly number: number;
    readonly firstSector: bigint;
    readonly sectors: bigint;
    /** PARTUUID, by which the firmware finds the partition. */
    readonly uuid: Guid;
  };
  /** Absolute path in the file system, such as `\EFI\BOOT\BOOTX64.EFI`. */
  readonly file: string;
}

/**
 * EFI_LOAD_OPTION (UEFI specification 2.10, section 3.1.3): attributes, length of the path,
 * description, path.
 */
const loadOptionActive = 0x1;
const descriptionStart = 6;

/** Device path nodes (section 10.3): type and sub-type, then the length of the whole node. */
const nodeHeader = 4;
const hardDrive = { type: 0x0401, length: 42, gpt: 0x02, guidSignature: 0x02 } as const;
const filePath = { type: 0x0404 } as const;
const endOfPath = Buffer.of(0x7f, 0xff, 0x04, 0x00);

/** @throws HoldfastError `firmware.variables` when a text is empty, has a NUL, or is too long. */
export function serializeLoadOption({ description, partition, file }: LoadOption): Buffer {
  const drive = node(hardDrive.type, hardDriveData(partition));
  const path = Buffer.concat([drive, node(filePath.type, text(file)), endOfPath]);
  const head = Buffer.alloc(descriptionStart);
  head.writeUInt32LE(loadOptionActive, 0);
  head.writeUInt16LE(path.length, 4);
  return Buffer.concat([head, text(description), path]);
}

/**
 * Parses a load option in the form that `serializeLoadOption` writes: active, this kind of path, no
 * optional data.
 * @throws HoldfastError `firmware.variables` for any other form.
 */
export function parseLoadOption(bytes: Buffer): LoadOption {
  const option = readLoadOption(bytes);
  if (!option || !serializeLoadOption(option).equals(bytes)) {
    throw malformed('the boot entry of a slot differs from the form that Holdfast writes');
  }
  return option;
}

/**
 * Reads the fields at their offsets. The caller checks everything else by encoding the result
 * again.
 */
function readLoadOption(bytes: Buffer): LoadOption | undefined {
  const description = readText(bytes, descriptionStart);
  if (description === undefined) return undefined;
  const drive = descriptionStart + 2 * (description.length + 1);
  const fields = bytes.subarray(drive + nodeHeader, drive + hardDrive.length);
  const file = readText(bytes, drive + hardDrive.length + nodeHeader);
  if (file === undefined || fields.length < hardDrive.length - nodeHeader) return undefined;
  return {
    description,
    partition: {
      number: fields.readUInt32LE(0),
      firstSector: fields.readBigUInt64LE(4),
      sectors: fields.readBigUInt64LE(12),
      uuid: guidFromBytes(fields, 20),
    },
    file,
  };
}

/** Encodes HARDDRIVE_DEVICE_PATH (section 10.3.5.1). */
function hardDriveData({ number, firstSector, sectors, uuid }: LoadOption['partition']): Buffer {
  const data = Buffer.alloc(hardDrive.length - nodeHeader);
  data.writeUInt32LE(number, 0);
  data.writeBigUInt64LE(firstSector, 4);
  data.writeBigUInt64LE(sectors, 12);
  guidToBytes(uuid).copy(data, 20);
  data[36] = hardDrive.gpt;
  data[37] = hardDrive.guidSignature;
  return data;
}

function node(type: number, data: Buffer): Buffer {
  if (nodeHeader + data.length > 0xff00) throw malformed('the path of a boot entry is too long');
  const head = Buffer.alloc(nodeHeader);
  head.writeUInt16BE(type, 0);
  head.writeUInt16LE(nodeHeader + data.length, 2);
  return Buffer.concat([head, data]);
}

/** Encodes UCS-2 with a terminating NUL. */
function text(value: string): Buffer {
  if (value === '' || value.includes('\0'))
    throw malformed(`the text '${value}' of a boot entry is empty or contains a NUL`);
  return Buffer.from(`${value}\0`, 'utf16le');
}

function readText(bytes: Buffer, start: number): string | undefined {
  const value = bytes.subarray(start).toString('utf16le');
  const end = value.indexOf('\0');
  return end > 0 ? value.slice(0, end) : undefined;
}
