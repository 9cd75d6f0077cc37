import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { joined, said, scripted, soon, welcome } from './scripted.js';
import { connected, inState, message, newRoom, say, servers, shown, texts, visitors, waitUntil } from './support.js';

const visit = visitors();
const start = servers();
let server;
before(async () => (server = await start()));

const script = (answer, options) => scripted(visit, server.url, answer, options);
const pending = (page) => page.locator('#pending > li');
const fate = (page, text) => pending(page).locator('.fate').filter({ hasText: text });

// What has to hold whatever happened: nothing waits any more, and nothing came back to the box.
async function assertSettled(page) {
  await page.waitForFunction(() => document.querySelectorAll('#pending > li').length === 0);
  assert.equal(await page.inputValue('#text'), '');
}

async function pair(address, losesServer) {
  const ada = await visit(address, { name: 'Ada', losesServer });
  const bo = await visit(address, { name: 'Bo', losesServer });
  return [ada, bo];
}

test('what is written while the server is away is sent when it is back, once and in order', async () => {
  const doomed = await start();
  const [ada, bo] = await pair(`${doomed.url}/?room=${newRoom()}`, true);
  await say(ada, 'before');
  await message(bo, 'before');

  await doomed.kill();
  await inState(ada, 'waiting');
  const written = ['one', 'two', 'three'];
  for (const text of written) await say(ada, text);
  assert.equal(await ada.inputValue('#text'), '');
  await fate(ada, 'Waiting for the connection…').nth(2).waitFor();
  await ada.fill('#text', 'not sent yet');
  assert.deepEqual(await texts(ada), ['before']);

  await start({ port: doomed.port });
  await shown(ada, ['before', ...written]);
  await shown(bo, ['before', ...written]);
  assert.equal(await ada.inputValue('#text'), 'not sent yet');
  await ada.fill('#text', '');
  await assertSettled(ada);
  for (const page of [ada, bo]) {
    await page.getByText('The server restarted. Messages above are no longer stored.').waitFor();
  }
});

test('a server that shuts down in order loses nothing either', async () => {
  const doomed = await start();
  const [ada, bo] = await pair(`${doomed.url}/?room=${newRoom()}`, true);
  await say(ada, 'before');
  await doomed.kill('SIGTERM');
  await inState(ada, 'waiting');
  await say(ada, 'between');
  await start({ port: doomed.port });
  await shown(bo, ['before', 'between']);
  await assertSettled(ada);
});

for (const [length, hold] of Object.entries({ short: 4_000, long: 16_000 })) {
  test(`while the server is stopped for a ${length} time, the page says so, and the message arrives once`, async () => {
    const stopped = await start();
    const [ada, bo] = await pair(`${stopped.url}/?room=${newRoom()}`, true);
    stopped.pause();
    try {
      await say(ada, 'held up');
      const held = new Promise((resolve) => setTimeout(resolve, hold));
      await fate(ada, 'Sending…').waitFor();
      if (length === 'long') await ada.waitForFunction(() => document.body.dataset.state !== 'connected');
      await held;
      if (length === 'long') assert.notEqual(await ada.getAttribute('body', 'data-state'), 'connected');
      assert.deepEqual(await texts(ada), []);
    } finally {
      stopped.resume();
    }
    await shown(bo, ['held up']);
    await assertSettled(ada);
    await connected(ada);
    await say(ada, 'and on');
    await shown(bo, ['held up', 'and on']);
    await shown(ada, ['held up', 'and on']);
  });
}

test('a message to a server that is stopped and then killed is delivered by the next one', async () => {
  const doomed = await start();
  const [ada, bo] = await pair(`${doomed.url}/?room=${newRoom()}`, true);
  doomed.pause();
  await say(ada, 'for the next');
  await pending(ada).waitFor();
  await doomed.kill();
  await start({ port: doomed.port });
  await shown(bo, ['for the next']);
  await shown(ada, ['for the next']);
  await assertSettled(ada);
});

