#!/usr/bin/env python3
"""Measures the cost of many members: memory and CPU of idle connections, and user time per broadcast delivery.

    cargo build --release && python3 benches/crowd.py [--members 5000] [--messages 400] [--idle 60] [--format raw]
        [--size 64] [--deflate]

It starts target/release/throng, opens all connections from this process, and reads the server's /proc/PID/stat (ticks
of 10 ms) and /proc/PID/status. Deliveries are counted to the byte, and with the json format the offset of each delivery
is checked: a run that loses a delivery fails.
"""

import argparse
import collections
import os
import re
import resource
import selectors
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BINARY = os.environ.get("THRONG_BIN", os.path.join(HERE, "..", "target", "release", "throng"))
HANDSHAKE = (
    "GET /chat/crowd?format={} HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{}\r\n"
)
OFFER = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
# Prose, which compresses about as well as chat messages.
TEXT = " ".join(line.strip() for line in __doc__.splitlines() if line).replace('"', "'")

PING, PONG = b"\x89\x00", b"\x8a\x80\0\0\0\0"


class Server:
    def __init__(self, *flags):
        self.process = subprocess.Popen(
            [BINARY, "serve", "--listen", "127.0.0.1:0", *flags], stderr=subprocess.PIPE, text=True
        )
        found = None
        while not found:
            found = re.search(r"http://127\.0\.0\.1:(\d+)", self.process.stderr.readline())
        self.port = int(found[1])

    def ticks(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return int(fields[11]), int(fields[12])

    def rss(self):
        return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{self.process.pid}/status").read())[1]) * 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def read_frame(sock):
    """Reads one frame of at most 64 KiB and returns its length in bytes."""
    got = sock.recv(1 << 20)
    while True:
        if len(got) >= 4:
            length = got[1] if got[1] < 126 else 2 + int.from_bytes(got[2:4], "big")
            if len(got) == 2 + length:
                return len(got)
            if len(got) > 2 + length:
                sys.exit("received more than one frame")
        got += sock.recv(1 << 20)


def read_exactly(selector, want, offset=None):
    """Reads `want` bytes from all sockets together. Each socket must receive this offset, and no other."""
    got, deadline = 0, time.monotonic() + 60
    received = collections.defaultdict(bytes)
    while got < want:
        for key, _ in selector.select(1):
            data = key.fileobj.recv(1 << 20)
            got += len(data)
            if offset:
                received[key.fd] += data
        if time.monotonic() > deadline:
            break
    if got != want:
        sys.exit(f"received {got} bytes instead of {want}")
    for data in received.values():
        if [int(found) for found in re.findall(rb'"offset":(\d+)', data)] != [offset]:
            sys.exit(f"a member did not receive exactly offset {offset}: {data}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--members", type=int, default=5000)
    parser.add_argument("--messages", type=int, default=400)
    parser.add_argument("--rate", type=float, default=20, help="messages per second")
    parser.add_argument("--idle", type=float, default=60, help="seconds to stay idle")
    parser.add_argument("--format", default="raw", choices=["raw", "json"])
    parser.add_argument("--size", type=int, default=64, help="bytes per message")
    parser.add_argument("--deflate", action="store_true", help="offer permessage-deflate on each connection")
    parser.add_argument("flags", nargs="*", help="further flags for the server, after --")
    args = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = Server("--rate", "0", *args.flags)
    try:
        measure(server, args)
    finally:
        server.stop()


def measure(server, args):
    selector = selectors.EpollSelector()
    before, (user, system) = server.rss(), server.ticks()
    sockets = []
    for _ in range(args.members):
        sock = socket.create_connection(("127.0.0.1", server.port))
        sock.sendall(HANDSHAKE.format(args.format, OFFER if args.deflate else "").encode())
        answer = sock.recv(4096)
        if b"101" not in answer or (b"permessage-deflate" in answer) != args.deflate:
            sys.exit(f"unexpected handshake response: {answer}")
        sockets.append(sock)
        selector.register(sock, selectors.EVENT_READ)
    time.sleep(1.5)
    for sock in sockets:
        try:
            sock.recv(1 << 20, socket.MSG_DONTWAIT)
        except BlockingIOError:
            pass
    accept = [now - then for now, then in zip(server.ticks(), (user, system))]
    print(
        f"{args.members} connections: {(server.rss() - before) / args.members:.0f} bytes of RSS each; "
        f"accept and handshake {sum(accept) * 1e4 / args.members:.1f} µs of CPU each"
    )

    (user, system), pings, until = server.ticks(), 0, time.monotonic() + args.idle
    while (left := until - time.monotonic()) > 0:
        for key, _ in selector.select(left):
            if key.fileobj.recv(4096) != PING:
                sys.exit("an idle connection received something other than a ping")
            key.fileobj.sendall(PONG)
            pings += 1
    idle = [now - then for now, then in zip(server.ticks(), (user, system))]
    print(f"idle for {args.idle:g} s: {idle[0]} user and {idle[1]} system ticks of 10 ms, with {pings} pings answered")

    text = (TEXT * (1 + args.size // len(TEXT)))[: args.size]
    is_json = args.format == "json" and not args.deflate
    text = text.encode() if args.format == "raw" else b'{"type":"say","text":"%s"}' % text.encode()
    length = bytes([0x80 | len(text)]) if len(text) < 126 else bytes([0xFE]) + len(text).to_bytes(2, "big")
    frame = bytes([0x81]) + length + b"\0\0\0\0" + text
    sender = sockets[0]
    selector.unregister(sender)
    sizes = []
    for number in range(args.messages + 1):
        if number == 1:  # The first message does not count.
            user, system = server.ticks()
        started = time.monotonic()
        sender.sendall(frame)
        sizes.append(read_frame(sender))
        read_exactly(selector, sizes[-1] * (args.members - 1), number + 1 if is_json else None)
        time.sleep(max(0, started + 1 / args.rate - time.monotonic()))
    spent = [now - then for now, then in zip(server.ticks(), (user, system))]
    deliveries = args.messages * args.members
    print(
        f"{deliveries} deliveries of {sum(sizes) / len(sizes):.0f} bytes ({args.format}), none lost: "
        f"{spent[0] * 1e4 / deliveries:.3f} µs user, {spent[1] * 1e4 / deliveries:.2f} µs system each"
    )


if __name__ == "__main__":
    main()
