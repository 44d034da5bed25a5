import fc from 'fast-check';

/**
 * Any character of Unicode, one of ASCII in half of the cases: a `unit` for `fc.string`. fast-check's own unit `binary`
 * builds a map of a million entries first, which takes two seconds and slows every garbage collection after it.
 */
export const anyCharacter: fc.Arbitrary<string> = fc
  .oneof(fc.integer({ min: 0, max: 0x7f }), fc.integer({ min: 0, max: 0x10f7ff }))
  .map((index) => String.fromCodePoint(index < 0xd800 ? index : index + 0x800));
