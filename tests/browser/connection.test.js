import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connected, freePort, message, newRoom, say, startServer, texts, visitors } from './support.js';

const visit = visitors();
const started = [];
let server;
const start = async (port) => {
  started.push(await startServer(port));
  return started.at(-1);
};
before(async () => (server = await start()));
after(() => Promise.all(started.map((each) => each.kill())));

// A conversation whose server half is written by the test: `answer` gets each connection, and plays it.
const scripted = (answer, options) =>
  visit(server.url, {
    ...options,
    prepare: async (page) => {
      let attempts = 0;
      await options?.prepare?.(page);
      await page.routeWebSocket(/\/chat\//, (socket) => {
        const received = [];
        const send = (frame) => socket.send(JSON.stringify(frame));
        const peer = { url: new URL(socket.url()), attempt: ++attempts, received, send, close: (code) => socket.close({ code }) };
        socket.onMessage((text) => {
          received.push(JSON.parse(text));
          peer.onFrame?.(received.at(-1));
        });
        answer(peer);
      });
    },
  });

const welcome = { type: 'welcome', uid: 'me', name: 'Ada', server: 'throng/test', limits: { text: 100, name: 32 } };
const said = (offset, more) => ({
  type: 'message', room: 'lobby', offset, time: '2026-11-21T01:23:45.678Z', uid: 'bo', name: 'Bo', text: `text ${offset}`, ...more,
});
const joined = (epoch, offset, history, more) => ({
  type: 'joined', room: 'lobby', epoch, offset, recovered: false, online: 1, members: [{ uid: 'me', name: 'Ada' }], history, ...more,
});
const shown = (page, expected) =>
  page.waitForFunction(
    (wanted) => JSON.stringify([...document.querySelectorAll('#messages .bubble > p')].map((body) => body.textContent)) === wanted,
    JSON.stringify(expected),
  );

// Every wait is as long as its jitter allows, and time is the test's own.
const frozen = {
  prepare: async (page) => {
    await page.clock.install();
    await page.addInitScript(() => (Math.random = () => 0.9999));
  },
};

test('the page comes back after the server was killed, and keeps what was in the box', async () => {
  const port = await freePort();
  const doomed = await start(port);
  const address = `${doomed.url}/?room=${newRoom()}`;
  const ada = await visit(address, { name: 'Ada', losesServer: true });
  const bo = await visit(address, { name: 'Bo', losesServer: true });
  await say(ada, 'before');
  await message(bo, 'before');

  await doomed.kill();
  await ada.waitForFunction(() => document.body.dataset.state !== 'connected');
  await say(ada, 'kept while away');
  await ada.locator('#notice').filter({ hasText: 'Not connected' }).waitFor();
  assert.equal(await ada.inputValue('#text'), 'kept while away');

  await start(port);
  await connected(ada);
  await connected(bo);
  assert.equal(await ada.inputValue('#text'), 'kept while away');
  await ada.press('#text', 'Enter');
  await message(bo, 'kept while away');
});

test('a message that is known already is not shown again', async () => {
  const page = await scripted((peer) => {
    peer.send(welcome);
    peer.send(joined('a', 2, [said(1), said(2)]));
    for (const offset of [2, 3, 3, 1, 4]) peer.send(said(offset));
  });
  await shown(page, ['text 1', 'text 2', 'text 3', 'text 4']);
});

test('a connection resumes where the one before it ended', async () => {
  const peers = [];
  const page = await scripted((peer) => {
    peers.push(peer);
    peer.send(welcome);
    if (peer.attempt === 1) {
      peer.send(joined('a b', 1, [said(1)]));
      peer.send(said(2));
      return peer.close(1001);
    }
    peer.send(joined('a b', 3, [said(3)], { recovered: true }));
  });
  await shown(page, ['text 1', 'text 2', 'text 3']);
  assert.equal(peers[0].url.pathname, '/chat/lobby');
  assert.equal(peers[0].url.search, '');
  assert.equal(peers[1].url.searchParams.get('since'), '2');
  assert.equal(peers[1].url.searchParams.get('epoch'), 'a b');
});

