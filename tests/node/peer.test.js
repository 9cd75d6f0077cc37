// Node's ws as a peer: what its client does, the server understands, and the other way round.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, server, test } from './support.js';

const { at } = server('--max-echo-message', '1MiB');

test('text and binary of every length form come back as they went', async () => {
  const { socket, next } = await connect(at('/echo'));
  for (const length of [0, 1, 125, 126, 65535, 65536, 1 << 20]) {
    socket.send('x'.repeat(length));
    assert.equal(await next(), 'x'.repeat(length));
    const bytes = Buffer.alloc(length, 0xe5);
    socket.send(bytes);
    assert.deepEqual(await next(), bytes);
  }
  socket.terminate();
});

test('a fragmented message with a ping in between comes back whole', async () => {
  const { socket, next } = await connect(at('/chatsocket'));
  const pong = once(socket, 'pong');
  const smile = Buffer.from('😀');
  socket.send('分段', { fin: false });
  socket.ping('still there?');
  socket.send(smile.subarray(0, 2), { fin: false });
  socket.send(smile.subarray(2), { fin: true });
  assert.equal((await pong)[0].toString(), 'still there?');
  assert.equal(await next(), '分段😀');
  socket.terminate();
});

test('a close is answered with its code', async () => {
  const { socket } = await connect(at('/echo'));
  const closed = once(socket, 'close');
  socket.close(3999, 'done');
  assert.equal((await closed)[0], 3999);
});

test('two json clients hear each other', async () => {
  const ada = await connect(at('/chat/node?name=Ada'), ['throng.v1']);
  assert.equal(ada.socket.protocol, 'throng.v1');
  const welcome = await ada.nextJson();
  assert.equal(welcome.type, 'welcome');
  assert.equal(welcome.name, 'Ada');
  assert.equal((await ada.nextJson()).type, 'joined');

  const bo = await connect(at('/chat/node?name=Bo'), ['unknown', 'throng.v1']);
  await bo.nextJson();
  const joined = await bo.nextJson();
  assert.deepEqual(joined.members.map(({ name }) => name).sort(), ['Ada', 'Bo']);
  assert.equal((await ada.nextJson()).type, 'join');

  bo.socket.send(JSON.stringify({ type: 'say', text: '你好', id: 'one' }));
  for (const member of [ada, bo]) {
    const message = await member.nextJson();
    assert.deepEqual([message.type, message.offset, message.name, message.text, message.id], ['message', 1, 'Bo', '你好', 'one']);
  }
  bo.socket.close();
  const left = await ada.nextJson();
  assert.deepEqual([left.type, left.name, left.online], ['leave', 'Bo', 1]);
  ada.socket.close();
});

test('html begins with the uid if asked and escapes what is said', async () => {
  const { socket, next } = await connect(at('/chat/html?format=html&greeting=uid'));
  assert.match(await next(), /^[\w-]{16}$/);
  socket.send(JSON.stringify({ message: '<b>&', uid: 'forged' }));
  assert.match(await next(), /^<div class="message">.*<span class="text">&lt;b&gt;&amp;<\/span><\/div>$/);
  socket.close();
});

test('compression is agreed on, whatever is offered, and both ends use it', async () => {
  const offers = [
    true,
    { serverNoContextTakeover: true, clientNoContextTakeover: true },
    { serverMaxWindowBits: 9, clientMaxWindowBits: 9 },
    { clientMaxWindowBits: true, serverMaxWindowBits: 15 },
  ];
  for (const perMessageDeflate of offers) {
    const options = perMessageDeflate === true ? {} : { perMessageDeflate: { threshold: 0, ...perMessageDeflate } };
    const { socket, connection, headers, next } = await connect(at('/echo'), [], options);
    assert.match(headers['sec-websocket-extensions'], /^permessage-deflate; server_no_context_takeover; client_no_context_takeover/);
    for (const text of ['', 'short', 'a line that repeats; '.repeat(2000), 'short again']) {
      socket.send(text);
      assert.equal(await next(), text);
    }
    const sent = 60_000;
    const before = connection.bytesRead;
    socket.send(Buffer.alloc(sent));
    assert.equal((await next()).length, sent);
    assert.ok(connection.bytesRead - before < sent / 50, 'the answer was compressed');
    socket.terminate();
  }
  const { socket } = await connect(at('/echo'), [], { perMessageDeflate: false });
  assert.equal(socket.extensions, '');
  socket.terminate();
});
