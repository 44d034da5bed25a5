/**
 * The words before a shell and its script, which run it in the guest as root. setarch(8) lets its programs lie at the same
 * addresses each time: under QEMU 7.2 without KVM a program then takes 13 ms instead of 38, and a script of ours is little
 * else than programs. They last for moments and are the host's own. Whatever stays in the guest has random addresses, also
 * what a script has systemd start.
 */
export const rootScript = ['sudo', '-n', 'setarch', '--addr-no-randomize'] as const;
