"""uWebSockets, with socketify: every member subscribes to a topic, and messages are published there."""

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


# By default it drops messages to members that are 64 KiB behind, which the other servers do not.
limits = {"max_backpressure": 64 << 20, "max_payload_length": 64 << 10, "idle_timeout": 0}
app.ws("/*", {"open": opened, "message": echo if mode == "echo" else chat, **limits})
app.listen({"port": int(port), "host": "127.0.0.1"}, lambda _: None)
# app.run() polls libuv and asyncio in turn, which uses CPU even when idle. Nothing here needs asyncio.
app.loop.uv_loop.run()
