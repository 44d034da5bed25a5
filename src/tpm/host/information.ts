import { properties, readProperties, requests } from '../codec/requests.ts';
import type { Ask } from '../codec/response.ts';
import { parseResponse } from '../codec/response.ts';
import { u32 } from '../codec/wire.ts';
import { type EndorsementKey, readEndorsementKey } from './endorsement-key.ts';
import type { HostTpm } from './host-tpm.ts';

/** The manufacturer, model and firmware of a TPM. */
export interface TpmIdentity {
  /** The vendor's identifier, such as `INTC`: TCG TPM Vendor ID Registry. */
  readonly manufacturer: string;
  readonly model: string;
  /** Four numbers, in the form that vendors use. */
  readonly firmware: string;
}

export interface TpmInformation extends TpmIdentity {
  readonly endorsementKey: EndorsementKey;
}

/** The time limit for one command, in milliseconds: it may make a key. */
const answerLimit = 120_000;

/** Returns the facts about a TPM that a provisioning service needs. @throws HoldfastError `tpm.…`. */
export function readInformation(tpm: HostTpm): Promise<TpmInformation> {
  return withTpm(tpm, async (ask) => ({
    ...(await readIdentity(ask)),
    endorsementKey: await readEndorsementKey(ask),
  }));
}

/** Returns the identity of a TPM. @throws HoldfastError `tpm.…`. */
export function identifyTpm(tpm: HostTpm): Promise<TpmIdentity> {
  return withTpm(tpm, readIdentity);
}

async function withTpm<T>(tpm: HostTpm, work: (ask: Ask) => Promise<T>): Promise<T> {
  const connection = await tpm.open();
  try {
    return await work(async (command) => parseResponse(await connection.transmit(command, answerLimit)));
  } finally {
    await connection.close();
  }
}

async function readIdentity(ask: Ask): Promise<TpmIdentity> {
  const { manufacturer, vendorString, firmwareVersion } = properties;
  const values = readProperties(await ask(requests.properties(manufacturer, 8)));
  const value = (property: number) => values.get(property) ?? 0;
  const model = [0, 1, 2, 3].map((part) => textOf(value(vendorString + part))).join('');
  const halves = [value(firmwareVersion), value(firmwareVersion + 1)];
  return {
    manufacturer: textOf(value(manufacturer)).trim(),
    model: model.trim(),
    firmware: halves.flatMap((half) => [half >>> 16, half & 0xffff]).join('.'),
  };
}

/** Decodes four characters in a number, without control characters. */
function textOf(value: number): string {
  return u32(value)
    .toString('latin1')
    .replaceAll(/[^ -~]/g, '');
}
