// @ts-check
// Where the chat's WebSocket is: next to the page, whatever folder a proxy serves it under.

/**
 * @param {string} base the page's address
 * @param {string} room
 * @param {{ since?: number, epoch?: string, name?: string }} query
 */
export function socketAddress(base, room, query) {
  const address = new URL(`chat/${encodeURIComponent(room)}`, base);
  address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
  for (const [name, value] of Object.entries(query)) address.searchParams.set(name, String(value));
  return address.href;
}
