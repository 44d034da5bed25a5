/**
 * The words before a shell and its script that run for the host, over the management channel. setarch(8) disables address randomization for its
 * programs: under QEMU 7.2 without KVM a program then takes 13 ms instead of 38. These programs are short-lived and run for the
 * host. Programs that stay in the guest have random addresses, also those that a script has systemd start.
 */
export const rootScript = ['setarch', '--addr-no-randomize'] as const;