test('a browser without network says so, and sends what was written when it is back', async () => {
  const [ada, bo] = await pair(`${server.url}/?room=${newRoom()}`, true);
  await ada.context().setOffline(true);
  await ada.locator('#state').filter({ hasText: 'You are offline' }).waitFor();
  await say(ada, 'from the tunnel');
  await pending(ada).waitFor();
  await ada.context().setOffline(false);
  await shown(bo, ['from the tunnel']);
  await shown(ada, ['from the tunnel']);
  await assertSettled(ada);
});

test('nothing is sent before the room is joined, and nothing delivered comes back to the box', async () => {
  const peers = [];
  const page = await script((peer) => {
    peers.push(peer);
    if (peer.attempt === 1) return peer.enter();
    peer.send({ ...welcome, uid: 'me2' });
  }, soon);
  peers[0].close(1001);
  await waitUntil(() => peers.length === 2);
  await say(page, 'early');
  await pending(page).waitFor();
  assert.deepEqual(peers[1].received, []);
  peers[1].onFrame = ({ id, text }) => peers[1].send(said(1, { uid: 'me2', id, text }));
  peers[1].send(joined('a', 0, [], { recovered: true }));
  await shown(page, ['early']);
  assert.equal(peers[1].received.length, 1);
  await assertSettled(page);
});

test('a message that a lost connection has delivered is not sent again', async () => {
  let delivered;
  const peers = [];
  const page = await script((peer) => {
    peers.push(peer);
    peer.send({ ...welcome, uid: `me${peer.attempt}` });
    peer.send(joined('a', peer.attempt - 1, peer.attempt === 1 ? [] : [delivered], { recovered: true }));
    peer.onFrame = ({ id, text }) => {
      delivered = said(1, { uid: 'me1', text, id });
      peer.close(1011);
    };
  }, soon);
  await say(page, 'arrived');
  await shown(page, ['arrived']);
  await connected(page);
  assert.deepEqual(peers[1].received, []);
  await assertSettled(page);
});

test('a message is not sent again while the connection it was sent on may still deliver it', async () => {
  const peers = [];
  const page = await script((peer) => {
    peers.push(peer);
    peer.send({ ...welcome, uid: `me${peer.attempt}` });
    const members = Array.from({ length: peer.attempt }, (_, index) => ({ uid: `me${index + 1}`, name: `Ada ${index}` }));
    peer.send(joined('a', 0, [], { recovered: true, members, online: members.length }));
    peer.onFrame = ({ id, text, type }) => {
      if (type !== 'say') return;
      peer.id = id;
      if (peer.attempt === 1) peer.close(1011);
      else peer.send(said(1, { uid: `me${peer.attempt}`, id, text }));
    };
  }, soon);
  await say(page, 'perhaps');
  await waitUntil(() => peers.length === 2);
  await connected(page);
  assert.deepEqual(peers[1].received.filter(({ type }) => type === 'say'), []);
  assert.equal(await pending(page).count(), 1);

  peers[1].send({ type: 'leave', room: 'lobby', uid: 'me1', name: 'Ada 0', online: 1 });
  await shown(page, ['perhaps']);
  assert.equal(peers[1].id, peers[0].id);
  await assertSettled(page);
});

test('what is not confirmed survives a reload, and so does the draft, in its own room', async () => {
  const page = await script((peer) => {
    peer.send({ ...welcome, uid: `me${peer.attempt}` });
    peer.send(joined('a', 0, []));
    peer.onFrame = ({ id, text }) => peer.attempt > 1 && peer.send(said(1, { uid: `me${peer.attempt}`, id, text }));
  }, soon);
  await say(page, 'unconfirmed');
  await pending(page).waitFor();
  await page.fill('#text', 'a draft\nof two lines');
  await page.reload();
  await shown(page, ['unconfirmed']);
  assert.equal(await pending(page).count(), 0);
  assert.equal(await page.inputValue('#text'), 'a draft\nof two lines');

  await page.fill('#go', 'elsewhere');
  await page.press('#go', 'Enter');
  await page.waitForURL(/elsewhere/);
  assert.equal(await page.inputValue('#text'), '');
  await page.goBack();
  await page.waitForFunction(() => document.querySelector('#text').value === 'a draft\nof two lines');
});

