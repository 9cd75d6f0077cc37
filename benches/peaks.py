#!/usr/bin/env python3
"""Checks that throng frees what a peak used: many clients connect, send a message and leave, several times.

    cargo build --release && python3 benches/peaks.py [--connections 15000] [--peaks 3] [--cycles 100000]

After each peak, and after many connections one by one, it reads the server's memory and open descriptors. It fails if
descriptors are left open, or if the memory at the end is more than a tenth above that after the first peak.
"""

import argparse
import os
import resource
import socket
import sys
import time

from crowd import HANDSHAKE, OFFER, Server

MESSAGE = b"x" * 1000
FRAME = b"\x81\xfe" + len(MESSAGE).to_bytes(2, "big") + b"\0\0\0\0" + MESSAGE
CLOSE, CLOSED = b"\x88\x80\0\0\0\0", b"\x88\x00"
AT_ONCE = 500


def connect(server):
    sock = socket.create_connection(("127.0.0.1", server.port))
    sock.sendall(HANDSHAKE.format("raw", OFFER).replace("/chat/crowd", "/echo", 1).encode())
    return sock


def talk(sock):
    if b"101" not in sock.recv(4096):
        sys.exit("a handshake was refused")
    sock.sendall(FRAME)
    if not sock.recv(4096):
        sys.exit("a message was not echoed")


def leave(sock):
    sock.sendall(CLOSE)
    if sock.recv(100) != CLOSED or sock.recv(100):
        sys.exit("a close frame was not answered, or the connection was not closed")
    sock.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--connections", type=int, default=15000)
    parser.add_argument("--peaks", type=int, default=3)
    parser.add_argument("--cycles", type=int, default=100_000)
    args = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = Server()
    try:
        measure(server, args)
    finally:
        server.stop()


def measure(server, args):
    def descriptors():
        return len(os.listdir(f"/proc/{server.process.pid}/fd"))

    before, after = descriptors(), []

    def rest(what):
        deadline = time.monotonic() + 10
        while descriptors() > before and time.monotonic() < deadline:
            time.sleep(0.1)
        after.append(server.rss())
        print(f"after {what}: {after[-1] / 1e6:.2f} MB, {descriptors() - before} more descriptors than at the start")

    print(f"at the start: {server.rss() / 1e6:.2f} MB")
    for peak in range(args.peaks):
        sockets = []
        for _ in range(args.connections // AT_ONCE):
            new = [connect(server) for _ in range(AT_ONCE)]
            for sock in new:
                talk(sock)
            sockets += new
        print(f"peak {peak + 1}, {len(sockets)} connections: {server.rss() / 1e6:.2f} MB")
        for sock in sockets:
            leave(sock)
        rest(f"peak {peak + 1}")
    for _ in range(args.cycles):
        sock = connect(server)
        talk(sock)
        leave(sock)
    rest(f"{args.cycles} connections one by one")
    if descriptors() > before or after[-1] > 1.1 * after[0]:
        sys.exit("not everything was freed")


if __name__ == "__main__":
    main()
