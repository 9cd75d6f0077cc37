import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { member, message, newRoom, say, startServer, texts, visitors } from './support.js';

const visit = visitors();
let server;
before(async () => (server = await startServer()));
after(() => server.kill());

const pair = async (options) => {
  const address = `${server.url}/?room=${encodeURIComponent(newRoom())}`;
  return [await visit(address, { name: 'Ada', ...options }), await visit(address, { name: 'Bo', ...options })];
};

test('two visitors see each other and talk both ways', async () => {
  const [ada, bo] = await pair();
  await member(ada, 'Bo');
  await member(bo, 'Ada');
  await ada.locator('#side .online').filter({ hasText: /^2 online$/ }).waitFor();

  await say(ada, 'hello Bo');
  await say(bo, await (await message(bo, 'hello Bo')).locator('.name').textContent());
  await message(ada, 'Ada');

  assert.deepEqual(await texts(ada), ['hello Bo', 'Ada']);
  assert.equal(await (await message(ada, 'hello Bo')).evaluate((row) => row.classList.contains('own')), true);
  assert.equal(await (await message(bo, 'hello Bo')).evaluate((row) => row.classList.contains('own')), false);
  const time = (await message(bo, 'hello Bo')).locator('time');
  assert.ok(Math.abs(new Date(await time.getAttribute('datetime')) - Date.now()) < 60_000);
  assert.match(await time.textContent(), /^\d\d:\d\d$/);

  await bo.context().close();
  await ada.locator('#side .online').filter({ hasText: /^1 online$/ }).waitFor();
});

test('the browser and the server agree to compress, and what is long enough to be compressed arrives', async () => {
  const prepare = (page) =>
    page.addInitScript(() => {
      window.WebSocket = class extends WebSocket {
        constructor(...settings) {
          super(...settings);
          window.lastSocket = this;
        }
      };
    });
  const [ada, bo] = await pair({ prepare });
  const long = 'to be or not to be '.repeat(15).trim();
  await say(ada, long);
  for (const page of [ada, bo]) {
    await message(page, long);
    const agreed = await page.evaluate(() => window.lastSocket.extensions);
    assert.equal(agreed, 'permessage-deflate; server_no_context_takeover; client_no_context_takeover');
  }
});

test('a reload keeps the history, and own messages stay own', async () => {
  const [ada, bo] = await pair();
  await say(ada, 'first');
  await message(bo, 'first');
  await say(bo, 'second');
  await message(ada, 'second');

  await ada.reload();
  await message(ada, 'second');
  assert.deepEqual(await texts(ada), ['first', 'second']);
  assert.equal(await ada.locator('#messages > .own').count(), 1);
  assert.equal(await ada.inputValue('#name'), 'Ada');
});

test('markup in a text, a name or a room is shown as text and runs nothing', async () => {
  const markup = '<img src=x onerror=hacked=1>';
  const [ada, bo] = await pair();
  await say(ada, markup);
  await message(bo, markup);

  await ada.fill('#name', markup);
  await ada.press('#name', 'Enter');
  await member(bo, markup);
  await say(ada, 'renamed');
  assert.equal(await (await message(bo, 'renamed')).locator('.name').textContent(), markup);

  const room = await visit(`${server.url}/?room=${encodeURIComponent(markup)}`);
  assert.equal(await room.textContent('#room'), markup);
  for (const page of [ada, bo, room]) {
    assert.equal(await page.evaluate(() => typeof hacked), 'undefined');
    assert.equal(await page.locator('img:not(.brand img)').count(), 0);
  }
});

test('Chinese, emoji and right-to-left text arrive as they were written', async () => {
  const [ada, bo] = await pair();
  for (const text of ['你好，世界', '👩‍👩‍👧‍👦 🇨🇳 👍🏽', 'שלום \u202Eabc', 'a < b && c > d "quoted"']) {
    await say(ada, text);
    await bo.waitForFunction((wanted) => [...document.querySelectorAll('.bubble > p')].at(-1)?.textContent === wanted, text);
  }
});

test('Shift+Enter starts a new line, and newlines arrive', async () => {
  const [ada, bo] = await pair();
  const low = await ada.locator('#text').evaluate((box) => box.clientHeight);
  await ada.locator('#text').pressSequentially('one');
  await ada.press('#text', 'Shift+Enter');
  await ada.locator('#text').pressSequentially('two');
  assert.equal(await ada.inputValue('#text'), 'one\ntwo');
  assert.ok((await ada.locator('#text').evaluate((box) => box.clientHeight)) > low);

  await ada.press('#text', 'Enter');
  const row = await message(bo, 'one\ntwo');
  assert.equal(await row.locator('p').textContent(), 'one\ntwo');
  assert.equal(await row.locator('p').evaluate((body) => body.innerText), 'one\ntwo');
  assert.equal(await ada.inputValue('#text'), '');
  assert.equal(await ada.locator('#text').evaluate((box) => box.clientHeight), low);
});

