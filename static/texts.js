// @ts-check
// The words of the page, in each language it speaks. Counts come as numbers, and are written by the functions given.

/**
 * @typedef {object} Numbers how a language writes numbers
 * @property {(count: number) => string} write
 * @property {(count: number) => boolean} isOne whether the singular is used
 */

/** @param {Numbers} numbers */
export const english = ({ write, isOne }) => ({
  connecting: 'Connecting…',
  connected: 'Connected',
  checking: 'No answer from the server…',
  offline: 'You are offline',
  lost: 'Connection lost',
  unreachable: 'Cannot connect',
  stopped: 'Not connected',
  unreachableHint: 'The page was loaded, but the chat cannot be reached. If the server is behind a proxy, the proxy must '
    + 'pass on WebSocket connections and the Host header. The server’s log says why it refuses a connection.',
  retryIn: (/** @type {number} */ seconds) => `– trying again in ${write(seconds)} s`,
  tryNow: 'Try now',
  people: 'People and rooms',
  conversation: 'Conversation',
  empty: 'No messages yet. Say hello.',
  message: 'Message',
  messageAs: (/** @type {string} */ name) => `Write as ${name}`,
  send: 'Send',
  hint: 'Enter to send, Shift+Enter for a new line',
  close: 'Close',
  yourName: 'Your name',
  save: 'Save',
  whoIsHere: 'Online',
  online: (/** @type {number} */ count) => `${write(count)} online`,
  you: 'you',
  unlisted: 'Too many to list.',
  otherRoom: 'Switch room',
  go: 'Go',
  newer: (/** @type {number} */ count) => `↓ ${write(count)} new ${isOne(count) ? 'message' : 'messages'}`,
  showMore: 'Show more',
  showLess: 'Show less',
  bytesLeft: (/** @type {number} */ count) => `${write(count)} ${isOne(count) ? 'byte' : 'bytes'} left`,
  bytesOver: (/** @type {number} */ count) => `${write(count)} ${isOne(count) ? 'byte' : 'bytes'} too long`,
  renamed: (/** @type {string} */ was, /** @type {string} */ name) => `${was} is now ${name}`,
  missed: (/** @type {number} */ count) =>
    isOne(count) ? '1 message is missing here' : `${write(count)} messages are missing here`,
  skipped: (/** @type {number} */ count) =>
    isOne(count) ? '1 message is not shown here' : `${write(count)} messages are not shown here`,
  restarted: 'The server restarted. Messages above are no longer stored.',
  sending: 'Sending…',
  waiting: 'Waiting for the connection…',
  notSent: (/** @type {string} */ reason) => `Not sent. ${reason}`,
  unknown: 'It is not certain whether this was sent.',
  sendAgain: 'Send again',
  edit: 'Edit',
  discard: 'Discard',
  tooFast: 'You are sending too fast. Your messages will be sent a little later.',
  nameInUse: (/** @type {string} */ wish, /** @type {string} */ name) =>
    `The name ${wish} is in use, perhaps in another tab. You are ${name}.`,
  nameRefused: (/** @type {string} */ wish, /** @type {string} */ name, /** @type {string} */ reason) =>
    `The name ${wish} isn’t allowed. ${reason} You are ${name}.`,
  roomImpossible: 'This room can’t be opened.',
  toLobby: 'Go to the lobby',
  rules: {
    name: {
      blank: () => 'Enter a name.',
      too_long: (/** @type {number} */ limit) =>
        `A name has at most ${write(limit)} ${isOne(limit) ? 'character' : 'characters'}.`,
    },
    room: {
      blank: () => 'Enter the name of a room.',
      too_long: (/** @type {number} */ limit) => `A room name has at most ${write(limit)} bytes.`,
      slash: () => 'A room name can’t contain “/”.',
      dots: () => 'A room can’t be named “.” or “..”.',
      unprintable: () => 'A room name can’t contain control or direction characters.',
    },
  },
  errors: {
    bad_name: 'That name isn’t allowed.',
    name_taken: 'That name is taken.',
    bad_room: 'That room name isn’t allowed.',
    not_in_room: 'You are not in this room.',
    text_empty: 'The message is empty.',
    text_too_long: 'The message is too long.',
    too_many_rooms: 'You are in too many rooms.',
    rooms_full: 'The server has no space for another room.',
    rate_limited: 'You are sending too fast. Wait a moment.',
  },
});

