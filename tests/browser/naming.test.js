import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { joined, scripted, soon, welcome } from './scripted.js';
import { connected, inState, member, message, newRoom, online, say, servers, visitors, waitUntil } from './support.js';

const visit = visitors();
const start = servers();
let server;
before(async () => (server = await start()));

const address = () => `${server.url}/?room=${newRoom()}`;
const named = (page, name) => page.waitForFunction((wanted) => document.querySelector('#name').value === wanted, name);
const nameError = (page, text) => page.locator('#name-error').filter({ hasText: text }).waitFor();
const rename = async (page, name) => {
  await page.fill('#name', name);
  await page.press('#name', 'Enter');
};
// Another tab of the same browser.
const secondTab = async (page) => {
  const tab = await page.context().newPage();
  await tab.goto(page.url());
  await connected(tab);
  return tab;
};

test('a new name is seen by others, kept for the next visit, and refused when taken', async () => {
  const room = address();
  const ada = await visit(room, { name: 'Ada' });
  const bo = await visit(room, { name: 'Bo' });
  await ada.fill('#name', 'Augusta');
  await ada.getByRole('button', { name: 'Save' }).click();
  await member(bo, 'Augusta');
  await bo.locator('#messages .note').filter({ hasText: 'Ada' }).filter({ hasText: 'is now' }).waitFor();
  await ada.reload();
  await member(ada, 'Augusta');

  await rename(ada, 'Bo');
  await nameError(ada, 'taken');
  assert.equal(await ada.getAttribute('#name', 'aria-invalid'), 'true');
  await ada.locator('#name').pressSequentially('!');
  await ada.waitForSelector('#name-error:empty', { state: 'attached' });
  assert.equal(await ada.getAttribute('#name', 'aria-invalid'), 'false');
  await rename(ada, 'Augusta');
  assert.equal(await ada.inputValue('#name'), 'Augusta');
});

test('what is wrong with a name is said, with the limit that this server has', async () => {
  const strict = await start({ flags: ['--max-name', '10'] });
  const page = await visit(`${strict.url}/?room=${newRoom()}`);
  await rename(page, 'x'.repeat(11));
  await nameError(page, /at most 10 characters/);
  await rename(page, '');
  await nameError(page, 'Enter a name.');
  await rename(page, 'x'.repeat(10));
  await member(page, 'x'.repeat(10));
});

test('a guest has the same name and the same messages after a reload, and after a loss of the connection', async () => {
  const room = address();
  const other = await visit(room);
  const page = await visit(room);
  const name = await page.inputValue('#name');
  assert.match(name, /^guest-/);
  await say(page, 'mine');
  await message(other, 'mine');
  await page.reload();
  await connected(page);
  assert.equal(await page.inputValue('#name'), name);
  await message(page, 'mine');
  assert.equal(await page.locator('#messages > .own').count(), 1);

  await page.evaluate(() => dispatchEvent(new Event('pagehide')));
  await inState(page, 'stopped');
  await online(other, 1);
  await page.evaluate(() => dispatchEvent(new Event('pageshow')));
  await connected(page);
  assert.equal(await page.inputValue('#name'), name);
  assert.equal(await page.locator('#notice').isVisible(), false);
});

test('a second tab of the same person has a name that shows whose it is, and its messages are own in both', async () => {
  const first = await visit(address(), { name: 'Zoe' });
  const second = await secondTab(first);
  await named(second, 'Zoe 2');
  const notice = await second.textContent('#notice');
  assert.equal(notice.replace(/[\u2068\u2069]/g, ''), 'The name Zoe is in use, perhaps in another tab. You are Zoe 2.');
  await say(first, 'from the first');
  await say(second, 'from the second');
  for (const page of [first, second]) {
    await page.waitForFunction(() => document.querySelectorAll('#messages > .own').length === 2);
  }

  await second.reload();
  await named(second, 'Zoe 2');
  await second.evaluate(() => new Promise(requestAnimationFrame));
  assert.equal(await second.locator('#notice').isVisible(), false);

  await first.close();
  await named(second, 'Zoe');
  const third = await secondTab(second);
  await named(third, 'Zoe 2');
});

test('a name that somebody else has is taken up once it is free', async () => {
  const room = address();
  const ada = await visit(room, { name: 'Ada' });
  const second = await visit(room, { name: 'Ada' });
  await second.locator('#notice').filter({ hasText: 'is in use' }).waitFor();
  await named(second, 'Ada 2');
  await ada.context().close();
  await named(second, 'Ada');
});

test('a wish that no server allows is said once, and not tried for ever', async () => {
  const page = await visit(address(), { name: 'x'.repeat(40) });
  await page.locator('#notice').filter({ hasText: /isn’t allowed.*at most 32 characters.*You are/ }).waitFor();
  await page.reload();
  await connected(page);
  await page.evaluate(() => new Promise(requestAnimationFrame));
  assert.equal(await page.locator('#notice').isVisible(), false);
});

