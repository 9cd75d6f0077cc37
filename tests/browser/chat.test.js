import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { member, message, newRoom, online, say, startServer, texts, visitors } from './support.js';

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
  await online(ada, 2);

  await say(ada, 'hello Bo');
  await say(bo, await (await message(bo, 'hello Bo')).locator('.name').textContent());
  await message(ada, 'Ada');

  assert.deepEqual(await texts(ada), ['hello Bo', 'Ada']);
  assert.equal(await (await message(ada, 'hello Bo')).evaluate((row) => row.classList.contains('own')), true);
  assert.equal(await (await message(bo, 'hello Bo')).evaluate((row) => row.classList.contains('own')), false);
  const time = (await message(bo, 'hello Bo')).locator('time');
  assert.ok(Math.abs(Date.parse(await time.getAttribute('datetime')) - Date.now()) < 60_000);
  assert.match(await time.textContent(), /^\d\d:\d\d$/);

  await bo.context().close();
  await online(ada, 1);
});

test('the browser and the server agree to compress, and what is long enough to be compressed arrives', async () => {
  const prepare = (page) =>
    page.addInitScript(() => {
      window.WebSocket = class extends WebSocket {
        constructor(url, subprotocols) {
          super(url, subprotocols);
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
    assert.equal(await page.evaluate(() => 'hacked' in window), false);
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

test('a long message is folded and can be unfolded, and is whole for a search', async () => {
  const [ada, bo] = await pair();
  const text = '很长的消息。'.repeat(800);
  const height = () => bo.locator('.bubble > p').evaluate((body) => body.clientHeight / parseFloat(getComputedStyle(body).lineHeight));
  await say(ada, text);
  const more = bo.getByRole('button', { name: 'Show more' });
  await more.waitFor();
  assert.ok((await height()) <= 20.5);
  assert.deepEqual(await texts(bo), [text]);
  await more.click();
  assert.ok((await height()) > 50);
  await bo.getByRole('button', { name: 'Show less', expanded: true }).click();
  assert.ok((await height()) <= 20.5);

  assert.equal(await bo.evaluate(() => window.find('很长的消息', false, false, true)), true);
  await bo.locator('.bubble > p').evaluate((body) => (body.scrollTop = 200));
  await bo.getByRole('button', { name: 'Show less', expanded: true }).waitFor();
});

test('a message of a few lines is not folded', async () => {
  const [ada, bo] = await pair();
  await say(ada, 'words and words '.repeat(60).trim());
  await bo.locator('.bubble > p').waitFor();
  await bo.evaluate(() => new Promise(requestAnimationFrame));
  assert.equal(await bo.locator('.more, .folded').count(), 0);
});

test('a text over the limit is refused before it is sent, and stays in the box', async () => {
  const [ada] = await pair();
  const text = '长'.repeat(5462);
  await say(ada, text);
  await ada.locator('#notice').filter({ hasText: 'too long' }).waitFor();
  assert.equal(await ada.inputValue('#text'), text);
  assert.equal(await ada.textContent('#bytes-left'), '2 bytes too long');
  assert.equal(await ada.locator('#pending > li').count(), 0);

  await ada.fill('#text', `${text.slice(1)}!`);
  assert.equal(await ada.locator('#notice').isVisible(), false);
  assert.equal(await ada.textContent('#bytes-left'), '0 bytes left');

  await say(ada, text.slice(1));
  await ada.locator('#messages .own').waitFor();
  assert.equal(await ada.locator('#bytes-left').isVisible(), false);
  assert.equal(await ada.locator('#notice').isVisible(), false);
});

test('the keyboard alone is enough', async () => {
  const [ada, bo] = await pair();
  await ada.evaluate(() => /** @type {HTMLElement} */ (document.activeElement).blur());
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
  await online(ada, 1);
});
