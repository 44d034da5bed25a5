import { lines, matching, type Probe } from './guest-probe.ts';

/** A volume of the guest's device mapper. */
export interface Volume {
  /** `major:minor`. */
  readonly device: string;
  readonly name: string;
  /** Names of the devices below it. */
  readonly below: string;
  /** Target of its first segment, and the target's first parameter, which is the cipher of an encrypted volume. */
  readonly type: string;
  readonly how: string;
}

export const volumes: Probe<readonly Volume[]> = {
  name: 'volumes',
  command: `for directory in /sys/class/block/dm-*; do
    [ -e "$directory/dm" ] || continue
    name=$(<"$directory/dm/name")
    read -r _ _ type how _ <<<"$(dmsetup table "$name")"
    echo "$(<"$directory/dev") $name $(cd "$directory/slaves" && echo *) $type $how"
  done`,
  form: lines(
    matching(
      /^(\d+:\d+) (\S{1,64}) (\S.{0,80}?) (\S{1,32}) (\S{1,64})$/,
      ([device = '', name = '', below = '', type = '', how = '']) => ({ device, name, below, type, how }),
    ),
  ),
};

/** AES-256 in XTS, which image/initrd/unlock requires. */
const cipher = 'aes-xts-plain64';

/** Returns whether a volume encrypts a whole partition. */
export function encrypts({ below, type, how }: Volume, partition: string): boolean {
  return below === partition && type === 'crypt' && how === cipher;
}
