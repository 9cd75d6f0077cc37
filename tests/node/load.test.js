// The load tester against servers of other kinds: it counts what they send, and answers what they ask.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { text as read } from 'node:stream/consumers';
import { Server } from 'socket.io';
import { WebSocket, WebSocketServer } from 'ws';
import { BINARY, test } from './support.js';

// Runs a scenario against a server that is gone afterwards: 20 messages a second for three seconds, from ten clients.
async function load(scenario, server, ...flags) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `ws://127.0.0.1:${server.address().port}`;
  const plan = ['--connections', '10', '--rate', '20', '--warmup', '1s', '--duration', '2s', '--drain-timeout', '10s'];
  const client = spawn(BINARY, ['bench', scenario, url, ...plan, ...flags, '--quiet', '--json', '-']);
  const [output, errors] = await Promise.all([read(client.stdout), read(client.stderr)]);
  const status = client.exitCode ?? (await once(client, 'close'))[0];
  server.closeAllConnections();
  server.close();
  return { status, errors, report: output === '' ? undefined : JSON.parse(output) };
}

// That all came to so many members each, and nothing is wrong but what is told.
function assertCounts({ report: { messages, connections }, errors }, members, others = {}) {
  const { planned, sent, expected, received } = messages;
  assert.deepEqual([planned, sent, expected, received], [60, 60, 60 * members, 60 * members], errors);
  const none = { lost: 0, duplicated: 0, reordered: 0, unknown: 0, damaged: 0, rewritten: 0, acknowledged: 0 };
  const seen = Object.fromEntries(Object.keys(none).map((name) => [name, messages[name]]));
  assert.deepEqual(seen, { ...none, ...others });
  assert.deepEqual([connections.open_at_end, connections.lost], [10, {}]);
}

// A server of ws; `hear` gets what one client said, and all that are open.
function ws(hear, options = {}) {
  const server = createServer();
  const all = new WebSocketServer({ server, ...options });
  all.on('connection', (socket) =>
    socket.on('message', (data, isBinary) => {
      const open = [...all.clients].filter((client) => client.readyState === WebSocket.OPEN);
      hear(data, socket, open, isBinary);
    }),
  );
  return server;
}

// One that ends connections which do not answer its pings.
function socketIo(tell) {
  const server = createServer();
  const io = new Server(server, { transports: ['websocket'], pingInterval: 400, pingTimeout: 400 });
  io.on('connection', (socket) => socket.on('message', (text) => tell(io, socket).emit('message', text)));
  return { server, io };
}

// As the servers of hashrocket/websocket-shootout do it.
function shootout() {
  return ws((data, socket, open) => {
    const { type, payload } = JSON.parse(data);
    if (type === 'echo') return socket.send(JSON.stringify({ payload, type }, null, 1));
    open.forEach((client) => client.send(JSON.stringify({ type, payload })));
    socket.send(JSON.stringify({ type: 'broadcastResult', payload, listenerCount: open.length }));
  }, { path: '/ws' });
}

test('a room of Socket.IO is loaded', async () => {
  assertCounts(await load('broadcast', socketIo((io) => io).server, '--preset', 'socket.io'), 10);
});

test('an echo of Socket.IO is checked', async () => {
  assertCounts(await load('echo', socketIo((_, socket) => socket).server, '--preset', 'socket.io'), 1);
});

test('a room of Socket.IO that leaves out the sender is loaded', async () => {
  const { server } = socketIo((_, socket) => socket.broadcast);
  assertCounts(await load('broadcast', server, '--preset', 'socket.io', '--senders', '1'), 9);
});

test('what a middleware of Socket.IO refuses is told', async () => {
  const { server, io } = socketIo((io) => io);
  io.use((_, next) => next(new Error('a ticket is needed')));
  const { report, status } = await load('broadcast', server, '--preset', 'socket.io');
  const { messages, warnings, invalid } = report;
  assert.equal(messages.received, 0);
  // The packet 44 is Socket.IO's CONNECT_ERROR, one for each client.
  const told = messages.other.filter(({ sample }) => sample.includes('a ticket is needed'));
  assert.deepEqual(told.map(({ count }) => count), [10]);
  const notes = [...warnings, ...invalid];
  assert.ok(notes.some((text) => text.includes('a ticket is needed')), notes.join('\n'));
  assert.notEqual(status, 3);
});

