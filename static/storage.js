// @ts-check
// What the browser keeps for the page. Storage may be forbidden, full or damaged; the chat works without it.

/** @typedef {'localStorage' | 'sessionStorage'} Area Kept for good, or for this tab. */

/**
 * @param {Area} area
 * @param {string} key
 * @returns {string | null}
 */
export function readStored(area, key) {
  try {
    return globalThis[area].getItem(key);
  } catch {
    return null;
  }
}

/**
 * Stores a value, or removes it if it is empty.
 *
 * @param {Area} area
 * @param {string} key
 * @param {string} value
 */
export function writeStored(area, key, value) {
  try {
    if (value === '') globalThis[area].removeItem(key);
    else globalThis[area].setItem(key, value);
  } catch {
    // The value is lost when the page closes.
  }
}

/**
 * @param {Area} area
 * @param {string} key
 * @returns {unknown[]}
 */
export function readStoredList(area, key) {
  try {
    const list = JSON.parse(readStored(area, key) ?? '[]');
    return Array.isArray(list) ? list : [];
  } catch {
    return [];
  }
}

/**
 * @param {Area} area
 * @param {string} key
 * @param {unknown[]} list
 */
export function writeStoredList(area, key, list) {
  writeStored(area, key, list.length === 0 ? '' : JSON.stringify(list));
}
