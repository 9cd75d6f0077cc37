import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { chooseLanguage } from '../../static/i18n.js';
import { chinese, english } from '../../static/texts.js';

const numbers = { write: String, isOne: (count) => count === 1 };
const words = { en: english(numbers), zh: chinese(numbers) };

test('every word exists in every language, and is of the same kind', () => {
  const shapeOf = (value) =>
    typeof value === 'object' ? Object.fromEntries(Object.entries(value).map(([key, each]) => [key, shapeOf(each)])) : typeof value;
  assert.deepEqual(shapeOf(words.zh), shapeOf(words.en));
});

test('every word that the page asks for exists', () => {
  const html = readFileSync(new URL('../../static/index.html', import.meta.url), 'utf8');
  const keys = [...html.matchAll(/data-(?:text|label|hint)="(\w+)"/g)].map(([, key]) => key);
  assert.ok(keys.length > 15);
  for (const key of keys) assert.equal(typeof words.en[key], 'string', key);
});

test('a browser may say anything of the reader’s languages', () => {
  const broken = [[], [''], ['C'], ['en-US@posix'], ['POSIX', 'x'], ['zh_CN.UTF-8'], ['*'], ['und'], ['x-private'], [null], [5]];
  for (const tags of broken) assert.equal(chooseLanguage(/** @type {any} */ (tags)).tag, 'en', String(tags));
});

test('the first language that the page speaks is chosen', () => {
  const tagOf = (...tags) => chooseLanguage(tags).tag;
  assert.equal(tagOf('zh-CN'), 'zh-Hans');
  assert.equal(tagOf('de', 'zh-CN', 'en'), 'zh-Hans');
  assert.equal(tagOf('C', 'zh'), 'zh-Hans');
  assert.equal(tagOf('fr-FR', 'en-US', 'zh'), 'en');
  assert.equal(tagOf('ar-EG'), 'en');
});

test('dates and numbers are written in the language of the words', () => {
  const localeOf = (...tags) => chooseLanguage(tags).locale;
  assert.equal(localeOf('de-DE'), 'en-GB');
  assert.equal(localeOf('ar-EG'), 'en-GB');
  assert.equal(localeOf('de-DE', 'en-US'), 'en-US');
  assert.equal(localeOf('en-AU'), 'en-AU');
  assert.equal(localeOf('zh-SG'), 'zh-SG');
  assert.equal(localeOf('zh-TW'), 'zh-CN');
  assert.equal(localeOf('en-US-u-nu-arab'), 'en-US');
});

test('one is singular, and all other numbers are plural', () => {
  assert.equal(words.en.newer(1), '↓ 1 new message');
  assert.equal(words.en.newer(0), '↓ 0 new messages');
  assert.equal(words.en.newer(21), '↓ 21 new messages');
  assert.equal(words.en.missed(1), '1 message is missing here');
  assert.equal(words.en.bytesOver(616), '616 bytes too long');
});
