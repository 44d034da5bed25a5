/** The keys that Debian's archive is signed with, from its package debian-archive-keyring: the same file on every Debian. */
export const archiveKeyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
