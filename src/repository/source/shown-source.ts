/**
 * Returns the name of a source as it is printed: an address without user, password and the value of
 * a query, which can be secrets.
 */
export function shownSource(name: string): string {
  if (!isUrl(name)) return name;
  // also of an address that cannot be parsed, such as one with an unencoded slash in its password
  if (!URL.canParse(name)) return name.replace(/^([^:]*:\/\/).*@/s, '$1').replace(/[?#].*$/s, '');
  const { origin, pathname, search } = new URL(name);
  return `${origin}${pathname}${search && '?…'}`;
}

/** Returns true for what is meant as an address on the web. */
export function isUrl(name: string): boolean {
  return /^https?:\/\//i.test(name);
}
