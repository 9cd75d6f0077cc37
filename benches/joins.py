#!/usr/bin/env python3
"""Measures what a newcomer to a room with a history costs: CPU time of the server for each join.

    cargo build --release && python3 benches/joins.py [--joins 2000] [--server PATH ...]

Each newcomer connects, receives `welcome` and `joined`, and leaves; so the time includes the handshake and the end of a
connection, which the row without a history shows. With several --server, all are shown side by side.
"""

import argparse
import os
import random
import socket
import time

import crowd
from crowd import HANDSHAKE, OFFER, Server
from fairness import WORDS, connect, request

HISTORIES = [(0, 0), (100, 100), (100, 1000), (100, 2500)]
TICK = 1000 / os.sysconf("SC_CLK_TCK")


def fill(port, room, messages, size):
    """Says so many messages, as fast as the server's limits of rate allow, and stays."""
    words = random.Random(messages * size)
    speaker = connect(port, f"/chat/{room}")
    for _ in range(messages):
        text = " ".join(words.choices(WORDS, k=size // 2))[:size]
        speaker.sendall(request(type="say", text=text))
        time.sleep(max(0.025, size / 100_000))
    return speaker


def join(port, room, offer):
    sock = socket.create_connection(("127.0.0.1", port))
    sock.sendall(HANDSHAKE.format("json", offer).replace("/crowd", f"/{room}", 1).encode())
    # A close frame, which the server answers after all that it has sent.
    sock.sendall(b"\x88\x82\0\0\0\0\x03\xe8")
    got = 0
    while data := sock.recv(1 << 20):
        got += len(data)
    sock.close()
    return got


def cost(server, room, offer, joins):
    """Milliseconds of the server's CPU time for each join, and the bytes that were received."""
    join(server.port, room, offer)
    before = sum(server.ticks())
    got = [join(server.port, room, offer) for _ in range(joins)]
    return (sum(server.ticks()) - before) * TICK / joins, got[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--joins", type=int, default=2000)
    parser.add_argument("--server", action="append", help="a binary to measure; may be repeated")
    args = parser.parse_args()
    for binary in args.server or [crowd.BINARY]:
        crowd.BINARY = binary
        server = Server()
        print(binary)
        print("history            plain: ms a join   bytes   deflate: ms a join   bytes")
        try:
            for messages, size in HISTORIES:
                room = f"room{messages}x{size}"
                speaker = fill(server.port, room, messages, size)
                plain = cost(server, room, "", args.joins)
                deflated = cost(server, room, OFFER, args.joins)
                name = f"{messages} of {size} bytes" if messages else "none"
                print(f"{name:18}{plain[0]:19.3f}{plain[1]:8}{deflated[0]:21.3f}{deflated[1]:8}", flush=True)
                speaker.close()
        finally:
            server.stop()


if __name__ == "__main__":
    main()
