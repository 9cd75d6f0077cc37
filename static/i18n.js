// The words of the page in the languages it speaks, and dates and numbers in the reader's own way.

const ENGLISH = {
  connecting: 'Connecting…',
  connected: 'Connected',
  lost: 'Connection lost',
  retryIn: (seconds) => `trying again in ${seconds} s`,
  tryNow: 'Try now',
  people: 'People and rooms',
  conversation: 'Conversation',
  empty: 'No messages yet. Say the first word.',
  message: 'Message',
  messageAs: (name) => `Write as ${name}`,
  send: 'Send',
  hint: 'Enter sends, Shift+Enter starts a new line',
  close: 'Close',
  yourName: 'Your name',
  save: 'Save',
  whoIsHere: 'Who is here',
  online: (count) => `${count} online`,
  you: 'you',
  unlisted: 'Too many to list by name.',
  otherRoom: 'Another room',
  go: 'Go',
  newer: (count) => (count === '1' ? '1 new message' : `${count} new messages`),
  showMore: 'Show more',
  showLess: 'Show less',
  bytesLeft: (count) => `${count} bytes left`,
  renamed: (was, name) => `${was} is now ${name}`,
  missed: (count) => (count === '1' ? '1 message is missing here' : `${count} messages are missing here`),
  offline: 'Not connected. Your message waits in the box.',
  returned: 'What could not be sent is back in the box.',
  errors: {
    bad_name: 'A name has 1 to 32 characters, and not every character is allowed.',
    name_taken: 'This name is taken here.',
    bad_room: 'A room by this name is not possible.',
    not_in_room: 'You are not in this room.',
    text_empty: 'The message is empty.',
    text_too_long: 'The message is too long.',
    too_many_rooms: 'You are in too many rooms.',
    rooms_full: 'The server has no space for another room.',
    rate_limited: 'That was too fast. Wait a moment.',
  },
};

const CHINESE = {
  connecting: '正在连接…',
  connected: '已连接',
  lost: '连接已断开',
  retryIn: (seconds) => `${seconds} 秒后重试`,
  tryNow: '立即重试',
  people: '成员与房间',
  conversation: '聊天记录',
  empty: '还没有消息，来说第一句吧。',
  message: '消息',
  messageAs: (name) => `以 ${name} 的名义发言`,
  send: '发送',
  hint: '按 Enter 发送，Shift+Enter 换行',
  close: '关闭',
  yourName: '你的名字',
  save: '保存',
  whoIsHere: '谁在这里',
  online: (count) => `${count} 人在线`,
  you: '你',
  unlisted: '人数太多，无法逐一列出。',
  otherRoom: '换个房间',
  go: '前往',
  newer: (count) => `${count} 条新消息`,
  showMore: '展开全文',
  showLess: '收起',
  bytesLeft: (count) => `还可输入 ${count} 字节`,
  renamed: (was, name) => `${was} 改名为 ${name}`,
  missed: (count) => `此处缺少 ${count} 条消息`,
  offline: '尚未连接，消息仍保留在输入框中。',
  returned: '未能发出的内容已放回输入框。',
  errors: {
    bad_name: '名字应为 1 至 32 个字符，且不能含有某些特殊字符。',
    name_taken: '这个名字已有人使用。',
    bad_room: '不能使用这个房间名。',
    not_in_room: '你不在这个房间里。',
    text_empty: '消息是空的。',
    text_too_long: '消息太长了。',
    too_many_rooms: '你加入的房间太多了。',
    rooms_full: '服务器的房间已满。',
    rate_limited: '发得太快了，请稍等片刻。',
  },
};

const spoken = navigator.languages.map((tag) => tag.split('-')[0]).find((tag) => tag === 'zh' || tag === 'en');

export const language = spoken === 'zh' ? 'zh-Hans' : 'en';
export const t = spoken === 'zh' ? CHINESE : ENGLISH;

const locales = [...navigator.languages];
const clock = new Intl.DateTimeFormat(locales, { timeStyle: 'short' });
const calendar = new Intl.DateTimeFormat(locales, { weekday: 'long', day: 'numeric', month: 'long' });
const moment = new Intl.DateTimeFormat(locales, { dateStyle: 'full', timeStyle: 'medium' });
const integer = new Intl.NumberFormat(locales);

export const formatTime = (date) => clock.format(date);
export const formatDay = (date) => calendar.format(date);
export const formatMoment = (date) => moment.format(date);
export const formatNumber = (number) => integer.format(number);

// A name set between these marks cannot turn the words around it, whatever its script.
export const isolate = (name) => `\u2068${name}\u2069`;

export function translate(root) {
  document.documentElement.lang = language;
  for (const element of root.querySelectorAll('[data-text]')) element.textContent = t[element.dataset.text];
  for (const element of root.querySelectorAll('[data-label]')) element.ariaLabel = t[element.dataset.label];
}
