#!/usr/bin/env python3
"""Measures how much a peer that sends as fast as it can delays the others, and a busy room a small one.

    cargo build --release && python3 benches/fairness.py [--seconds 5] [--members 10000]

A client sends 64 bytes to /echo and waits for the reply, repeatedly. Each line shows its percentiles, and the ratio of
its p99 to that of an otherwise idle server. In the same way a room of two members, with a message every 10 ms, is
measured next to a busy room. Each disturbance runs in a separate process. With two cores the server uses the first one.
On the second one the measuring client has priority over the disturbance (which requires root), so that it waits only
for the server.
"""

import argparse
import contextlib
import multiprocessing
import os
import resource
import select
import socket
import statistics
import sys
import time
import zlib

from crowd import HANDSHAKE, OFFER, Server


def connect(port, path, offer=""):
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(HANDSHAKE.format("raw", offer).replace("/chat/crowd?format=raw", path, 1).encode())
    if b"101" not in sock.recv(4096):
        sys.exit("a handshake was refused")
    return sock


def frame(first, payload):
    length = len(payload)
    if length < 126:
        head = bytes([first, 0x80 | length])
    elif length < 65536:
        head = bytes([first, 0xFE]) + length.to_bytes(2, "big")
    else:
        head = bytes([first, 0xFF]) + length.to_bytes(8, "big")
    return head + b"\0\0\0\0" + payload


def flood(port, path, data, offer=""):
    """Sends this repeatedly and reads all replies. Reconnects if the connection is closed."""
    while True:
        sock = connect(port, path, offer)
        sock.setblocking(False)
        rest = memoryview(data)
        try:
            while True:
                readable, writable, _ = select.select([sock], [sock], [])
                if readable and not sock.recv(1 << 20):
                    break
                if writable:
                    rest = rest[sock.send(rest) :] or memoryview(data)
        except ConnectionError:
            pass


def bomb():
    state = zlib.compressobj(wbits=-15)
    text = b'{"type":"say","text":"' + b" " * 65000 + b'"}'
    return frame(0xC1, (state.compress(text) + state.flush(zlib.Z_SYNC_FLUSH))[:-4])


def crowd(port, members, ready):
    """A room with many members, one of which sends as fast as the server accepts."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    epoll, sockets = select.epoll(), {}
    for _ in range(members):
        sock = connect(port, "/chat/large?format=raw")
        sock.setblocking(False)
        sockets[sock.fileno()] = sock
        epoll.register(sock, select.EPOLLIN)
    ready.set()
    sender, data = sock, frame(0x81, b"x" * 64) * 10
    while True:
        try:
            sender.send(data)
        except BlockingIOError:
            pass
        for fd, _ in epoll.poll(0.001):
            sockets[fd].recv(1 << 20)


DISTURBANCES = {
    "64-byte echoes": ("/echo", frame(0x81, b"x" * 64) * 500),
    "64 KiB echoes": ("/echo", frame(0x82, b"x" * 65536)),
    "1-byte fragments": ("/echo", frame(0x01, b"x") + frame(0x00, b"x") * 5000 + frame(0x80, b"x")),
    "pings": ("/echo", frame(0x89, b"x") * 5000),
    "64 KiB bombs to chat": ("/chat", bomb() * 100, OFFER),
}


def percentiles(sock, seconds, recipient=None, pause=0):
    """Returns percentiles of the time until a message of this connection is received by itself, or by another."""
    message, times = frame(0x81, b"y" * 64), []
    until = time.monotonic() + seconds
    while (started := time.monotonic()) < until:
        sock.sendall(message)
        for listener in {sock, recipient or sock}:
            got = 0
            while got < 66:
                data = listener.recv(4096)
                if not data:
                    sys.exit("the server ended a connection")
                got += len(data)
        times.append(time.monotonic() - started)
        time.sleep(pause)
    cuts = statistics.quantiles(times, n=1000, method="inclusive")
    return cuts[499] * 1e6, cuts[989] * 1e6, max(times) * 1e6


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--members", type=int, default=10000, help="members of the busy room")
    args = parser.parse_args()
    server = Server("--rate", "0", "--ping-after", "0")
    try:
        if os.cpu_count() > 1:
            os.sched_setaffinity(server.process.pid, {0})
            os.sched_setaffinity(0, {1})
        set_priority(True)
        echo = [connect(server.port, "/echo"), args.seconds]
        pair = [connect(server.port, "/chat/small?format=raw") for _ in range(2)]
        pair = [pair[0], args.seconds, pair[1], 0.01]
        quiet = percentiles(*echo)

        def show(name, values):
            p50, p99, longest = values
            ratio = p99 / quiet[1]
            print(f"{name:30} p50 {p50:8.0f} µs  p99 {p99:8.0f} µs  max {longest:8.0f} µs  p99 / quiet {ratio:6.1f}")

        show("echo, quiet", quiet)
        for name, disturbance in DISTURBANCES.items():
            with disturbed(flood, server.port, *disturbance):
                show(name, percentiles(*echo))
        show("echo, quiet again", percentiles(*echo))
        quiet = percentiles(*pair)
        show("a room of two, quiet", quiet)
        ready = multiprocessing.Event()
        with disturbed(crowd, server.port, args.members, ready):
            if not ready.wait(120):
                sys.exit("the room did not fill")
            show(f"next to a busy room of {args.members}", percentiles(*pair))
    finally:
        server.stop()


def run_with_low_priority(work, arguments):
    set_priority(False)
    work(*arguments)


def set_priority(first):
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO if first else os.SCHED_OTHER, os.sched_param(int(first)))
    except PermissionError:
        print("not root: the client may wait for other processes too", file=sys.stderr)


@contextlib.contextmanager
def disturbed(work, *arguments):
    process = multiprocessing.Process(target=run_with_low_priority, args=(work, arguments), daemon=True)
    process.start()
    time.sleep(0.5)
    yield
    process.kill()
    process.join()
    time.sleep(1)


if __name__ == "__main__":
    main()
