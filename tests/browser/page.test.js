import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, test } from 'node:test';
import { member, message, newRoom, online, say, servers, visitors } from './support.js';

const visit = visitors();
const start = servers();
let server;
before(async () => (server = await start()));

const address = (room = newRoom()) => `${server.url}/?room=${encodeURIComponent(room)}`;

test('the page speaks the reader\'s language', async () => {
  const chinese = await visit(address(), { locale: 'zh-CN', name: '林' });
  assert.equal(await chinese.getAttribute('html', 'lang'), 'zh-Hans');
  await chinese.getByText('已连接').waitFor();
  await chinese.getByRole('heading', { name: '在线成员' }).waitFor();
  await chinese.getByRole('textbox', { name: '消息' }).waitFor();
  await online(chinese, 1);
  await chinese.getByPlaceholder('的身份发言').waitFor();

  const english = await visit(address(), { locale: 'fr-FR' });
  assert.equal(await english.getAttribute('html', 'lang'), 'en');
  await english.getByText('Connected').waitFor();
});

test('dates and digits are those of the language of the words', async () => {
  for (const locale of ['ar-EG', 'de-DE']) {
    const page = await visit(address(), { locale });
    await say(page, 'today');
    await message(page, 'today');
    assert.match(await page.textContent('#messages > .day'), /^(Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day,? \d+ [A-Z][a-z]+$/);
    assert.match(await page.textContent('#messages time'), /^\d\d:\d\d$/);
    assert.equal(await page.textContent('#count'), '1');
  }
});

for (const width of [320, 375, 1280]) {
  test(`nothing runs out of a page ${width} pixels wide`, async () => {
    const room = `${width}${'r'.repeat(60)}`;
    const name = 'N'.repeat(32);
    const page = await visit(address(room), { name, viewport: { width, height: 600 } });
    const other = await visit(address(room), { name: '长'.repeat(32), viewport: { width, height: 600 } });
    for (const text of ['w'.repeat(300), '长长的话'.repeat(60), 'short', 'one\ntwo']) {
      await say(page, text);
      await say(other, text);
    }
    await page.waitForFunction(() => document.querySelectorAll('.bubble').length === 8);
    const overflowing = () =>
      page.evaluate(() => {
        const wide = (element) => element.scrollWidth > element.clientWidth;
        const beyond = (element) => element.getBoundingClientRect().right > innerWidth + 0.5;
        return [
          ...[document.documentElement, document.body, ...document.querySelectorAll('#log, #members')].filter(wide),
          ...[...document.querySelectorAll('button, input, textarea, .bubble, .field')].filter((element) => element.offsetParent && beyond(element)),
        ].map((element) => element.outerHTML.slice(0, 80));
      });
    assert.deepEqual(await overflowing(), []);

    if (width > 800) return;
    await page.getByRole('button', { name: 'People' }).click();
    await page.locator('#side').waitFor();
    assert.deepEqual(await overflowing(), []);
    await page.getByRole('button', { name: 'Close' }).click();
    await page.locator('#side').waitFor({ state: 'hidden' });
  });
}

const axe = readFileSync(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
const violations = async (page) => {
  await page.evaluate(axe);
  const { violations: found } = await page.evaluate(() => window.axe.run());
  return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 100)).join(', ')}`);
};

test('axe has nothing to say, on a desk, on a phone with the sheet open, and of what failed', async () => {
  const room = address();
  const desk = await visit(room, { name: 'Ada', reducedMotion: 'reduce' });
  const phone = await visit(room, { viewport: { width: 375, height: 700 }, reducedMotion: 'reduce' });
  await say(phone, 'x '.repeat(2000).trim());
  await phone.getByRole('button', { name: 'Show more' }).waitFor();
  await desk.fill('#name', 'x'.repeat(40));
  await desk.press('#name', 'Enter');
  await desk.locator('#name-error').filter({ hasText: 'at most' }).waitFor();
  assert.deepEqual(await violations(desk), []);
  assert.deepEqual(await violations(phone), []);
  await phone.getByRole('button', { name: '2 online' }).click();
  assert.deepEqual(await violations(phone), []);
  const impossible = await visit(address('a/b'), { awaits: 'stopped' });
  assert.deepEqual(await violations(impossible), []);
});

test('focus stays in the open sheet, Escape closes it, and a wider window does too', async () => {
  const page = await visit(address(), { viewport: { width: 375, height: 700 } });
  const opener = page.getByRole('button', { name: '1 online' });
  await opener.click();
  await page.locator('#sheet[open] #side').waitFor();
  for (let steps = 0; steps < 12; steps++) {
    await page.keyboard.press('Tab');
    const place = await page.evaluate(() => document.activeElement.closest('#sheet, body').id || document.activeElement.tagName);
    assert.ok(['sheet', 'BODY'].includes(place), `the focus is on ${place}`);
  }
  await page.keyboard.press('Escape');
  await page.locator('#side').waitFor({ state: 'hidden' });
  assert.equal(await page.evaluate(() => document.activeElement.id), 'open-side');

  await opener.click();
  await page.fill('#go', 'half');
  await page.setViewportSize({ width: 1280, height: 700 });
  await page.waitForFunction(() => !document.querySelector('#sheet').open);
  await page.locator('body > #side').waitFor();
  assert.equal(await page.inputValue('#go'), 'half');
});

test('a phone on its side has one column, and space for the conversation', async () => {
  const page = await visit(address(), { viewport: { width: 844, height: 390 } });
  assert.equal(await page.locator('#side').isVisible(), false);
  assert.ok((await page.locator('#log').boundingBox()).height > 390 / 2);
});

test('Enter starts a line on a touch screen, where the button sends', async () => {
  const page = await visit(address(), { hasTouch: true, isMobile: true, viewport: { width: 390, height: 700 } });
  await page.fill('#text', 'one');
  await page.press('#text', 'Enter');
  await page.locator('#text').pressSequentially('two');
  assert.equal(await page.inputValue('#text'), 'one\ntwo');
  await page.getByRole('button', { name: 'Send' }).click();
  await message(page, 'one\ntwo');
});

test('heading, conversation and box stand in one column, whatever scrollbars the browser has', async () => {
  const page = await visit(address(), { viewport: { width: 1280, height: 500 } });
  for (let count = 1; count <= 20; count++) await say(page, `text ${count}`);
  await message(page, 'text 20');
  const edges = await page.$$eval('.heading, #messages, #composer', (all) => all.map((each) => Math.round(each.getBoundingClientRect().left)));
  assert.equal(new Set(edges).size, 1, edges.join(' '));
  const right = await page.$$eval('#messages, #composer', (all) => all.map((each) => Math.round(each.getBoundingClientRect().right)));
  assert.equal(new Set(right).size, 1, right.join(' '));
});

test('the focus shows where the system sets the colours', async () => {
  const page = await visit(address(), { forcedColors: 'active' });
  for (const [input, ring] of [['#text', '#composer'], ['#name', '#name-form .field']]) {
    await page.focus(input);
    const { style, width } = await page.locator(ring).evaluate((element) => {
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      return { style: outlineStyle, width: outlineWidth };
    });
    assert.deepEqual([style, width], ['solid', '2px']);
  }
});

test('before the first connection the box says what it is for, and there is nothing to send', async () => {
  const page = await visit(address(), {
    awaits: 'connecting',
    prepare: (opened) => opened.routeWebSocket(/chat/, () => {}),
  });
  assert.equal(await page.getAttribute('#text', 'placeholder'), 'Message');
  assert.equal(await page.locator('#composer.blank').count(), 1);
});

for (const colorScheme of ['light', 'dark']) {
  test(`text can be read in ${colorScheme} colours`, async () => {
    const room = newRoom();
    const page = await visit(address(room), { name: 'Ada', colorScheme, reducedMotion: 'reduce' });
    for (const name of ['Bo', '林', 'Zoë', 'guest-1']) {
      const other = await visit(address(room), { name });
      await say(other, `by ${name}${'!'.repeat(600)}`);
    }
    await say(page, 'mine '.repeat(200));
    await page.locator('#messages .own').waitFor();
    await member(page, '林');
    assert.deepEqual(await page.evaluate(faintTexts), []);
  });
}

// The visible texts whose contrast with what lies behind them is below WCAG's AA.
function faintTexts() {
  const pixel = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const paint = (...colors) => {
    for (const color of colors) {
      pixel.fillStyle = color;
      pixel.fillRect(0, 0, 1, 1);
    }
    const [red, green, blue] = Array.from(pixel.getImageData(0, 0, 1, 1).data.slice(0, 3), (value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const backgrounds = (element) => (element ? [...backgrounds(element.parentElement), getComputedStyle(element).backgroundColor] : ['white']);
  const ownText = (element) => [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim() !== '');
  return [...document.body.querySelectorAll('*')].flatMap((element) => {
    if (!element.checkVisibility() || !(ownText(element) || element.matches('input, textarea'))) return [];
    const behind = backgrounds(element);
    const [low, high] = [paint(...behind), paint(...behind, getComputedStyle(element).color)].sort((one, other) => one - other);
    const contrast = (high + 0.05) / (low + 0.05);
    return contrast >= 4.5 ? [] : [`${contrast.toFixed(2)} ${element.outerHTML.slice(0, 100)}`];
  });
}
