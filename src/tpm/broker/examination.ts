import { type Handle, handleType } from '../codec/handles.ts';
import { properties, readIndexAttributes, readProperties, requests } from '../codec/requests.ts';
import { type Ask, isSuccess } from '../codec/response.ts';
import { Denial, responseCode } from '../codec/response-codes.ts';

/** TPMA_NV: TCG TPM 2.0 Library Part 2, section 13.4. Bits 4 to 7 are the type of the index (section 13.2). */
const noDictionaryAttack = 1 << 25;
const pinTypes: readonly number[] = [0x8, 0x9];

/**
 * Examines an object or index whose authorization a guest is about to use. A wrong authorization counts as an attack, and
 * after too many the TPM locks out every user (Part 1, section "Dictionary Attack Protection"). So guests are denied while half
 * of the attempts are used, and the host always has the rest. The TPM reports how many are used, and forgets them with time.
 * An index that counts its own uses is denied: using it would change it.
 * @throws Denial.
 */
export async function examine(handle: Handle, ask: Ask): Promise<void> {
  if (handleType(handle) === 'index') {
    const response = await ask(requests.nvReadPublic(handle));
    if (!isSuccess(response)) return; // the TPM itself rejects the command
    const attributes = readIndexAttributes(response);
    if (pinTypes.includes((attributes >>> 4) & 0xf)) {
      throw new Denial(responseCode('value', { handle: 1 }), 'using a PIN index would change it');
    }
    if ((attributes & noDictionaryAttack) !== 0) return;
  }
  const values = readProperties(await ask(requests.properties(properties.lockoutCounter, 2)));
  const used = values.get(properties.lockoutCounter) ?? Number.POSITIVE_INFINITY;
  const allowed = values.get(properties.maxAuthFail) ?? 0;
  if (used >= Math.floor(allowed / 2)) {
    throw new Denial(
      responseCode('lockout'),
      `${used} of ${allowed} wrong tries before the TPM locks are used up: the rest is the host's`,
    );
  }
}
