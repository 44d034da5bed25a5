import type { ReleaseManifest } from '../release/manifest.ts';
import { eventTypes, type MeasuredEvent } from './event-log.ts';
import type { ExpectedEvent, JudgedPcr } from './expected-boot.ts';

/**
 * Describes how a boot differs from the expected one, by the events of one register.
 * @param logged events that were measured into the register. @param expected events that should have been.
 * @returns at least one reason: `logged` must differ from `expected`.
 */
export function explainDifferences(
  pcr: JudgedPcr,
  logged: readonly MeasuredEvent[],
  expected: readonly ExpectedEvent[],
  release: ReleaseManifest,
): readonly string[] {
  const reasons = explain[pcr](logged, expected, release);
  return reasons.length > 0 ? reasons : [`PCR ${pcr} has an unexpected measurement`];
}

type Explain = (
  logged: readonly MeasuredEvent[],
  expected: readonly ExpectedEvent[],
  release: ReleaseManifest,
) => string[];

const explain: Readonly<Record<JudgedPcr, Explain>> = {
  4: programs,
  7: secureBoot,
  11: parts,
  12: () => ['the stub loaded a command line or credentials from outside the UKI (PCR 12)'],
};

function programs(
  logged: readonly MeasuredEvent[],
  _expected: readonly ExpectedEvent[],
  release: ReleaseManifest,
) {
  const { uki, unverifiedUki, loader } = release;
  const known: readonly string[] = [uki.authenticode, loader.authenticode];
  const started = logged
    .filter(({ type }) => type === eventTypes.bootServicesApplication)
    .map(({ digest }) => digest.toString('hex'));
  const uses = `the UKI of release ${release.version}`;
  // such as the kernel itself: without Secure Boot the stub lets the firmware load it, which measures it
  const word = started.includes(uki.authenticode) ? 'in addition to' : 'instead of';
  return started
    .filter((digest) => !known.includes(digest))
    .map((digest) =>
      digest === unverifiedUki.authenticode
        ? `verity is disabled: ${uses} that does not verify the root was started (PCR 4)`
        : `another program was started ${word} ${uses} (PCR 4, Authenticode ${digest})`,
    );
}

function secureBoot(logged: readonly MeasuredEvent[], expected: readonly ExpectedEvent[]) {
  const reasons = expected
    .filter(({ digest }, index) => !logged[index]?.digest.equals(digest))
    .map(({ what }) => `differs from the deployment: ${what} (PCR 7)`);
  return isOff(logged) ? ['Secure Boot was disabled (PCR 7)'] : reasons;
}

/**
 * Returns whether Secure Boot is off. Its variable is measured first; the last byte is its value:
 * UEFI_VARIABLE_DATA.
 */
function isOff([first]: readonly MeasuredEvent[]): boolean {
  return first?.type === eventTypes.variableDriverConfig && first.data.at(-1) === 0;
}

function parts(
  logged: readonly MeasuredEvent[],
  expected: readonly ExpectedEvent[],
  release: ReleaseManifest,
) {
  const measured = new Set(logged.map(({ digest }) => digest.toString('hex')));
  return expected
    .filter(({ digest }) => !measured.has(digest.toString('hex')))
    .map(({ what }) => `differs from release ${release.version}: ${what} (PCR 11)`);
}
