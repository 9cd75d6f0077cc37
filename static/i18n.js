// @ts-check
// The page's language, and words, dates and numbers written in it.

import { chinese, english } from './texts.js';

const SPOKEN = [
  { language: 'en', script: 'Latn', locale: 'en-GB', tag: 'en', texts: english },
  { language: 'zh', script: 'Hans', locale: 'zh-CN', tag: 'zh-Hans', texts: chinese },
];

/**
 * Chooses a language that the page speaks, and the reader's own variant of it for dates and numbers, by what the
 * browser says of the reader, which may be anything.
 *
 * @param {readonly string[]} tags in the order of preference
 */
export function chooseLanguage(tags) {
  const locales = tags.flatMap(parseTag);
  const wanted = locales.map(({ language }) => language);
  const spoken = SPOKEN.find(({ language }) => language === wanted.find((each) => SPOKEN.some((one) => one.language === each)));
  const { language, script, locale, tag, texts } = spoken ?? SPOKEN[0];
  const variant = locales.find((each) => each.language === language && each.maximize().script === script);
  return { tag, texts, locale: variant?.baseName ?? locale };
}

/**
 * Returns the locale of a language tag, or nothing if it is no such tag.
 *
 * @param {string} tag
 */
function parseTag(tag) {
  try {
    return [new Intl.Locale(tag)];
  } catch {
    return [];
  }
}

const chosen = chooseLanguage(globalThis.navigator?.languages ?? []);
const clock = new Intl.DateTimeFormat(chosen.locale, { timeStyle: 'short' });
const calendar = new Intl.DateTimeFormat(chosen.locale, { weekday: 'long', day: 'numeric', month: 'long' });
const moment = new Intl.DateTimeFormat(chosen.locale, { dateStyle: 'full', timeStyle: 'medium' });
const integer = new Intl.NumberFormat(chosen.locale);
const plural = new Intl.PluralRules(chosen.locale);
const collator = new Intl.Collator(chosen.locale, { numeric: true });

export const t = chosen.texts({
  write: (count) => integer.format(count),
  isOne: (count) => plural.select(count) === 'one',
});

/** @param {Date} date */
export function formatTime(date) {
  return clock.format(date);
}

/** @param {Date} date */
export function formatDay(date) {
  return calendar.format(date);
}

/** @param {Date} date */
export function formatMoment(date) {
  return moment.format(date);
}

/** @param {number} number */
export function formatNumber(number) {
  return integer.format(number);
}

/**
 * Orders names as a reader expects: member 2 before member 10.
 *
 * @param {string} one
 * @param {string} other
 */
export function compareNames(one, other) {
  return collator.compare(one, other);
}

/** @typedef {{ code: string, message: string, rule?: string, limit?: number }} Refusal */

/**
 * Returns a sentence that says why the server refused something: the rule that was broken, if it is known.
 *
 * @param {Refusal} refusal
 */
export function explain({ code, message, rule, limit }) {
  const about = code === 'bad_name' ? t.rules.name : code === 'bad_room' ? t.rules.room : {};
  const sentence = new Map(Object.entries(about)).get(rule ?? '')?.(limit ?? 0);
  if (sentence) return sentence;
  // The server's sentence is English, and names the rule.
  const isPrecise = chosen.tag === 'en' && (code === 'bad_name' || code === 'bad_room');
  return (isPrecise ? message : new Map(Object.entries(t.errors)).get(code)) || message;
}

/**
 * Fills in the words of a part of the page.
 *
 * @param {ParentNode} root
 */
export function translate(root) {
  document.documentElement.lang = chosen.tag;
  const words = new Map(Object.entries(t));
  /** @param {string | undefined} key */
  const word = (key) => String(words.get(key ?? ''));
  for (const element of root.querySelectorAll('*')) {
    if (!(element instanceof HTMLElement)) continue;
    const { text, label, hint } = element.dataset;
    if (text) element.textContent = word(text);
    if (label) element.setAttribute('aria-label', word(label));
    if (hint) element.setAttribute('placeholder', word(hint));
  }
}