test('a server of websocket-shootout is loaded', async () => {
  assertCounts(await load('broadcast', shootout(), '--preset', 'websocket-shootout'), 10);
});

test('an echo of websocket-shootout that writes JSON anew is rewritten or as it was, never damaged', async () => {
  const run = await load('echo', shootout(), '--preset', 'websocket-shootout');
  // The preset knows that these servers write what is around the text anew.
  assertCounts(run, 1);
});

// Takes contexts over from message to message, as ws does by default.
const deflate = { threshold: 0, serverNoContextTakeover: false, clientNoContextTakeover: false };

test('messages compressed by ws with context takeover are received as they were', async () => {
  for (const [scenario, members] of [['broadcast', 10], ['echo', 1]]) {
    const extensions = new Set();
    const pass = (data, socket, open, binary) => {
      extensions.add(socket.extensions);
      (scenario === 'echo' ? [socket] : open).forEach((client) => client.send(data, { binary }));
    };
    // JSON of a kind, so that later messages refer to earlier ones.
    const message = '{"type":"say","room":"the kitchen","text":"{id}"}';
    const server = ws(pass, { perMessageDeflate: deflate });
    assertCounts(await load(scenario, server, '--deflate', '--message', message, '--size', '500'), members);
    assert.deepEqual([...extensions], ['permessage-deflate'], 'it was offered as browsers offer it');
  }
});

test('nothing is compressed unless it is asked for', async () => {
  const extensions = new Set();
  const pass = (data, socket, _, binary) => {
    extensions.add(socket.extensions);
    socket.send(data, { binary });
  };
  assertCounts(await load('echo', ws(pass, { perMessageDeflate: deflate })), 1);
  assert.deepEqual([...extensions], ['']);
});

test('an acknowledgement to the sender is no duplicate', async () => {
  const hear = (data, socket, open) => {
    const { text } = JSON.parse(data);
    socket.send(JSON.stringify({ status: 'ok', sent: text }));
    open.forEach((client) => client.send(JSON.stringify({ from: 'somebody', text })));
  };
  const run = await load('broadcast', ws(hear), '--message', '{"text":"{id}"}');
  const { acknowledged, damaged, duplicated, lost, received } = run.report.messages;
  assert.deepEqual([received, lost, duplicated, damaged, acknowledged], [600, 0, 0, 0, 60]);
});

test('several deliveries in one message are all counted', async () => {
  for (const join of [(texts) => texts.join('\n'), (texts) => JSON.stringify(texts)]) {
    const queues = new Map();
    // Whatever has gathered for a client leaves in one message, ten times a second.
    const queue = (client) => queues.get(client) ?? queues.set(client, []).get(client);
    const hear = (data, _, open) => open.forEach((client) => queue(client).push(data.toString()));
    const timer = setInterval(() => {
      for (const [client, texts] of queues) if (texts.length > 0) client.send(join(texts.splice(0)));
    }, 100);
    assertCounts(await load('broadcast', ws(hear)), 10);
    clearInterval(timer);
  }
});

test('JSON that an echo parses and writes anew is rewritten and not damaged', async () => {
  const hear = (data, socket) => {
    const { text, ...rest } = JSON.parse(data);
    socket.send(JSON.stringify({ ...rest, text }, null, 2));
  };
  const run = await load('echo', ws(hear), '--message', '{"text":"{id}","by":{client},"of":{"a":[1,2]}}');
  assertCounts(run, 1, { rewritten: 60 });
});

test('a reason to close is told', async () => {
  let count = 0;
  const hear = (data, socket, open) => {
    open.forEach((client) => client.send(data, { binary: false }));
    if (++count === 30) open.forEach((client) => client.close(4008, 'the kitchen is closed'));
  };
  const { report, status } = await load('broadcast', ws(hear));
  const causes = Object.entries(report.connections.lost);
  assert.deepEqual(causes.map(([, number]) => number), [10]);
  assert.match(causes[0][0], /4008.*the kitchen is closed/);
  assert.deepEqual([report.messages.planned, report.messages.expected], [60, 600]);
  assert.equal(report.is_valid, false);
  assert.equal(status, 4);
});

test('a handshake that ws refuses is told', async () => {
  const server = ws(() => {}, { verifyClient: (_, answer) => answer(false, 401, 'A token is needed') });
  const { status, errors } = await load('broadcast', server);
  assert.equal(status, 3);
  assert.match(errors, /401/);
  assert.match(errors, /A token is needed/);
});
