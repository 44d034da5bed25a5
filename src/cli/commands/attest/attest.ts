import { resolve } from 'node:path';
import { attestMachine, machineTrust } from '../../../attestation/attest.ts';
import { type Evidence, nonce, serialiseEvidence } from '../../../attestation/evidence.ts';
import { judgeKept } from '../../../attestation/saved-evidence.ts';
import type { Judgement } from '../../../attestation/verify.ts';
import { failure, misuse } from '../../../base/errors.ts';
import { writeFileAtomic } from '../../../base/files.ts';
import { checkFlags } from '../../framework/action-flags.ts';
import { anyText, type Context, defineVerb, oneOf, optional, setting } from '../../framework/command.ts';
import { judgementText } from './text.ts';

/** The flags that each action takes; without an action the machine is asked. */
const actions = { ask: ['--out', '--nonce'], verify: ['--trust', '--nonce'], trust: [] } as const;

export const verb = defineVerb({
  arguments: {
    action: optional('verify|trust', 'default: ask the machine now', oneOf('verify', 'trust')),
    file: optional('FILE', 'with verify: what --out wrote', anyText),
  },
  flags: {
    out: setting('FILE', 'keep the evidence for `attest verify`', anyText),
    nonce: setting('HEX', 'the question of who will verify: 16 to 64 bytes that nobody knew', parseNonce),
    trust: setting(
      'FILE',
      'with verify: what `attest trust` printed; default: a machine of this home',
      anyText,
    ),
  },
  examples: [
    ['holdfast attest', 'ask the TPM of the running machine, and hold its start against the signed release'],
    ['holdfast attest trust >gateway.trust', 'what another host must know, taken once over a trusted way'],
    ['holdfast attest --nonce "$asked" --out gateway.evidence', 'answer the question of that host'],
    ['holdfast attest verify gateway.evidence --trust gateway.trust --nonce "$asked"', 'judge it there'],
  ],
  async run({ arguments: { action: given, file }, flags, ...context }) {
    const { machine, layout, output, progress } = context;
    const action = given ?? 'ask';
    checkFlags(action === 'ask' ? 'attest' : `attest ${action}`, actions[action], {
      '--out': flags.out !== undefined,
      '--nonce': flags.nonce !== undefined,
      '--trust': flags.trust !== undefined,
    });
    if ((file !== undefined) !== (action === 'verify')) {
      throw misuse('usage', '`attest verify`, and nothing else, takes the FILE with the evidence', {
        next: 'run `holdfast attest --help`',
      });
    }
    if (action === 'trust') {
      const trust = await machineTrust(layout, machine);
      output.result(trust, JSON.stringify(trust, null, 1));
    } else if (file !== undefined) {
      const trust = flags.trust === undefined ? undefined : resolve(flags.trust);
      const { evidence, judgement } = await judgeKept(layout, machine, resolve(file), trust, flags.nonce);
      tell(context, evidence, judgement, flags.nonce !== undefined);
    } else {
      const asked = () => attestMachine(layout, machine, flags.nonce);
      const { evidence, judgement } = await progress.step("Asking the machine's TPM", asked);
      if (flags.out !== undefined) await writeFileAtomic(resolve(flags.out), serialiseEvidence(evidence));
      tell(context, evidence, judgement, true);
    }
  },
});

/** @param fresh whether the evidence is known to be newer than the question. */
function tell(
  { output, streams }: Pick<Context, 'output' | 'streams'>,
  { machine, time, nonce: asked }: Evidence,
  judgement: Judgement,
  fresh: boolean,
): void {
  const text = judgementText(machine, judgement, streams.stdout);
  const age = fresh
    ? ''
    : `\n\nIt says that it was made at ${time}; without --nonce nothing proves that it is not older`;
  output.result({ machine, time, nonce: asked.toString('hex'), fresh, ...judgement }, `${text}${age}`);
  if (judgement.passed) return;
  throw failure('attest.failed', `the machine '${machine}' was not started as its release would be`, {
    why: judgement.reasons.join('; '),
    next: 'trust nothing that it says; `holdfast verity status` and `holdfast audit` tell more',
  });
}

function parseNonce(word: string): Buffer {
  const parsed = nonce.safeParse(word.toLowerCase());
  if (parsed.success) return parsed.data;
  throw misuse('usage.nonce', `'${word.slice(0, 80)}' cannot be a nonce`, {
    why: 'it has 16 to 64 bytes in hexadecimal digits',
    next: 'take one from `openssl rand -hex 32`',
  });
}
