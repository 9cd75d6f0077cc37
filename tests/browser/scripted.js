// A conversation whose server half is written by the test, over the page of a real server.

export const welcome = { type: 'welcome', uid: 'me', name: 'Ada', server: 'throng/test', limits: { text: 100, name: 32, room: 64 } };

export const said = (offset, more) => ({
  type: 'message', room: 'lobby', offset, time: '2026-11-21T01:23:45.678Z', uid: 'bo', name: 'Bo', text: `text ${offset}`, ...more,
});

export const joined = (epoch, offset, history, more) => ({
  type: 'joined', room: 'lobby', epoch, offset, recovered: false, online: 1, members: [{ uid: 'me', name: 'Ada' }], history, ...more,
});

// The page at `address`, whose connections are each given to `answer`.
export const scripted = (visit, address, answer, options) =>
  visit(address, {
    ...options,
    prepare: async (page) => {
      let attempts = 0;
      await options?.prepare?.(page);
      await page.routeWebSocket(/\/chat\//, (socket) => {
        const received = [];
        const peer = {
          url: new URL(socket.url()),
          attempt: ++attempts,
          received,
          send: (frame) => socket.send(JSON.stringify(frame)),
          close: (code) => socket.close({ code }),
          enter(more) {
            peer.send(welcome);
            peer.send(joined('a', 0, [], more));
          },
        };
        socket.onMessage((text) => {
          received.push(JSON.parse(text));
          peer.onFrame?.(received.at(-1));
        });
        answer(peer);
      });
    },
  });

// Every wait is as long as its jitter allows, and time is the test's own.
export const frozen = {
  prepare: async (page) => {
    await page.clock.install();
    await page.addInitScript(() => (Math.random = () => 0.9999));
  },
};

export const soon = {
  prepare: (page) => page.addInitScript(() => (Math.random = () => 0)),
};
