import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { exampleImage } from '../../scripts/example-image.ts';
import { asRoot } from '../support/vm/guest.ts';
import { expectDone, holdfast, home, sharedMachine, sharedName } from '../support/vm/machine.ts';

/*
 * Containers without any network to fetch from: an image is copied in, as a user would. Podman takes seconds for each
 * container of an emulated machine, so there are three.
 */

before(async () => {
  const image = await exampleImage(home);
  await sharedMachine();
  await expectDone(['copy', image, ':/tmp/example.tar']);
  await asRoot(sharedName, 'podman import --quiet /tmp/example.tar example; rm /tmp/example.tar');
});

after(async () => {
  await asRoot(sharedName, 'podman rm --all --force --time 0; podman system prune --all --volumes --force');
});

test('a container runs, and passes on its input, output and exit code', async () => {
  const podman = ['sudo', 'podman', 'run', '--rm', '--interactive', '--network=none', 'example'];
  const command = ['sh', '-c', 'read -r line; echo "got $line"; exit 7'];
  const { code, stdout } = await holdfast(['exec', '--', ...podman, ...command], { input: 'a line\n' });
  assert.equal(stdout, 'got a line\n');
  assert.equal(code, 7);
});

test('containers have a network: names resolve, and the machine reaches published ports', async () => {
  const page = '/bin/busybox mkdir /www && echo "from a container" >/www/index.html';
  const output = await asRoot(
    sharedName,
    `
    podman network create inside >/dev/null
    podman run --detach --name server --network inside --publish 8080:80 example \
      sh -c '${page} && exec /bin/busybox httpd -f -h /www -p 80' >/dev/null
    curl --silent --retry 20 --retry-delay 1 --retry-all-errors http://127.0.0.1:8080/
    podman exec server /bin/busybox wget -q -O - http://server/
    iptables --list-rules INPUT | head -n 1
    podman rm --force --time 0 server >/dev/null
    podman network rm inside >/dev/null`,
  );
  assert.equal(output, 'from a container\nfrom a container\n-P INPUT DROP');
});

test('Podman without sudo is explained', async () => {
  const { code, stderr } = await holdfast(['exec', '--', 'podman', 'ps']);
  assert.notEqual(code, 0);
  assert.match(stderr, /^holdfast: containers run as root in the guest: use `sudo podman`$/m);
});

test('volumes, containers that restart, and changes in /etc survive a restart with a full Log', async () => {
  const device = await asRoot(
    sharedName,
    `
    podman volume create store >/dev/null
    podman run --detach --restart=always --network=host --volume store:/data --name service example \
      sh -c 'echo started >>/data/starts; /bin/busybox ip -4 address show >/data/address; exec /bin/busybox sleep 100000' >/dev/null
    for name in stopped unless; do
      podman run --detach --restart=unless-stopped --network=none --name $name example sh -c 'exec /bin/busybox sleep 100000' >/dev/null
    done
    podman stop --time 0 stopped >/dev/null
    echo kept >/etc/kept
    echo 'tmpfs /var/scratch tmpfs size=8M 0 0' >/etc/fstab
    mkdir /var/log/other
    cat /dev/zero >/var/log/other/zeros 2>/dev/null || true
    stat -c %m "$(podman volume inspect --format '{{.Mountpoint}}' store)"`,
  );
  assert.equal(device, '/var', 'the volume is on Data');

  await expectDone(['restart']);

  const status = await expectDone(['status']);
  assert.match(status, /^degraded +logs is full: /m);
  assert.match(status, /^no effect +\/etc\/fstab /m);
  const output = await asRoot(
    sharedName,
    `
    systemctl is-system-running --wait
    podman ps --format '{{.Names}}' | sort
    cd "$(podman volume inspect --format '{{.Mountpoint}}' store)"
    cat starts /etc/kept
    grep -o 10.0.2.15 address
    rm -r /etc/kept /var/log/other; sed -i '/scratch/d' /etc/fstab
    logger 'again on the disk'
    journalctl --sync
    journalctl --lines 1 --output cat --identifier root --directory /var/log/journal`,
  );
  assert.equal(output, 'running\nservice\nunless\nstarted\nstarted\nkept\n10.0.2.15\nagain on the disk');
});
