import { defineClaim, notApplicable, unless } from '../claim.ts';
import type { FileAccess } from '../host-facts.ts';

/** Files that other users may read: public keys, TUF's root metadata, and HOLDFAST_HOME itself, whose directories are private each. */
const readable = /(?:\.pub|(?:certificate|attestation-key)\.pem|root\.json|^\.)$/;

function problemOf({ path, kind, mode, stranger }: FileAccess): string[] {
  const text = mode.toString(8).padStart(4, '0');
  if (stranger !== undefined) return [`${path} belongs to user ${stranger}`];
  if (kind === 'other') return [`${path} is neither a file nor a directory`];
  if (readable.test(path)) return (mode & 0o022) === 0 ? [] : [`other users can write ${path} (${text})`];
  return (mode & 0o077) === 0 ? [] : [`other users can access ${path} (${text})`];
}

export const hostClaims = [
  defineClaim({
    id: 'secrets-private',
    sentence:
      'The certificate is created during EFLOW deployment process, and is unique for each EFLOW installation.',
    since: '0.1',
    looksAt: "Owners and modes of the host's keys and of the machine's files.",
    fooledBy: 'Root on the host, and mount points or access control lists that modes do not show.',
    notStopped: 'Root on the host, and every program of the user who owns HOLDFAST_HOME.',
    guest: {},
    host: ['access', 'exposed'],
    judge: (_guest, { access, exposed }) => {
      const secrets = access.filter(({ path }) => path.includes('/secrets/'));
      const problems = [...access.flatMap(problemOf), ...exposed];
      if (secrets.length === 0) problems.push('the machine has no secrets');
      return unless(
        problems,
        `only this user and root own and can access ${access.length} files and directories`,
      );
    },
  }),
  defineClaim({
    id: 'elevated-module',
    sentence:
      "This module requires an elevated session to run, and it's signed using a Microsoft Corporation certificate.",
    since: 'not yet',
    looksAt: 'Nothing: there is no such module.',
    fooledBy: 'Nobody: the claim does not pass.',
    notStopped: 'The owner of HOLDFAST_HOME controls its machines.',
    guest: {},
    host: [],
    judge: () =>
      notApplicable('there is no PowerShell module; machines belong to the user who owns HOLDFAST_HOME'),
  }),
] as const;
