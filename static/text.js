// @ts-check
// Measures and repairs text.

const utf8 = new TextEncoder();

/** @param {string} text */
export function byteLength(text) {
  return utf8.encode(text).length;
}

/**
 * Replaces halves of characters, which UTF-8 cannot carry.
 *
 * @param {string} text
 */
export function wellFormed(text) {
  return text.replace(/\p{Surrogate}/gu, '\uFFFD');
}

/**
 * Returns the characters of a text as a reader counts them, or code points where the browser cannot tell.
 *
 * @param {string} text
 */
export function characters(text) {
  if (typeof Intl.Segmenter !== 'function') return Array.from(text);
  return Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment);
}

/**
 * Puts a name between marks, so that it cannot turn the direction of the words around it.
 *
 * @param {string} name
 */
export function isolate(name) {
  return `\u2068${name}\u2069`;
}