test('a name that is being typed is not overwritten by a reconnect', async () => {
  const peers = [];
  const page = await scripted(visit, server.url, (peer) => {
    peers.push(peer);
    peer.enter();
  }, soon);
  await page.fill('#name', 'half a na');
  peers[0].close(1001);
  await waitUntil(() => peers.length === 2);
  await connected(page);
  assert.equal(await page.inputValue('#name'), 'half a na');
});

test('a name that is chosen while the connection is lost goes along with the next one', async () => {
  const peers = [];
  const page = await scripted(visit, server.url, (peer) => {
    peers.push(peer);
    const name = peer.url.searchParams.get('name') ?? 'guest-abcd';
    peer.send({ ...welcome, name });
    peer.send(joined('a', 0, [], { members: [{ uid: 'me', name }] }));
    peer.onFrame = () => peer.close(1001);
  }, soon);
  await rename(page, 'Chosen');
  await waitUntil(() => peers.length === 2);
  await member(page, 'Chosen');
  assert.equal(await page.evaluate(() => localStorage.getItem('throng.name')), 'Chosen');
});

test('members are listed by number, oneself first', async () => {
  const names = ['member-10', 'Zoe', 'member-2', 'ada'];
  const members = [...names.map((name) => ({ uid: name, name })), { uid: 'me', name: 'Me' }];
  const page = await scripted(visit, server.url, (peer) => peer.enter({ online: 5, members }));
  await member(page, 'Zoe');
  assert.deepEqual(await page.locator('#members .name').allTextContents(), ['Me', 'ada', 'member-2', 'member-10', 'Zoe']);
});

test('a room too large to list shows its number, and its members once it is small', async () => {
  let room;
  const who = { type: 'who', room: 'lobby', online: 2, members: [{ uid: 'bo', name: 'Bo' }, { uid: 'me', name: 'Ada' }] };
  const page = await scripted(visit, server.url, (peer) => {
    room = peer;
    peer.enter({ online: 12345, members: undefined });
    peer.onFrame = () => peer.send(who);
  });
  await online(page, '12,345');
  assert.equal(await page.locator('#unlisted').isVisible(), true);
  const [heading, text] = await Promise.all(['#side h2', '#unlisted'].map((each) => page.locator(each).boundingBox()));
  assert.ok(text.y - heading.y - heading.height < 30, 'the text is far from its heading');
  room.send({ type: 'online', room: 'lobby', online: 101 });
  await online(page, 101);
  assert.deepEqual(room.received, []);

  room.send({ type: 'online', room: 'lobby', online: 41 });
  await online(page, 2);
  assert.deepEqual(room.received, [{ type: 'who', room: 'lobby' }]);
  assert.deepEqual(await page.locator('#members .name').allTextContents(), ['Ada', 'Bo']);
  assert.equal(await page.locator('#unlisted').isVisible(), false);

  room.send({ type: 'online', room: 'lobby', online: 500 });
  await online(page, 500);
  room.send({ type: 'leave', room: 'lobby', uid: 'eve', name: 'Eve', online: 2 });
  await online(page, 2);
  room.send({ type: 'online', room: 'lobby', online: 700 });
  room.send(who);
  await online(page, 2);
  assert.equal(room.received.length, 2);
});

test('the limit on listed members is the server’s', async () => {
  let room;
  const page = await scripted(visit, server.url, (peer) => {
    room = peer;
    peer.send({ ...welcome, limits: { ...welcome.limits, presence: 10 } });
    peer.send(joined('a', 0, [], { online: 50, members: undefined }));
    peer.send({ type: 'online', room: 'lobby', online: 11 });
    peer.send({ type: 'online', room: 'lobby', online: 10 });
  });
  await waitUntil(() => room.received.length === 1);
  await online(page, 10);
  // A list that is not whole is none.
  room.send({ type: 'who', room: 'lobby', online: 10, members: [{ uid: 'me', name: 'Ada' }] });
  await page.evaluate(() => new Promise(requestAnimationFrame));
  assert.equal(await page.locator('#unlisted').isVisible(), true);
});

test('a message of a member is shown under the name it had then', async () => {
  const room = address();
  const ada = await visit(room, { name: 'Ada' });
  const bo = await visit(room, { name: 'Bo' });
  await say(ada, 'one');
  await message(bo, 'one');
  await rename(ada, 'Augusta');
  await member(bo, 'Augusta');
  await say(ada, 'two');
  await message(bo, 'two');
  assert.deepEqual(await bo.locator('#messages .name').allTextContents(), ['Ada', 'Augusta']);
});
