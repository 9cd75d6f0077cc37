import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { frozen, joined, said, scripted, soon, welcome } from './scripted.js';
import { connected, inState, message, say, servers, shown, texts, visitors, waitUntil } from './support.js';

const visit = visitors();
const start = servers();
let server;
before(async () => (server = await start()));

const script = (answer, options) => scripted(visit, server.url, answer, options);

test('a message that is known already is not shown again', async () => {
  const page = await script((peer) => {
    peer.send(welcome);
    peer.send(joined('a', 2, [said(1), said(2)]));
    for (const offset of [2, 3, 3, 1, 4]) peer.send(said(offset));
  });
  await shown(page, ['text 1', 'text 2', 'text 3', 'text 4']);
});

test('a connection resumes where the one before it ended', async () => {
  const peers = [];
  const page = await script((peer) => {
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
  const page = await script((peer) => {
    peer.send(welcome);
    if (peer.attempt === 3) return peer.send(joined('a', 8, [said(7), said(8)]));
    peer.send(joined('a', 2 * peer.attempt, [said(1), said(2), said(3), said(4)].slice(0, 2 * peer.attempt)));
    peer.close(1001);
  });
  await shown(page, ['text 1', 'text 2', 'text 3', 'text 4', 'text 7', 'text 8']);
  assert.equal(await page.textContent('#messages .note'), '2 messages are missing here');
});

test('a long history that comes in parts is asked for to its end', async () => {
  let room;
  const page = await script((peer) => {
    room = peer;
    peer.onFrame = ({ since }) => {
      const next = [said(since + 1), said(since + 2)];
      peer.send(joined('a', 6, next, { more: since + 2 < 6 }));
      if (since + 2 === 6) peer.send(said(7));
    };
    peer.send(welcome);
    peer.send(joined('a', 6, [said(1), said(2)], { more: true }));
  });
  await shown(page, [1, 2, 3, 4, 5, 6, 7].map((offset) => `text ${offset}`));
  assert.deepEqual(room.received.map(({ type, since }) => [type, since]), [['join', 2], ['join', 4]]);
  assert.equal(await page.locator('.note').count(), 0);
});

test('after a restart everything stays on the screen, above a line that says so', async () => {
  const page = await script((peer) => {
    peer.send(welcome);
    if (peer.attempt === 1) {
      peer.send(joined('a', 9, [said(8), said(9)]));
      return peer.close(1012);
    }
    peer.send(joined('b', 1, [said(1, { text: 'anew' })]));
    peer.send(said(2));
  }, soon);
  await shown(page, ['text 8', 'text 9', 'anew', 'text 2']);
  const rows = await page.locator('#messages > li').evaluateAll((all) => all.map((row) => row.className.split(' ')[0]));
  assert.deepEqual(rows, ['day', 'other', 'other', 'divider', 'other', 'other']);
  assert.equal(await page.textContent('.divider'), 'The server restarted. Messages above are no longer stored.');
});

test('a silent line is probed, and given up when nothing answers', async () => {
  const peers = [];
  let isAnswering;
  const page = await script((peer) => {
    peers.push(peer);
    peer.enter();
    peer.onFrame = () => isAnswering && peer.send({ type: 'pong' });
  }, frozen);
  const state = () => page.getAttribute('body', 'data-state');
  const pass = async (condition) =>
    waitUntil(async () => {
      await page.clock.runFor(500);
      return condition();
    });

  isAnswering = true;
  await pass(() => peers[0].received.length === 1);
  assert.deepEqual(peers[0].received, [{ type: 'ping' }]);
  await pass(() => peers[0].received.length === 2);
  assert.equal(await state(), 'connected');

  isAnswering = false;
  await pass(async () => (await state()) === 'checking');
  assert.equal(await page.textContent('#state'), 'No answer from the server…');
  assert.equal(peers.length, 1);
  await pass(() => peers.length === 2);
  assert.equal(peers[0].received.length, 3);
  await connected(page);
});

test('the wait grows, is longer after a restart or an overload, and can be cut short', async () => {
  const peers = [];
  const page = await script((peer) => {
    peers.push(peer);
    peer.enter();
  }, frozen);
  for (const [code, wait] of [[undefined, '1'], [1011, '2'], [1012, '20'], [1013, '30']]) {
    peers.at(-1).close(code);
    await page.locator('#countdown').filter({ hasText: `– trying again in ${wait} s` }).waitFor();
    assert.equal(await page.textContent('#state'), 'Connection lost');
    await page.getByRole('button', { name: 'Try now' }).click();
    await connected(page);
    assert.equal(await page.locator('#try-now').isVisible(), false);
    assert.equal(await page.evaluate(() => document.activeElement.id), 'text');
  }
});

const losing = async () => {
  const peers = [];
  const page = await script((peer) => {
    peers.push(peer);
    peer.enter();
  }, frozen);
  // Three losses make the wait so long that only what is tested ends it.
  for (let count = 0; count < 3; count++) {
    peers.at(-1).close(1013);
    await inState(page, 'waiting');
    if (count < 2) await page.getByRole('button', { name: 'Try now' }).click();
    if (count < 2) await connected(page);
  }
  await page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement).blur());
  await page.clock.pauseAt(Date.now() + 1_500);
  return page;
};

for (const [what, act] of Object.entries({
  'the reader returns to the tab': (page) => page.evaluate(() => document.dispatchEvent(new Event('visibilitychange'))),
  'the box is focused': (page) => page.focus('#text'),
  'the reader types': (page) => page.locator('#text').evaluate((box) => box.dispatchEvent(new Event('input'))),
  'the reader sends a message': (page) => say(page, 'now'),
})) {
  test(`the page reconnects at once when ${what}`, async () => {
    const page = await losing();
    await act(page);
    await connected(page);
  });
}

test('the page reconnects soon after the network is back, not all pages at once', async () => {
  const page = await losing();
  await page.evaluate(() => dispatchEvent(new Event('online')));
  assert.equal(await page.getAttribute('body', 'data-state'), 'waiting');
  assert.match(await page.textContent('#countdown'), /in 2 s/);
  await page.clock.runFor(2_000);
  await connected(page);
});

test('a room that is full for now is tried again', async () => {
  const page = await script((peer) => {
    peer.send(welcome);
    if (peer.attempt > 1) return peer.send(joined('a', 0, []));
    peer.send({ type: 'error', code: 'rooms_full', message: 'There are 9 rooms.' });
  }, soon);
  await connected(page);
});

test('frames that nobody expects are ignored', async () => {
  const page = await script((peer) => {
    peer.enter();
    for (const type of ['toString', 'constructor', '__proto__', 'unheard-of', null, 5]) peer.send({ type });
    peer.send(null);
    peer.send([]);
    peer.send(said(1));
  });
  await shown(page, ['text 1']);
});

test('the page stays bounded', async () => {
  const page = await script((peer) => {
    peer.enter();
    for (let offset = 1; offset <= 1500; offset++) peer.send(said(offset));
  });
  await message(page, 'text 1500');
  assert.ok((await texts(page)).length <= 400);
});
