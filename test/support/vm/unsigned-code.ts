/**
 * Ways by which root in a guest could run code that the release key did not sign, with programs of the root only.
 * `/var/tmp/sh` is a static busybox, `/var/tmp/other.erofs` an image with the same as `bin/sh`, and `/var/tmp/root.p7s` the
 * release's own signature of its root hash. Each prints `it runs` when it succeeds, `denial` matches what it prints otherwise, and each
 * cleans up.
 */

const print = `-c 'echo it runs'`;
const word = (name: string) => `$(tr ' ' '\\n' </proc/cmdline | sed -n 's/^holdfast.${name}=//p')`;

export const unsignedCode: Readonly<Record<string, { readonly lines: string; readonly denial: RegExp }>> = {
  // The initrd's file system is below /, and stays writable
  initramfs: {
    denial: /^reached$[\s\S]*Permission denied/m,
    lines: `
    unshare --mount sh -c 'umount --lazy /; exec sleep 60' & top=$!
    mkfifo /run/wait; sleep 1
    nsenter --mount=/proc/$top/ns/mnt --wd=/ usr/sbin/ldconfig -f run/wait -C run/cache & inside=$!
    sleep 1
    [ -e /proc/$inside/root/usr ] || echo reached; cp /var/tmp/sh /proc/$inside/root/sh && /proc/$inside/root/sh ${print}
    rm -f /proc/$inside/root/sh /run/wait; kill $inside $top`,
  },
  memory: {
    denial: /Permission denied[\s\S]*Permission denied/,
    lines: `
    mkdir /run/own
    for type in tmpfs ramfs; do
      mount -t $type none /run/own; cp /var/tmp/sh /run/own/sh; /run/own/sh ${print}; umount /run/own
    done
    rmdir /run/own`,
  },
  loader: {
    denial: /failed to map segment/,
    lines: `cp /usr/bin/echo /var/tmp/echo; /lib64/ld-linux-x86-64.so.2 /var/tmp/echo it runs; rm /var/tmp/echo`,
  },
  library: {
    denial: /failed to map segment[\s\S]*cannot be preloaded[\s\S]*failed to map segment/,
    lines: `
    mkdir /var/tmp/own; cp /usr/lib/x86_64-linux-gnu/libc.so.6 /var/tmp/own/
    LD_LIBRARY_PATH=/var/tmp/own /usr/bin/echo it runs; LD_PRELOAD=/var/tmp/own/libc.so.6 /usr/bin/true
    bash -c 'enable -f /var/tmp/own/libc.so.6 own'; rm -r /var/tmp/own`,
  },
  script: {
    denial: /Permission denied/,
    lines: `
    printf '#!/bin/sh\\necho it runs\\n' >/var/tmp/script; chmod +x /var/tmp/script; /var/tmp/script; rm /var/tmp/script`,
  },
  format: {
    denial: /Permission denied|unknown filesystem/,
    lines: `
    mkdir /run/formats; mount -t binfmt_misc none /run/formats
    echo ':own:M::own::/var/tmp/sh:F' >/run/formats/register; echo 'echo it runs' >/var/tmp/own; chmod +x /var/tmp/own
    printf 'own\\necho it runs\\n' >/var/tmp/own; /var/tmp/own
    umount /run/formats; rmdir /run/formats; rm /var/tmp/own`,
  },
  overlay: {
    denial: /Permission denied/,
    lines: `
    mkdir -p /run/layers; mount -t tmpfs none /run/layers; mkdir /run/layers/upper /run/layers/work /run/layers/all
    mount -t overlay -o lowerdir=/usr,upperdir=/run/layers/upper,workdir=/run/layers/work overlay /run/layers/all
    cp /var/tmp/sh /run/layers/all/bin/sh; /run/layers/all/bin/sh ${print}
    umount /run/layers/all /run/layers; rmdir /run/layers`,
  },
  // A device with the release's signed root hash, and other content
  verity: {
    denial: /Operation not permitted/,
    lines: `
    blocks=${word('blocks')}; truncate --size $(((blocks + blocks / 64) * 4096)) /var/tmp/other.erofs
    device=$(losetup --find --show --read-only /var/tmp/other.erofs); keyctl padd user own @s </var/tmp/root.p7s >/dev/null
    dmsetup create own --readonly --table "0 $((blocks * 8)) verity 1 $device $device 4096 4096 $blocks $((blocks + 1)) sha256 ${word('root')} - 3 ignore_corruption root_hash_sig_key_desc own"
    mount --mkdir -t erofs -o ro /dev/mapper/own /run/own; /run/own/bin/sh ${print}
    umount /run/own; rmdir /run/own; dmsetup remove own; losetup --detach $device`,
  },
  // Writable memory that is code: the heap of a program with this personality
  heap: {
    denial: /Operation not permitted/,
    lines: `
    mkfifo /run/wait; setarch --read-implies-exec /usr/sbin/ldconfig -f /run/wait -C /run/cache & program=$!
    sleep 1; grep -q 'rwxp.*heap' /proc/$program/maps && echo it runs; kill $program; rm /run/wait`,
  },
  text: {
    denial: /Input\/output error/,
    lines: `
    bash -c 'exec 3<>/proc/self/mem; read -r range rest < <(grep -m 1 r-xp /proc/self/maps)
      printf x | dd bs=1 oflag=seek_bytes seek=$((16#\${range%-*})) status=none >&3 && echo it runs'`,
  },
  namespace: {
    denial: /Operation not permitted|Permission denied/,
    lines: `unshare --map-root-user bash -c 'echo 0 >/sys/kernel/security/ipe/enforce && echo it runs'`,
  },
};
