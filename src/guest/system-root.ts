/**
 * Where the management channel sees the files of the running system, which the guest may have changed: image/initrd/management.
 * Without this prefix a path is one of the verified root.
 */
export const systemRoot = '/run/guest';

/** The directory of Data. */
export const dataDirectory = '/run/holdfast/data';