/**
 * @param {Numbers} numbers
 * @returns {ReturnType<typeof english>}
 */
export const chinese = ({ write }) => ({
  connecting: '正在连接…',
  connected: '已连接',
  checking: '服务器没有响应…',
  offline: '当前离线',
  lost: '连接已断开',
  unreachable: '无法连接',
  stopped: '未连接',
  unreachableHint: '页面已加载，但无法连接聊天服务。如果服务器位于代理之后，代理必须转发 WebSocket 连接和 Host 标头。'
    + '服务器日志会说明拒绝连接的原因。',
  retryIn: (seconds) => `– ${write(seconds)} 秒后重试`,
  tryNow: '立即重试',
  people: '成员与房间',
  conversation: '聊天记录',
  empty: '还没有消息，打个招呼吧。',
  message: '消息',
  messageAs: (name) => `以 ${name} 的身份发言`,
  send: '发送',
  hint: '按 Enter 发送，Shift+Enter 换行',
  close: '关闭',
  yourName: '你的昵称',
  save: '保存',
  whoIsHere: '在线成员',
  online: (count) => `${write(count)} 人在线`,
  you: '你',
  unlisted: '人数太多，无法逐一列出。',
  otherRoom: '切换房间',
  go: '前往',
  newer: (count) => `↓ ${write(count)} 条新消息`,
  showMore: '展开全文',
  showLess: '收起',
  bytesLeft: (count) => `还可输入 ${write(count)} 字节`,
  bytesOver: (count) => `超出 ${write(count)} 字节`,
  renamed: (was, name) => `${was} 改名为 ${name}`,
  missed: (count) => `此处缺少 ${write(count)} 条消息`,
  skipped: (count) => `此处有 ${write(count)} 条消息未显示`,
  restarted: '服务器已重启，以上消息不再保存。',
  sending: '正在发送…',
  waiting: '等待连接…',
  notSent: (reason) => `未发送。${reason}`,
  unknown: '不确定这条消息是否已发送。',
  sendAgain: '重新发送',
  edit: '编辑',
  discard: '丢弃',
  tooFast: '发送过快，消息将稍后发出。',
  nameInUse: (wish, name) => `昵称 ${wish} 正在使用中（可能在另一个标签页）。你现在是 ${name}。`,
  nameRefused: (wish, name, reason) => `不能使用昵称 ${wish}。${reason}你现在是 ${name}。`,
  roomImpossible: '无法打开这个房间。',
  toLobby: '前往 lobby',
  rules: {
    name: {
      blank: () => '请输入昵称。',
      too_long: (limit) => `昵称最多 ${write(limit)} 个字符。`,
    },
    room: {
      blank: () => '请输入房间名。',
      too_long: (limit) => `房间名最多 ${write(limit)} 字节。`,
      slash: () => '房间名不能包含“/”。',
      dots: () => '房间名不能是“.”或“..”。',
      unprintable: () => '房间名不能包含控制字符或方向字符。',
    },
  },
  errors: {
    bad_name: '不能使用这个昵称。',
    name_taken: '这个昵称已被使用。',
    bad_room: '不能使用这个房间名。',
    not_in_room: '你不在这个房间里。',
    text_empty: '消息是空的。',
    text_too_long: '消息太长了。',
    too_many_rooms: '你加入的房间太多了。',
    rooms_full: '服务器的房间已满。',
    rate_limited: '发送过快，请稍等片刻。',
  },
});
