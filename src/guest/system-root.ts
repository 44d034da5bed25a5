/**
 * Where the management channel sees the files of the running system, which the guest may have changed: image/initrd/management.
 * Without this prefix a path is one of the verified root.
 */
export const systemRoot = '/run/guest';

/** A test of the shell: whether the machine was started as released, as image/initrd/as-released notes. */
export const runsAsReleased = '[ -e /run/holdfast/as-released ]';

/** The directory of Data. */
export const dataDirectory = '/run/holdfast/data';
