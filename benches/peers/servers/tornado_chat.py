"""Tornado, as in its chat demo: a set of handlers, and a message written to each."""

import asyncio
import sys

from tornado.web import Application
from tornado.websocket import WebSocketClosedError, WebSocketHandler


class Chat(WebSocketHandler):
    members = set()

    def open(self):
        self.set_nodelay(True)
        self.members.add(self)

    def on_close(self):
        self.members.remove(self)

    def on_message(self, message):
        for member in self.members:
            try:
                member.write_message(message)
            except WebSocketClosedError:
                pass


class Echo(WebSocketHandler):
    def open(self):
        self.set_nodelay(True)

    def on_message(self, message):
        self.write_message(message)


async def main(port, mode):
    handler = Echo if mode == "echo" else Chat
    Application([(r"/.*", handler)]).listen(int(port), "127.0.0.1")
    await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))
