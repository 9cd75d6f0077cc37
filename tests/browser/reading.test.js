import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { joined, said, scripted, welcome } from './scripted.js';
import { message, newRoom, say, servers, texts, visitors } from './support.js';

const visit = visitors();
const start = servers();
let server;
before(async () => (server = await start()));

const script = (answer, options) => scripted(visit, server.url, answer, options);
const frame = (page) => page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
const scrollTo = async (page, top) => {
  await page.locator('#log').evaluate((log, to) => log.scrollTo(0, to), top);
  await frame(page);
};
const toEnd = (page) => page.locator('#log').evaluate((log) => log.scrollHeight - log.clientHeight - log.scrollTop);
// The first text that can be seen, and where it is.
const inView = (page) =>
  page.evaluate(() => {
    const top = document.querySelector('#log').getBoundingClientRect().top;
    const body = [...document.querySelectorAll('.bubble > p')].find((each) => each.getBoundingClientRect().top >= top);
    return `${body.textContent} ${Math.round(body.getBoundingClientRect().top)}`;
  });
const newer = (page, count) => page.locator('#newer').filter({ hasText: `↓ ${count} new message` }).waitFor();
const range = (first, last) => Array.from({ length: last - first + 1 }, (_, index) => said(first + index));

test('a reader who has scrolled up is left in peace, and told of what is new', async () => {
  const address = `${server.url}/?room=${newRoom()}`;
  const viewport = { width: 400, height: 500 };
  const ada = await visit(address, { name: 'Ada', viewport });
  const bo = await visit(address, { name: 'Bo', viewport });
  const tall = Array(6).fill('line').join('\n');
  for (let count = 1; count <= 5; count++) await say(ada, `${tall} ${count}`);
  await message(bo, `${tall} 5`);
  assert.ok((await toEnd(bo)) < 2);
  await scrollTo(bo, 60);
  const before = await inView(bo);
  await say(ada, 'news');
  await newer(bo, 1);
  assert.equal(await inView(bo), before);

  await bo.getByRole('button', { name: '1 new message' }).click();
  assert.ok((await toEnd(bo)) < 2);
  assert.equal(await bo.locator('#newer').isVisible(), false);
});

test('nothing moves while a reader reads back, however much is said', async () => {
  let room;
  const page = await script((peer) => {
    room = peer;
    peer.send(welcome);
    peer.send(joined('a', 350, range(1, 350)));
  });
  await message(page, 'text 350');
  await scrollTo(page, 300);
  const before = await inView(page);
  for (const message of range(351, 700)) room.send(message);
  await newer(page, 350);
  assert.equal(await inView(page), before);
  for (const message of range(701, 6000)) room.send(message);
  await newer(page, '5,650');
  assert.equal(await inView(page), before);
  const rows = await page.locator('#messages > li').count();
  assert.ok(rows > 700 && rows <= 4000, `${rows} rows`);

  await page.locator('#newer').click();
  await message(page, 'text 6000');
  await frame(page);
  assert.ok((await toEnd(page)) < 2);
  assert.ok((await page.locator('#messages > li').count()) <= 400);
  const shown = await texts(page);
  assert.deepEqual(shown, range(6000 - shown.length + 1, 6000).map(({ text }) => text));
});

test('what a hidden page had no space for is missing where it says so', async () => {
  let room;
  const page = await script((peer) => {
    room = peer;
    peer.send(welcome);
    peer.send(joined('a', 20, range(1, 20)));
  });
  await message(page, 'text 20');
  await page.evaluate(() => {
    window.draws = [];
    window.requestAnimationFrame = (draw) => window.draws.push(draw);
  });
  for (const message of range(21, 550)) room.send(message);
  room.send({ type: 'online', room: 'lobby', online: 7 });
  await page.locator('#count').filter({ hasText: '7' }).waitFor();
  await page.evaluate(() => window.draws.forEach((draw) => draw(performance.now())));
  const note = await page.locator('#messages > .note').textContent();
  const skipped = Number(/^(\d+) messages are not shown here$/.exec(note)[1]);
  assert.equal((await texts(page)).length + skipped, 550);
});

test('a page that turns while reading back shows the same text', async () => {
  const page = await script((peer) => {
    peer.send(welcome);
    peer.send(joined('a', 60, range(1, 60).map((each) => ({ ...each, text: `${each.text} ${'words '.repeat(40)}`.trim() }))));
  }, { viewport: { width: 390, height: 700 } });
  await page.locator('.bubble').nth(59).waitFor();
  await scrollTo(page, 3000);
  const visible = async () => (await inView(page)).split(' ')[1];
  const before = await visible();
  await page.setViewportSize({ width: 700, height: 700 });
  await frame(page);
  assert.ok(Math.abs((await visible()) - before) <= 1, `${before} became ${await visible()}`);
});

test('the first messages stand next to the box', async () => {
  const page = await script((peer) => {
    peer.enter();
    peer.send(said(1));
  });
  const bubble = await (await message(page, 'text 1')).boundingBox();
  const box = await page.locator('#composer').boundingBox();
  assert.ok(box.y - (bubble.y + bubble.height) < 40);
});

test('a long message takes no extra line for its time', async () => {
  const page = await script((peer) => {
    peer.enter();
    peer.send(said(1, { text: 'words that wrap '.repeat(20).trim() }));
  });
  const row = page.locator('#messages > .other');
  await row.waitFor();
  const spare = await row.locator('.bubble').evaluate((bubble) => bubble.clientHeight - bubble.firstElementChild.clientHeight);
  assert.ok(spare < 20, `${spare} px beside the text`);
  assert.match(await row.locator('time').textContent(), /^\d\d:\d\d$/);
  assert.equal(await row.locator('time').isVisible(), true);
});

test('Page Up in the box scrolls the conversation, and what is typed there goes to the box', async () => {
  const page = await script((peer) => {
    peer.send(welcome);
    peer.send(joined('a', 100, range(1, 100)));
  });
  await message(page, 'text 100');
  const end = await page.locator('#log').evaluate((log) => log.scrollTop);
  await page.press('#text', 'PageUp');
  await page.waitForFunction((top) => document.querySelector('#log').scrollTop < top - 100, end);
  await page.press('#text', 'PageDown');
  await page.waitForFunction((top) => Math.abs(document.querySelector('#log').scrollTop - top) < 2, end);

  await page.focus('#log');
  await page.keyboard.press('Shift');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'log');
  await page.keyboard.type('hello');
  assert.equal(await page.inputValue('#text'), 'hello');
});

test('an own message is announced once', async () => {
  const page = await script((peer) => {
    peer.enter();
    peer.onFrame = ({ id, text }) => peer.send(said(1, { uid: 'me', id, text }));
  });
  assert.equal(await page.locator('#pending').evaluate((list) => list.closest('[aria-live]').getAttribute('aria-live')), 'off');
  assert.equal(await page.locator('#messages').evaluate((list) => list.closest('[aria-live]').getAttribute('aria-live')), 'polite');
  await say(page, 'once');
  await message(page, 'once');
  assert.equal(await page.locator('#pending > li').count(), 0);
});

test('unread messages are counted in the title while the page is hidden', async () => {
  let room;
  const page = await script((peer) => {
    room = peer;
    peer.enter();
  });
  const setHidden = (hidden) =>
    page.evaluate((value) => {
      Object.defineProperty(document, 'hidden', { value, configurable: true });
      document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
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