test('a replay of the same epoch is merged, and says what is missing', async () => {
  const page = await scripted((peer) => {
    peer.send(welcome);
    if (peer.attempt === 3) return peer.send(joined('a', 8, [said(7), said(8)]));
    peer.send(joined('a', 2 * peer.attempt, [said(1), said(2), said(3), said(4)].slice(0, 2 * peer.attempt)));
    peer.close(1001);
  });
  await shown(page, ['text 1', 'text 2', 'text 3', 'text 4', 'text 7', 'text 8']);
  assert.equal(await page.textContent('#messages .note'), '2 messages are missing here');
});

test('a replay of another epoch replaces the history', async () => {
  const page = await scripted((peer) => {
    peer.send(welcome);
    if (peer.attempt === 1) {
      peer.send(joined('a', 9, [said(8), said(9)]));
      return peer.close(1012);
    }
    peer.send(joined('b', 1, [said(1, { text: 'anew' })]));
    peer.send(said(2));
  }, { prepare: (page) => page.addInitScript(() => (Math.random = () => 0)) });
  await shown(page, ['anew', 'text 2']);
});

test('what was not confirmed comes back to the box, and what was is not said twice', async () => {
  let confirmed;
  const page = await scripted((peer) => {
    peer.send({ ...welcome, uid: `me${peer.attempt}` });
    peer.send(joined('a', peer.attempt - 1, peer.attempt === 1 ? [] : [confirmed], { recovered: peer.attempt > 1 }));
    peer.onFrame = ({ id, text }) => {
      if (text === 'arrived') confirmed = said(1, { uid: 'me1', name: 'Ada', text, id });
      if (text === 'lost') peer.close(1011);
    };
  }, { prepare: (page) => page.addInitScript(() => (Math.random = () => 0.5)) });
  await say(page, 'arrived');
  await page.locator('#pending > li').waitFor();
  await say(page, 'lost');
  await page.fill('#text', 'written since');

  await shown(page, ['arrived']);
  await page.waitForFunction(() => document.querySelector('#text').value === 'lost\nwritten since');
  assert.equal(await page.locator('#pending > li').count(), 0);
  assert.equal(await page.locator('#messages > .own').count(), 1);
});

test('a message the server refuses comes back to the box with the reason', async () => {
  const page = await scripted((peer) => {
    peer.send(welcome);
    peer.send(joined('a', 0, []));
    const codes = ['rate_limited', 'unheard_of'];
    peer.onFrame = ({ id }) => peer.send({ type: 'error', code: codes.shift(), message: 'A sentence.', id });
  });
  await say(page, 'too fast');
  await page.locator('#notice').filter({ hasText: 'That was too fast' }).waitFor();
  assert.equal(await page.inputValue('#text'), 'too fast');
  await page.press('#text', 'Enter');
  await page.locator('#notice').filter({ hasText: 'A sentence.' }).waitFor();
});

test('a silent line is probed, and given up when nothing answers', async () => {
  const peers = [];
  const page = await scripted((peer) => {
    peers.push(peer);
    peer.onFrame = () => peers.answers && peer.send({ type: 'pong' });
  }, frozen);
  const pings = (count) => waitUntil(() => peers[0].received.length === count);

  peers.answers = true;
  await page.clock.runFor(30_000);
  await pings(1);
  assert.deepEqual(peers[0].received, [{ type: 'ping' }]);
  await waitUntil(async () => {
    await page.clock.runFor(1_000);
    return peers[0].received.length === 2;
  });
  assert.equal(await page.getAttribute('body', 'data-state'), 'connected');

  peers.answers = false;
  await waitUntil(async () => {
    await page.clock.runFor(1_000);
    return peers.length === 2;
  });
  assert.equal(peers[0].received.length, 3);
  await connected(page);
});

test('the wait grows, is longer after a restart or an overload, and can be cut short', async () => {
  const codes = [1006, 1011, 1012, 1013];
  const waits = ['1', '2', '20', '30'];
  const page = await scripted((peer) => {
    const code = codes[peer.attempt - 1];
    if (code) peer.onFrame = () => peer.close(code === 1006 ? undefined : code);
  }, frozen);
  for (const wait of waits) {
    await say(page, 'hang up');
    await page.locator('#countdown').filter({ hasText: `trying again in ${wait} s` }).waitFor();
    await page.getByRole('button', { name: 'Try now' }).click();
    await connected(page);
    assert.equal(await page.locator('#try-now').isVisible(), false);
    assert.equal(await page.evaluate(() => document.activeElement.id), 'text');
  }
});

