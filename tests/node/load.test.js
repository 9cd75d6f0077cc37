// The load client against servers of other kinds: it counts what they send, and answers what they ask.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import { Server } from 'socket.io';
import { WebSocket, WebSocketServer } from 'ws';
import { BINARY, test } from './support.js';

// The report of 20 messages a second for three seconds, and the server is gone.
async function load(scenario, kind, server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `ws://127.0.0.1:${server.address().port}`;
  const load = ['--connections', '10', '--rate', '20', '--warm-up', '1s', '--duration', '2s'];
  const client = spawn(BINARY, ['bench', scenario, url, '--for', kind, ...load, '--quiet', '--json', '-']);
  const report = await json(client.stdout);
  server.closeAllConnections();
  server.close();
  return report;
}

function assertCounts({ messages, connections }, members) {
  const { sent, expected, received, lost, duplicated, reordered, damaged } = messages;
  assert.deepEqual([sent, expected, received], [60, 60 * members, 60 * members]);
  assert.deepEqual([lost, duplicated, reordered, damaged], [0, 0, 0, 0]);
  assert.deepEqual([connections.open_at_end, connections.lost], [10, {}]);
}

// Which ends connections that do not answer its pings.
function socketIo(tell) {
  const server = createServer();
  const io = new Server(server, { transports: ['websocket'], pingInterval: 400, pingTimeout: 400 });
  io.on('connection', (socket) => socket.on('message', (text) => tell(io, socket).emit('message', text)));
  return server;
}

// As the servers of hashrocket/websocket-shootout do it.
function shootout() {
  const server = createServer();
  const all = new WebSocketServer({ server, path: '/ws' });
  all.on('connection', (socket) =>
    socket.on('message', (data) => {
      const { type, payload } = JSON.parse(data);
      if (type === 'echo') return socket.send(JSON.stringify({ payload, type }, null, 1));
      const open = [...all.clients].filter((client) => client.readyState === WebSocket.OPEN);
      open.forEach((client) => client.send(JSON.stringify({ type, payload })));
      socket.send(JSON.stringify({ type: 'broadcastResult', payload, listenerCount: open.length }));
    }),
  );
  return server;
}

test('a room of Socket.IO is loaded', async () => {
  assertCounts(await load('broadcast', 'socket.io', socketIo((io) => io)), 10);
});

test('an echo of Socket.IO is checked', async () => {
  assertCounts(await load('echo', 'socket.io', socketIo((_, socket) => socket)), 1);
});

test('a server of websocket-shootout is loaded', async () => {
  assertCounts(await load('broadcast', 'websocket-shootout', shootout()), 10);
  assertCounts(await load('echo', 'websocket-shootout', shootout()), 1);
});
