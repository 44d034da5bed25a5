import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { ForwardedPort } from '../../../../src/hypervisor/qemu/tcp.ts';

/** A server that passes each connection to `serve`. */
async function listen(serve: (socket: Socket) => void) {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => {}));
    serve(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const stop = () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { port: (server.address() as AddressInfo).port, sockets, stop };
}

test('a stream is returned with the first data of the server unread', async () => {
  const server = await listen((socket) => socket.write('SSH-2.0-x\r\n'));
  const socket = await new ForwardedPort(server.port).connect();
  assert.equal(String((await once(socket, 'data'))[0]), 'SSH-2.0-x\r\n');
  socket.write('hello');
  assert.equal(String((await once(server.sockets[0] as Socket, 'data'))[0]), 'hello');
  socket.destroy();
  server.stop();
});

test('a forwarder that closes the connection is not a server, nor is a closed port', async () => {
  const server = await listen((socket) => socket.end());
  await assert.rejects(new ForwardedPort(server.port).connect(), { code: 'channel.refused' });
  server.stop();
  await assert.rejects(new ForwardedPort(server.port).connect(), { code: 'channel.refused' });
});

test('a silent forwarder gets a minute', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const server = await listen(() => {});
  const refused = assert.rejects(new ForwardedPort(server.port).connect(), { code: 'channel.refused' });
  context.mock.timers.tick(60_000);
  await refused;
  server.stop();
});

test('connections stay within the rate that the guest allows', async () => {
  let now = 0;
  const server = await listen((socket) => socket.write('SSH'));
  const forwarded = new ForwardedPort(server.port, () => now);
  for (let count = 0; count < 3; count++) (await forwarded.connect()).destroy();
  await assert.rejects(forwarded.connect(), { code: 'channel.rate' });
  assert.equal(server.sockets.length, 3);
  now = 59_999;
  await assert.rejects(forwarded.connect(), { code: 'channel.rate' });
  now = 60_000;
  (await forwarded.connect()).destroy();
  server.stop();
});
