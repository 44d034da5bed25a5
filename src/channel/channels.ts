/**
 * The two channels to a guest, each an SSH server of the verified root (docs/explanation/channels.md). `management`: the host's own
 * questions and changes, as root, next to the running system. `user`: commands of users, in the running system.
 */
export const channels = {
  management: { port: 222, user: 'root' },
  user: { port: 22, user: 'holdfast' },
} as const;

export type ChannelName = keyof typeof channels;
