"""uWebSockets, through socketify: every member subscribes to a topic, and what is said is published there."""

import sys

from socketify import App

port, mode = sys.argv[1:]
app = App()


def opened(socket):
    socket.subscribe("room")


def chat(socket, message, opcode):
    app.publish("room", message, opcode)


def echo(socket, message, opcode):
    socket.send(message, opcode)


# By default it drops what a member that is 64 KiB behind should hear, which would not be counted as the others are.
limits = {"max_backpressure": 64 << 20, "max_payload_length": 64 << 10, "idle_timeout": 0}
app.ws("/*", {"open": opened, "message": echo if mode == "echo" else chat, **limits})
app.listen({"port": int(port), "host": "127.0.0.1"}, lambda _: None)
# app.run() polls libuv and asyncio in turn, and would burn CPU without work; nothing here needs asyncio.
app.loop.uv_loop.run()
