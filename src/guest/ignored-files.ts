import * as z from 'zod';
import { systemRoot } from './system-root.ts';

/**
 * Shell lines that print, a word a line, which files of the running system look like settings but have no effect: nothing in the
 * image reads them. Files that the release brings do not count.
 */
export const ignoredFiles = `(
root=${systemRoot}
added() {
  for file; do
    if { [ -f "$file" ] || [ -L "$file" ]; } && [ ! -e "\${file#$root}" ]; then return 0; fi
  done
  return 1
}
quadlet() {
  for file; do
    case $file in *.container | *.pod | *.volume | *.network | *.kube | *.image | *.build) if added "$file"; then return 0; fi ;; esac
  done
  return 1
}
cd $root/etc || exit 0
[ ! -f fstab ] || ! grep -qE '^[[:space:]]*[^#[:space:]]' fstab || echo fstab
! added $root/etc/crypttab || echo crypttab
! quadlet $root/etc/containers/systemd/* $root/etc/containers/systemd/*/* $root/home/*/.config/containers/systemd/* || echo quadlet
! added $root/etc/rc.local $root/etc/init.d/* || echo scripts
! added $root/etc/crontab $root/etc/cron.*/* $root/var/spool/cron/* $root/var/spool/cron/*/* || echo cron
! added $root/etc/network/interfaces $root/etc/network/interfaces.d/* $root/etc/netplan/* || echo network
)`;

/** What each word is about, and what takes effect instead. */
const ignored = {
  fstab: '/etc/fstab has no effect: write mount units in /etc/systemd/system',
  crypttab: '/etc/crypttab has no effect: open volumes with cryptsetup in a service unit',
  quadlet: 'Quadlet files have no effect: start containers with `podman run --restart=always`',
  scripts: '/etc/rc.local and /etc/init.d have no effect: write service units in /etc/systemd/system',
  cron: 'files of cron have no effect: write timer units in /etc/systemd/system',
  time: 'files in /etc keep a program busy for more than 4 s: they were not all examined',
  network: '/etc/network/interfaces and netplan have no effect: write .network files in /etc/systemd/network',
} as const;

/** A line of `ignoredFiles`, as a sentence. */
export const ignoredFile = z
  .enum(Object.keys(ignored) as (keyof typeof ignored)[])
  .transform((word) => ignored[word]);
