import { styleText } from 'node:util';
import type { Judgement, Register } from '../../../attestation/verify.ts';
import { columns } from '../../terminal/columns.ts';

/** A verdict on a machine's start, for people. */
export function judgementText(machine: string, judgement: Judgement, stream: NodeJS.WritableStream): string {
  const { passed, reasons, release, registers } = judgement;
  const verdict = passed
    ? styleText('green', `${machine} was started from release ${release}, signed and unchanged`, { stream })
    : styleText('red', `${machine} does not prove a start that can be trusted`, { stream });
  const parts = [verdict, ...reasons.map((reason) => `  ${reason}`)];
  return registers.length === 0 ? parts.join('\n') : `${parts.join('\n')}\n\n${registerText(registers)}`;
}

/** Registers beside what was computed for them; whole values are in the JSON. */
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