test('the page reconnects as soon as the network is back', async () => {
  const page = await scripted((peer) => {
    peer.onFrame = () => peer.close(1013);
  }, frozen);
  await say(page, 'hang up');
  await page.waitForSelector('[data-state="waiting"]');
  const lost = Date.now();
  await page.evaluate(() => dispatchEvent(new Event('online')));
  await connected(page);
  assert.ok(Date.now() - lost < 9_000);
});

test('a room too large to list shows its number, and its members once it is small', async () => {
  let room;
  const page = await scripted((peer) => {
    room = peer;
    peer.send(welcome);
    peer.send(joined('a', 0, [], { online: 12345, members: undefined }));
    peer.onFrame = () => peer.send({ type: 'who', room: 'lobby', online: 2, members: [{ uid: 'bo', name: 'Bo' }, { uid: 'me', name: 'Ada' }] });
  });
  const online = (text) => page.locator('#side .online').filter({ hasText: text }).waitFor();
  await online('12,345 online');
  assert.equal(await page.locator('#unlisted').isVisible(), true);
  room.send({ type: 'online', room: 'lobby', online: 101 });
  await online('101 online');

  room.send({ type: 'leave', room: 'lobby', uid: 'eve', name: 'Eve', online: 2 });
  await online('2 online');
  assert.deepEqual(room.received, [{ type: 'who', room: 'lobby' }]);
  assert.deepEqual(await page.locator('#members .name').allTextContents(), ['Ada', 'Bo']);
  assert.equal(await page.locator('#unlisted').isVisible(), false);
});

test('messages that were left out are asked for, and what is gone is told', async () => {
  let room;
  const page = await scripted((peer) => {
    peer.onFrame = (frame) => {
      if (frame.type === 'say') {
        peer.send({ type: 'gap', room: 'lobby', from: 1, to: 3 });
        peer.send(said(4));
        peer.send({ type: 'gap', room: 'lobby', from: 5, to: 5 });
      } else if (frame.type === 'join') {
        const own = said(3, { uid: 'me', text: 'mine', id: peer.received[0].id });
        peer.send(joined('a', 5, [said(2), own, said(4), said(5)], { recovered: true }));
        peer.send(said(6));
      }
    };
    peer.send(welcome);
    peer.send(joined('a', 0, []));
    room = peer;
  });
  await say(page, 'mine');
  await shown(page, ['text 2', 'mine', 'text 4', 'text 5', 'text 6']);
  assert.deepEqual(room.received.slice(1), [{ type: 'join', room: 'lobby', since: 0, epoch: 'a' }]);
  assert.match(await page.locator('#messages').textContent(), /1 message/);
  assert.equal(await page.inputValue('#text'), '');
});

test('an own message that was left out and is not in the history goes back to the box', async () => {
  const page = await scripted((peer) => {
    peer.onFrame = (frame) => {
      if (frame.type === 'say') peer.send({ type: 'gap', room: 'lobby', from: 1, to: 200 });
      if (frame.type === 'join') peer.send(joined('a', 200, [said(200)], { recovered: false }));
    };
    peer.send(welcome);
    peer.send(joined('a', 0, []));
  });
  await say(page, 'mine');
  await shown(page, ['text 200']);
  assert.equal(await page.inputValue('#text'), 'mine');
});

test('the page stays bounded', async () => {
  const page = await scripted((peer) => {
    peer.send(welcome);
    peer.send(joined('a', 0, []));
    for (let offset = 1; offset <= 1500; offset++) peer.send(said(offset));
  });
  await message(page, 'text 1500');
  assert.ok((await texts(page)).length <= 400);
});

test('unread messages are counted in the title while the page is hidden', async () => {
  let room;
  const page = await scripted((peer) => {
    room = peer;
    peer.send(welcome);
    peer.send(joined('a', 0, []));
  });
  const setHidden = (hidden) =>
    page.evaluate((value) => {
      Object.defineProperty(document, 'hidden', { value, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
  const title = (wanted) => page.waitForFunction((text) => document.title === text, wanted);
  await title('lobby · throng');
  await setHidden(true);
  room.send(said(1));
  room.send(said(2, { uid: 'me' }));
  room.send(said(3));
  await title('(2) lobby · throng');
  await setHidden(false);
  await title('lobby · throng');
});

async function waitUntil(condition) {
  for (const end = Date.now() + 10_000; Date.now() < end; ) {
    if (await condition()) return;
    await new Promise(setImmediate);
  }
  assert.fail('the condition was not met in time');
}
