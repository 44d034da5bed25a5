import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { channelKeyFiles, makeChannelKeys, readIdentity } from '../../src/channel/keys.ts';
import type { Identity } from '../../src/channel/session.ts';
import { connectVsock } from '../../src/channel/vsock.ts';

/** An OpenSSH server behind a UNIX socket with the protocol of vhost-device-vsock. */
export interface SshServer {
  readonly directory: string;
  /** The home of the user in this "guest". */
  readonly home: string;
  readonly secrets: string;
  /** A file system of 1 MB in the "guest"; undefined unless the test runs as root. */
  readonly tiny: string | undefined;
  readonly identity: Identity;
  readonly vsockSocket: string;
  connect(): Promise<Duplex>;
  /** Kills the servers of all connections, as when the guest is lost. */
  kill(): void;
  /** Counts the open connections. */
  connections(): number;
  log(): Promise<string>;
  close(): Promise<void>;
}

/** sshd ignores signals for root's own sessions, so root runs it as this user, which exists only here; `tty` is for terminals. */
const guest = { name: 'holdfast', id: 4711 };
const mountAll =
  'mount --bind "$1" /etc/passwd && mount -t tmpfs -o size=1m,mode=777 none "$2" && shift 2 && exec "$@"';

/** @param settings additional lines for sshd_config. */
export async function startSshServer(settings: readonly string[] = []): Promise<SshServer> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-ssh-'));
  const isRoot = process.getuid?.() === 0;
  const user = isRoot ? guest.name : userInfo().username;
  const home = isRoot ? join(directory, 'home') : userInfo().homedir;
  const secrets = join(directory, 'secrets');
  const files = { configuration: join(directory, 'sshd_config'), passwd: join(directory, 'passwd') };
  const tiny = join(directory, 'tiny');
  const hostKey = join(directory, 'host-key');
  const authorizedKeys = join(directory, 'authorized-keys');
  const logFile = join(directory, 'sshd.log');

  await makeChannelKeys(secrets);
  await copyFile(channelKeyFiles(secrets).hostKey, hostKey);
  await copyFile(channelKeyFiles(secrets).identityPublic, authorizedKeys);
  await mkdir(join(directory, 'home'));
  await mkdir(tiny);
  await writeFile(files.passwd, `${guest.name}:x:${guest.id}:${guest.id}::${home}:/bin/bash\n`);
  const lines = [
    `HostKey ${hostKey}`,
    `AuthorizedKeysFile ${authorizedKeys}`,
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'MaxSessions 100',
    'PidFile none',
    'LogLevel VERBOSE',
    ...settings,
  ];
  await writeFile(files.configuration, `${lines.join('\n')}\n`);
  if (isRoot) {
    for (const path of [directory, home, hostKey, authorizedKeys]) await chown(path, guest.id, guest.id);
  }

  const sshd = ['/usr/sbin/sshd', '-i', '-E', logFile, '-f', files.configuration];
  const ids = [`--reuid=${guest.id}`, `--regid=${guest.id}`, '--groups', 'tty'];
  const command = isRoot
    ? ['unshare', '--mount', 'sh', '-c', mountAll, 'sh', files.passwd, tiny, 'setpriv', ...ids, ...sshd]
    : sshd;
  const children = new Set<ChildProcess>();
  const sockets = new Set<Socket>();
  const serveSsh = (socket: Socket) => {
    const [program = '', ...args] = command;
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    children.add(child);
    child.on('exit', () => children.delete(child));
    sockets.add(socket);
    child.stdin.on('error', () => {});
    socket.pipe(child.stdin);
    child.stdout.pipe(socket);
  };
  const vsockSocket = join(directory, 'vsock.sock');
  const front = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (request) => {
      if (request.toString() !== 'CONNECT 22\n') {
        socket.end();
        return;
      }
      socket.write('OK 1073741824\n');
      serveSsh(socket);
    });
  });
  front.listen(vsockSocket);
  await once(front, 'listening');

  const kill = () => {
    for (const child of children) child.kill('SIGKILL');
  };
  return {
    directory,
    home,
    secrets,
    tiny: isRoot ? tiny : undefined,
    vsockSocket,
    identity: await readIdentity(secrets, user),
    connect: () => connectVsock(vsockSocket, 22),
    kill,
    connections: () => children.size,
    log: () => readFile(logFile, 'utf8'),
    close: async () => {
      front.close();
      kill();
      for (const child of children) await once(child, 'exit');
      for (const socket of sockets) socket.destroy();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