test('who writes too fast for the server has everything delivered, in order', async () => {
  const strict = await start({ flags: ['--rate', '2', '--burst', '2'] });
  const [ada, bo] = await pair(`${strict.url}/?room=${newRoom()}`);
  const written = [1, 2, 3, 4, 5, 6].map((number) => `number ${number}`);
  for (const text of written) await say(ada, text);
  await shown(bo, written);
  await shown(ada, written);
  await assertSettled(ada);
});

test('refused messages stay where they are, each by itself and in order, with the reason', async () => {
  const peers = [];
  const page = await script((peer) => {
    peers.push(peer);
    peer.enter();
    peer.onFrame = ({ id, text }) =>
      text.startsWith('fine')
        ? peer.send(said(peer.received.length, { uid: 'me', id, text }))
        : peer.send({ type: 'error', code: 'unheard_of', message: 'A sentence.', id });
  });
  for (const text of ['bad 1', 'bad 2', 'fine 1', 'bad 3']) await say(page, text);
  await shown(page, ['fine 1']);
  await fate(page, 'Not sent. A sentence.').nth(2).waitFor();
  assert.deepEqual(await pending(page).locator('.bubble > p').allTextContents(), ['bad 1', 'bad 2', 'bad 3']);
  assert.equal(await page.inputValue('#text'), '');

  await pending(page).nth(1).getByRole('button', { name: 'Edit' }).click();
  assert.equal(await page.inputValue('#text'), 'bad 2');
  await say(page, 'fine 2');
  await shown(page, ['fine 1', 'fine 2']);
  await pending(page).nth(0).getByRole('button', { name: 'Discard' }).click();
  const before = peers[0].received.length;
  await pending(page).nth(0).getByRole('button', { name: 'Send again' }).click();
  await waitUntil(() => peers[0].received.length > before);
  assert.equal(peers[0].received.at(-1).text, 'bad 3');
  await fate(page, 'Not sent.').waitFor();
  assert.equal(await pending(page).count(), 1);
});

test('messages that were left out are asked for, and what is gone is told', async () => {
  let room;
  const page = await script((peer) => {
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
    peer.enter();
    room = peer;
  });
  await say(page, 'mine');
  await shown(page, ['text 2', 'mine', 'text 4', 'text 5', 'text 6']);
  assert.deepEqual(room.received.slice(1), [{ type: 'join', room: 'lobby', since: 0, epoch: 'a' }]);
  assert.match(await page.locator('#messages').textContent(), /1 message is missing/);
  await assertSettled(page);
});

test('a message that may have been said is not sent again by itself', async () => {
  const page = await script((peer) => {
    peer.onFrame = (frame) => {
      if (frame.type === 'say') peer.send({ type: 'gap', room: 'lobby', from: 1, to: 200 });
      if (frame.type === 'join') peer.send(joined('a', 200, [said(200)], { recovered: false }));
    };
    peer.enter();
  });
  await say(page, 'mine');
  await shown(page, ['text 200']);
  await fate(page, 'It is not certain whether this was sent.').waitFor();
  assert.equal(await page.inputValue('#text'), '');
});

test('a message without an answer is looked for once the server answers again', async () => {
  const page = await script((peer) => {
    peer.onFrame = ({ type, id, text }) => {
      if (type === 'ping') peer.send({ type: 'pong' });
      if (type === 'join') peer.send(joined('a', 0, []));
      if (type === 'say' && peer.received.filter((frame) => frame.type === 'say').length === 2) {
        peer.send(said(1, { uid: 'me', id, text }));
      }
    };
    peer.enter();
  });
  await say(page, 'left out');
  await shown(page, ['left out']);
  await assertSettled(page);
});