test('Enter that ends an IME composition does not send', async () => {
  const [ada, bo] = await pair();
  await ada.focus('#text');
  const keyboard = await ada.context().newCDPSession(ada);
  await keyboard.send('Input.imeSetComposition', { text: 'nihao', selectionStart: 5, selectionEnd: 5 });
  await keyboard.send('Input.dispatchKeyEvent', { type: 'rawKeyDown', key: 'Enter', code: 'Enter', windowsVirtualKeyCode: 229 });
  await keyboard.send('Input.dispatchKeyEvent', { type: 'keyUp', key: 'Enter', code: 'Enter', windowsVirtualKeyCode: 229 });
  assert.equal(await ada.inputValue('#text'), 'nihao');

  await keyboard.send('Input.insertText', { text: '你好' });
  // Safari's order: the composition is over, and the key is told by its old code alone.
  await ada.locator('#text').dispatchEvent('keydown', { key: 'Enter', keyCode: 229, bubbles: true, cancelable: true });
  assert.equal(await ada.inputValue('#text'), '你好');
  await ada.press('#text', 'Enter');
  await message(bo, '你好');
  assert.deepEqual(await texts(bo), ['你好']);
});

test('a long message is folded and can be unfolded', async () => {
  const [ada, bo] = await pair();
  const text = '很长的消息。'.repeat(800);
  await say(ada, text);
  const more = bo.getByRole('button', { name: 'Show more' });
  await more.waitFor();
  assert.ok((await texts(bo))[0].length < 500);
  await more.click();
  assert.deepEqual(await texts(bo), [text]);
  await bo.getByRole('button', { name: 'Show less', expanded: true }).click();
  assert.ok((await texts(bo))[0].length < 500);
});

test('a text over the limit is refused before it is sent, and stays in the box', async () => {
  const [ada] = await pair();
  const text = '长'.repeat(5462);
  await say(ada, text);
  await ada.locator('#notice').filter({ hasText: 'too long' }).waitFor();
  assert.equal(await ada.inputValue('#text'), text);
  assert.match(await ada.textContent('#room-left'), /^-2 bytes left$/);

  await say(ada, text.slice(1));
  await ada.locator('#messages .own').waitFor();
  assert.equal(await ada.locator('#room-left').isVisible(), false);
  assert.equal(await ada.locator('#notice').isVisible(), false);
});

test('a new name is seen by others, kept for the next visit, and refused when taken', async () => {
  const [ada, bo] = await pair();
  await ada.fill('#name', 'Augusta');
  await ada.getByRole('button', { name: 'Save' }).click();
  await member(bo, 'Augusta');
  await bo.locator('#messages .note').filter({ hasText: 'Ada' }).filter({ hasText: 'is now' }).waitFor();
  await ada.reload();
  await member(ada, 'Augusta');

  await ada.fill('#name', 'Bo');
  await ada.press('#name', 'Enter');
  await ada.locator('#name-error').filter({ hasText: 'taken' }).waitFor();
  assert.equal(await ada.getAttribute('#name', 'aria-invalid'), 'true');
  await ada.fill('#name', 'Augusta');
  await ada.press('#name', 'Enter');
  await ada.waitForSelector('#name-error:empty', { state: 'attached' });
});

test('a wished name that is taken is taken up once it is free', async () => {
  const [ada] = await pair();
  const second = await visit(ada.url(), { name: 'Ada' });
  await second.locator('#notice').filter({ hasText: 'taken' }).waitFor();
  assert.match(await second.inputValue('#name'), /^guest-/);
  await ada.context().close();
  await second.waitForFunction(() => document.querySelector('#name').value === 'Ada');
});

test('the keyboard alone is enough', async () => {
  const [ada, bo] = await pair();
  await ada.evaluate(() => document.activeElement.blur());
  for (let steps = 0; (await ada.evaluate(() => document.activeElement.id)) !== 'text'; steps++) {
    assert.ok(steps < 10, 'Tab does not reach the box');
    await ada.keyboard.press('Tab');
  }
  await ada.keyboard.type('by hand');
  await ada.keyboard.press('Enter');
  await message(bo, 'by hand');
  assert.equal(await ada.evaluate(() => document.activeElement.id), 'text');
});

test('another room is reached by its name', async () => {
  const [ada, bo] = await pair();
  await say(ada, 'only here');
  await message(bo, 'only here');
  await bo.fill('#go', '茶馆 & 朋友?');
  await bo.press('#go', 'Enter');
  await bo.waitForFunction(() => document.querySelector('#room')?.textContent === '茶馆 & 朋友?');
  assert.equal(new URL(bo.url()).searchParams.get('room'), '茶馆 & 朋友?');
  await ada.locator('#side .online').filter({ hasText: /^1 online$/ }).waitFor();
});

test('a reader who has scrolled up is left in peace and told of what is new', async () => {
  const [ada, bo] = await pair({ viewport: { width: 400, height: 500 } });
  const tall = Array(6).fill('line').join('\n');
  for (let count = 1; count <= 5; count++) await say(ada, `${tall} ${count}`);
  await message(bo, `${tall} 5`);
  const position = () => bo.locator('#log').evaluate((log) => log.scrollTop);
  const end = () => bo.locator('#log').evaluate((log) => log.scrollHeight - log.clientHeight - log.scrollTop);
  assert.ok((await end()) < 2);

  await bo.locator('#log').evaluate((log) => log.scrollTo(0, 60));
  await bo.evaluate(() => new Promise(requestAnimationFrame));
  await say(ada, 'news');
  await bo.getByRole('button', { name: '1 new message' }).waitFor();
  assert.equal(await position(), 60);

  await bo.getByRole('button', { name: '1 new message' }).click();
  assert.ok((await end()) < 2);
  assert.equal(await bo.locator('#newer').isVisible(), false);
});
