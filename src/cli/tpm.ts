import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { misuse, reasonOf } from '../base/errors.ts';
import type { MachineName } from '../machine/home.ts';
import { readNvInGuest, setTpmAccess, type TpmStatus, tpmInformation, tpmStatus } from '../machine/tpm.ts';
import { defaultHostTpm } from '../tpm/host-tpm.ts';
import type { TpmInformation } from '../tpm/information.ts';
import { confirm } from './confirm.ts';
import {
  anyText,
  type Context,
  defineVerb,
  oneOf,
  optional,
  required,
  setting,
  toggle,
  wholeNumber,
} from './verb.ts';

const risk =
  "Whoever can open a vsock in the machine, containers included, can then read the host's PCRs and those NV indices whose authorization is empty or known, prove to be this host with its endorsement key, and slow its TPM down.";

const actions = ['status', 'enable', 'disable', 'info', 'nv-read'] as const;
type Action = (typeof actions)[number];

/** What an action was given besides its name. */
interface Given {
  readonly index: number | undefined;
  readonly flags: {
    readonly yes: boolean;
    readonly device: string | undefined;
    readonly auth: string | undefined;
    readonly size: number | undefined;
    readonly offset: number | undefined;
  };
}

/** Which arguments and flags belong to which action. */
const belongs: Readonly<Record<keyof Given['flags'] | 'index', Action>> = {
  yes: 'enable',
  device: 'enable',
  index: 'nv-read',
  auth: 'nv-read',
  size: 'nv-read',
  offset: 'nv-read',
};

export const verb = defineVerb({
  arguments: {
    action: required(actions.join('|'), "what to do with the host's TPM", oneOf(...actions)),
    index: optional('INDEX', 'nv-read: the NV index, such as 0x1500001', parseIndex),
  },
  flags: {
    yes: toggle('enable: do not ask for confirmation'),
    device: setting(
      'PATH',
      `enable: the host's TPM (default: ${defaultHostTpm}), or the socket of a swtpm`,
      (word) => resolve(anyText(word)),
    ),
    auth: setting('FILE', 'nv-read: file with the authorization of the index; - is standard input', anyText),
    size: setting('N', 'nv-read: how many bytes', wholeNumber),
    offset: setting('N', 'nv-read: where to begin', wholeNumber),
  },
  examples: [
    ['holdfast tpm enable', "let the machine use the host's TPM, after saying what that risks"],
    ['holdfast tpm status', 'show whether it may, and how the TPM is'],
    ['holdfast tpm info', 'show the endorsement key and the registration id for a provisioning service'],
    ['holdfast tpm nv-read 0x1500bb9 --auth secret', 'read an NV index as the machine can'],
    ['holdfast tpm disable', 'take the access away'],
  ],
  async run({ arguments: { action, index }, flags, ...context }) {
    const given: Given = { index, flags };
    for (const [name, owner] of Object.entries(belongs)) {
      const value = name === 'index' ? index : flags[name as keyof Given['flags']];
      if (owner !== action && value !== undefined && value !== false) {
        throw misuse('tpm.usage', `${name === 'index' ? 'INDEX' : `--${name}`} does not go with ${action}`, {
          why: `it belongs to \`holdfast tpm ${owner}\``,
        });
      }
    }
    await work[action](context, given);
  },
});

const work: Readonly<Record<Action, (context: Context, given: Given) => Promise<void>>> = {
  status: (context) => show(context, false),
  async enable(context, { flags }) {
    if (!flags.yes) await confirm(context, risk);
    await show(context, await setTpmAccess(context.layout, context.machine, flags.device ?? defaultHostTpm));
  },
  async disable(context) {
    await show(context, await setTpmAccess(context.layout, context.machine, undefined));
  },
  async info({ layout, machine, output }) {
    const information = await tpmInformation(layout, machine);
    const { endorsementKey, ...identity } = information;
    const { pem, tpm2b, registrationId } = endorsementKey;
    const result = { registrationId, ...identity, endorsementKey: { pem, tpm2b: tpm2b.toString('base64') } };
    output.result(result, informationText(information));
  },
  async 'nv-read'({ layout, machine, output, streams, json }, { index, flags }) {
    if (index === undefined) {
      throw misuse('tpm.index', 'no NV index is given', { next: 'name one, such as 0x1500001' });
    }
    const { auth, size, offset } = flags;
    const authorization = auth === undefined ? undefined : await readSecret(auth, streams.stdin);
    const data = await readNvInGuest(layout, machine, { index, authorization, size, offset });
    if (json) output.result({ index, data: data.toString('base64') }, '');
    else streams.stdout.write(data);
  },
};

async function show({ layout, machine, output }: Context, changed: boolean): Promise<void> {
  const status = await tpmStatus(layout, machine);
  const { path = null, identity = null, problem = null } = status;
  output.result(
    { machine, enabled: path !== null, path, identity, problem, changed },
    statusText(machine, status),
  );
}

function statusText(machine: MachineName, { path, identity, problem }: TpmStatus): string {
  if (path === undefined) return `${machine} cannot use the host's TPM`;
  const lines = [`${machine} can use the host's TPM ${path}`];
  if (identity)
    lines.push(`it is a ${identity.manufacturer} ${identity.model}, firmware ${identity.firmware}`);
  if (problem !== undefined) lines.push(`it does not answer at the moment: ${problem}`);
  return lines.join('\n');
}

function informationText({ endorsementKey, manufacturer, model, firmware }: TpmInformation): string {
  return [
    `registration id  ${endorsementKey.registrationId}`,
    `manufacturer     ${manufacturer} ${model}`,
    `firmware         ${firmware}`,
    'endorsement key (TPM2B, base64)',
    endorsementKey.tpm2b.toString('base64'),
    endorsementKey.pem.trimEnd(),
  ].join('\n');
}

/** NV indices: TCG TPM 2.0 Library Part 2, section 7.2. */
const firstIndex = 0x0100_0000;
const indexMask = 0x00ff_ffff;

/** Parser: an NV index, or its number among NV indices as tpm2-tools take it too. @throws HoldfastError `tpm.index`. */
function parseIndex(word: string): number {
  const number = /^(?:0x[0-9a-f]{1,8}|\d{1,10})$/i.test(word) ? Number(word) : Number.NaN;
  if (number <= firstIndex + indexMask) return firstIndex + (number & indexMask);
  throw misuse('tpm.index', `'${word}' is not an NV index`, {
    why: 'NV indices lie between 0x1000000 and 0x1ffffff',
    next: 'write it as tpm2-tools show it, such as 0x1500001, or as a number among them, such as 3001',
  });
}

async function readSecret(path: string, stdin: NodeJS.ReadStream): Promise<Uint8Array> {
  if (path === '-') return buffer(stdin);
  try {
    return await readFile(path);
  } catch (error) {
    throw misuse('tpm.auth', `${path} cannot be read`, { why: reasonOf(error), cause: error });
  }
}
