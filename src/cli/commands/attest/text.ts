import { styleText } from 'node:util';
import type { Judgement, Register } from '../../../attestation/verify.ts';
import { columns } from '../../terminal/columns.ts';

/** Returns the verdict on a machine's boot as text. */
export function judgementText(machine: string, judgement: Judgement, stream: NodeJS.WritableStream): string {
  const { passed, reasons, release, registers } = judgement;
  const verdict = passed
    ? styleText('green', `${machine} booted release ${release}, signed and unmodified`, { stream })
    : styleText('red', `${machine} does not prove a trustworthy boot`, { stream });
  const parts = [verdict, ...reasons.map((reason) => `  ${reason}`)];
  return registers.length === 0 ? parts.join('\n') : `${parts.join('\n')}\n\n${registerText(registers)}`;
}

/** Returns registers next to their computed values, shortened: the JSON output has whole values. */
export function registerText(registers: readonly Register[]): string {
  const short = (value: string) => `${value.slice(0, 16)}…`;
  return columns(
    ['PCR', 'value', 'computed', '', 'holds'],
    registers.map(({ pcr, holds, value, expected }) => [
      ...[String(pcr), short(value), short(expected)],
      ...[value === expected ? 'same' : 'differs', holds],
    ]),
  );
}
