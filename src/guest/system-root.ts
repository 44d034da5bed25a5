/** Where the host's commands in the guest see the files of the running system: the guest may have changed them. */
export const systemRoot = '';
