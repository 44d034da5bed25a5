/** The kinds of sockets that have a module of the kernel for ss(8). */
type SocketKind = 'tcp' | 'udp' | 'raw' | 'af_packet' | 'vsock';

/**
 * Returns a line for the shell that loads the modules with which ss(8) asks the kernel about sockets of these kinds. The kernel
 * would have modprobe(8) of the running system load them, which the guest can block: with a pipe in place of /etc/ld.so.cache, for
 * example.
 */
export function loadSocketModules(...kinds: readonly SocketKind[]): string {
  const modules = kinds.map((kind) => `${kind}_diag`).join(' ');
  return `for module in ${modules}; do [ -e /sys/module/$module ] || modprobe -q $module; done`;
}
