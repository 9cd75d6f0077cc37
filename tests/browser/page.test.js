import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { member, message, newRoom, say, startServer, visitors } from './support.js';

const visit = visitors();
let server;
before(async () => (server = await startServer()));
after(() => server.kill());

const address = (room = newRoom()) => `${server.url}/?room=${encodeURIComponent(room)}`;

test('the page speaks the reader\'s language', async () => {
  const chinese = await visit(address(), { locale: 'zh-CN', name: '林' });
  assert.equal(await chinese.getAttribute('html', 'lang'), 'zh-Hans');
  await chinese.getByText('已连接').waitFor();
  await chinese.getByRole('heading', { name: '谁在这里' }).waitFor();
  await chinese.getByRole('textbox', { name: '消息' }).waitFor();
  await chinese.locator('#side').getByText('1 人在线').waitFor();

  const english = await visit(address(), { locale: 'fr-FR' });
  assert.equal(await english.getAttribute('html', 'lang'), 'en');
  await english.getByText('Connected').waitFor();
});

test('every word on the page exists in both languages', async () => {
  const page = await visit(address());
  const keys = await page.$$eval('[data-text], [data-label]', (all) => all.flatMap(({ dataset }) => [dataset.text, dataset.label].filter(Boolean)));
  const shapeOf = () =>
    import('/static/i18n.js').then(({ t }) => JSON.stringify(t, (_, value) => (typeof value === 'object' ? value : typeof value)));
  const english = JSON.parse(await page.evaluate(shapeOf));
  const chinese = JSON.parse(await (await visit(address(), { locale: 'zh-CN' })).evaluate(shapeOf));
  assert.deepEqual(chinese, english);
  for (const key of keys) assert.equal(english[key], 'string', key);
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

test('every control has a name for those who do not see it', async () => {
  const page = await visit(address(), { viewport: { width: 375, height: 700 } });
  const accessibility = await page.context().newCDPSession(page);
  const unnamed = async () => {
    const { nodes } = await accessibility.send('Accessibility.getFullAXTree');
    const controls = nodes.filter(({ ignored, role }) => !ignored && ['button', 'textbox', 'link', 'log', 'complementary'].includes(role?.value));
    assert.ok(controls.length >= 3);
    return controls.filter(({ name }) => !name?.value).map(({ role }) => role.value);
  };
  await say(page, 'x'.repeat(2000));
  await page.getByRole('button', { name: 'Show more' }).waitFor();
  assert.deepEqual(await unnamed(), []);
  await page.getByRole('button', { name: '1 online' }).click();
  assert.deepEqual(await unnamed(), []);
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

test('a browser that forbids storage can chat all the same', async () => {
  const room = address();
  const page = await visit(room, {
    prepare: (opened) =>
      opened.addInitScript(() => {
        for (const storage of ['localStorage', 'sessionStorage']) {
          Object.defineProperty(window, storage, { get: () => { throw new DOMException('forbidden', 'SecurityError'); } });
        }
      }),
  });
  await page.fill('#name', 'Nobody');
  await page.press('#name', 'Enter');
  await member(page, 'Nobody');
  await say(page, 'still here');
  await message(page, 'still here');
});

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
