// @ts-check
// The room in the page's address, and the names that no room can have.

import { byteLength } from './text.js';

const LOBBY = 'lobby';

/** @param {string} search */
export function roomOf(search) {
  return new URLSearchParams(search).get('room')?.trim() || LOBBY;
}

/**
 * Returns the rule that a room name breaks, or '' if it breaks none of those known here. The server has the last word.
 *
 * @param {string} name
 * @param {number} limit in bytes; 0 for none
 * @returns {'' | 'blank' | 'bytes' | 'slash' | 'unprintable' | 'dots'}
 */
export function brokenRoomRule(name, limit) {
  if (name.trim() === '') return 'blank';
  if (limit > 0 && byteLength(name) > limit) return 'bytes';
  if (name.includes('/')) return 'slash';
  // An address cannot carry these: they mean the folder itself and the one above.
  if (name === '.' || name === '..') return 'dots';
  if (/[\p{Cc}\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069]/u.test(name)) return 'unprintable';
  return '';
}
