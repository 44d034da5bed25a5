import type { ErrorEntry } from './entry.ts';

/** Updates, and the repositories and deltas that they come from. */
export const updateCodes = {
  'update.conflicts': {
    when: 'Files that the machine changed hide files that the new release changes.',
    remedy: 'Reset them with `holdfast drift --reset PATH`, or keep them with `--accept-drift`.',
  },
  'update.fell-back': {
    when: 'The trial of a release ended with the firmware booting the committed slot.',
    remedy: 'The machine runs as before. Read its console log and `holdfast logs` for the cause.',
  },
  'update.no-other': {
    when: 'The inactive slot holds no complete release to roll back to.',
    remedy: 'Apply the wanted release with `holdfast update apply --from DIR`.',
  },
  'update.trial': {
    when: 'A trial is in progress, and the inactive slot holds the committed release.',
    remedy: 'Run `holdfast update commit` or `holdfast update rollback` first.',
  },
  'update.unhealthy': {
    when: 'The health checks of a release on trial failed.',
    remedy: 'Fix what the error lists, or run `holdfast update rollback`.',
  },
  'update.unknown': {
    when: 'The machine runs a release that is not in the store of this host.',
    remedy: 'Run `holdfast update rollback`, or apply a release that this host has.',
  },
  'update.variables': {
    when: 'The guest did not write the boot variables, and the machine was started before the host could.',
    remedy: 'Run the update again; finished steps are not repeated.',
  },
  'update.written': {
    when: 'A slot, read back after staging, differs from the release.',
    remedy: "Run the update again; if it repeats, check the host's disk.",
  },
  'repository.bundle': {
    when: 'The file is not a bundle, or is incomplete.',
    remedy: 'Name a file that `holdfast release bundle` wrote, and check that it was copied completely.',
  },
  'repository.clock': {
    when: 'The clock of this host is before the time at which the metadata was signed or the release built.',
    remedy: 'Set the clock. Until then, expired metadata cannot be detected.',
  },
  'repository.cut': {
    when: 'The connection to the repository was interrupted too many times.',
    remedy: 'Run the command again; it resumes with the data received so far.',
  },
  'repository.denied': {
    when: 'The server does not permit access (HTTP status 401 or 403).',
    remedy: 'Check the address, and the user and password in it: `https://USER:PASSWORD@HOST/`.',
  },
  'repository.downgrade': {
    when: 'The repository has a newer release than the one to be published.',
    remedy: 'Build a newer release, or publish to another repository.',
  },
  'repository.empty': {
    when: 'The repository offers no release.',
    remedy: 'Publish one with `holdfast release publish`, or check the address.',
  },
  'repository.expired': {
    when: 'The metadata of the repository has expired.',
    remedy: "Check this host's clock; then have the repository published again.",
  },
  'repository.absent': {
    when: 'There is no repository at the given address.',
    remedy: 'Name the directory that has `metadata/` in it.',
  },
  'repository.frame': {
    when: 'A part that was downloaded before is damaged on this host.',
    remedy: 'Run the command again; the part is downloaded again.',
  },
  'repository.http': {
    when: 'The repository answered a request with an HTTP error status.',
    remedy: 'Check the address, or report this to the operator of the repository.',
  },
  'repository.keys': {
    when: 'A key that publishing needs is missing, or too few root keys are present.',
    remedy: 'Run `holdfast release keys init`, or name the directory of the offline keys with `--offline`.',
  },
  'repository.keys-exist': {
    when: 'The publisher has keys already.',
    remedy: 'Change keys with `holdfast release keys rotate`; hosts that trust the old keys then follow.',
  },
  'repository.malformed': {
    when: 'The metadata or an index of the repository cannot be parsed.',
    remedy: 'Use a newer Holdfast, or report this to the publisher of the repository.',
  },
  'repository.missing': {
    when: 'The repository lacks a file that its signed metadata names.',
    remedy: 'Report this to the publisher of the repository; a copy of it may be incomplete.',
  },
  'repository.mixed': {
    when: 'The repository mixes metadata of different publications.',
    remedy:
      'Try again in a minute, as a publication may be in progress; otherwise report this to the publisher.',
  },
  'repository.no-ranges': {
    when: 'The web server does not answer HTTP range requests.',
    remedy: 'Enable range requests on the web server; updates are then much smaller.',
  },
  'repository.page': {
    when: 'The server answered with a web page instead of a file.',
    remedy:
      'Check the address, and that no login page of the network is in between. The server must answer 404 for a missing file.',
  },
  'repository.proxy': {
    when: 'A proxy on the way demands a user and password (HTTP status 407).',
    remedy: 'Connect without the proxy, or use a bundle.',
  },
  'repository.rollback': {
    when: 'The repository offers older metadata than this host has seen.',
    remedy:
      'Try again later, as a cache may be stale. If it remains, do not use the repository, and report this to the publisher: a third party may be replaying old metadata.',
  },
  'repository.signature': {
    when: 'The repository is not signed by a publisher that this host trusts.',
    remedy:
      'Do not use it; report this to the publisher. If the publisher recreated its keys, replace `root.json` in `keys/repository` of HOLDFAST_HOME and remove the directory `repository` there.',
  },
  'repository.slow': {
    when: 'The repository sent too little for too long.',
    remedy: 'Try again later; the command resumes with the data received so far.',
  },
  'repository.source': {
    when: 'The given repository is neither a URL, nor an existing directory or bundle.',
    remedy: 'Name a URL (http or https), a directory, or a bundle.',
  },
  'repository.tampered': {
    when: 'The repository sent content that does not match its signed digest.',
    remedy: 'Do not use it until it is repaired; report this to the publisher.',
  },
  'repository.threshold': {
    when: 'The threshold of root keys is zero or more than the number of root keys.',
    remedy: 'Choose a threshold from 1 to the number of root keys.',
  },
  'repository.too-large': {
    when: 'The repository sent a file longer than the limit.',
    remedy: 'Report this to the operator of the repository; the connection may be intercepted.',
  },
  'repository.trust': {
    when: 'The root metadata that this host trusts is damaged.',
    remedy: 'Remove or replace the file that the error names.',
  },
  'repository.unreachable': {
    when: 'The repository cannot be connected to, or the connection failed.',
    remedy:
      'Check the address and the network, then try again; the command resumes with the data received so far.',
  },
  'repository.untrusted': {
    when: 'This host has no trusted root metadata of a publisher.',
    remedy: "Install the publisher's `root.json` in `keys/repository` of HOLDFAST_HOME.",
  },
  'repository.version': {
    when: 'The repository does not offer the requested release.',
    remedy: 'Choose one of the releases that the error lists.',
  },
  'delta.frame': {
    when: 'A downloaded part of a release cannot be decompressed.',
    remedy: 'Report this to the publisher of the repository.',
  },
  'delta.index': {
    when: "The index of the release's blocks is malformed.",
    remedy: 'Report this to the publisher of the repository.',
  },
  'delta.mismatch': {
    when: 'The release that was assembled on this host does not match its signed root hash.',
    remedy: 'Run the command again; if it repeats, check the disk of this host.',
  },
  'delta.pack': {
    when: 'The pack between two releases is malformed.',
    remedy: 'Report this to the publisher of the repository.',
  },
} as const satisfies Record<string, ErrorEntry>;
