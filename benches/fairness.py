#!/usr/bin/env python3
"""Measures how much peers that do their worst within all limits delay another connection.

    cargo build --release && python3 benches/fairness.py [--seconds 3] [--peers 1,4] [--only nick] [--server PATH …]

A client sends 64 bytes to /echo and waits for the reply, repeatedly. Each row shows the percentiles of the time that
takes, in milliseconds, while so many peers do one thing as fast as the server lets them, at the server's default
settings. Peers whose connection is closed connect again. With several --server the rows of all are shown side by side,
measured in turn, as in --server before/throng --server target/release/throng. The target is a p95 of at most 5 ms with
one peer and 10 ms with four; rows that miss it are marked with an asterisk.

Each peer is a process of its own. With two cores the server uses the first one. On the second one the measuring client
has priority over the peers (which requires root), so that it waits only for the server.
"""

import argparse
import contextlib
import itertools
import json
import multiprocessing
import os
import random
import resource
import select
import socket
import statistics
import sys
import time
import zlib

import crowd
from crowd import HANDSHAKE, OFFER, Server

TARGETS = {1: 5, 4: 10}
ROOMS, MEMBERS = 32, 100
# In any order, so that they compress about as well as what people say.
WORDS = open(os.path.join(crowd.HERE, "..", "LICENSE-APACHE")).read().replace('"', "").split()


def connect(port, path, offer=""):
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(HANDSHAKE.format("raw", offer).replace("/chat/crowd?format=raw", path, 1).encode())
    if b" 101 " not in sock.recv(4096):
        raise ConnectionError("the handshake was refused")
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


def request(**fields):
    return frame(0x81, json.dumps(fields).encode())


def compressed(first, message):
    state = zlib.compressobj(wbits=-15)
    return frame(first | 0x40, (state.compress(message) + state.flush(zlib.Z_SYNC_FLUSH))[:-4])


def flood(port, path, data, offer="", pause=0):
    """Sends this repeatedly, with a pause after each time, and reads all replies."""
    while True:
        with contextlib.suppress(OSError):
            sock = connect(port, path, offer)
            sock.setblocking(False)
            rest = memoryview(data)
            while True:
                readable, writable, _ = select.select([sock], [sock], [], 1)
                if readable and not sock.recv(1 << 20):
                    break
                if writable:
                    rest = rest[sock.send(rest) :]
                    if not rest:
                        rest = memoryview(data)
                        time.sleep(pause)
                        if pause:
                            drain(sock)


def drain(sock):
    with contextlib.suppress(BlockingIOError):
        while sock.recv(1 << 20):
            pass


def ask(port, path, requests, offer=""):
    """Sends one request after the other at the permitted 50 a second, or what of it is answered."""
    while True:
        with contextlib.suppress(OSError):
            sock = connect(port, path, offer)
            sock.setblocking(False)
            for data in itertools.cycle(requests):
                sock.send(data)
                time.sleep(0.02)
                drain(sock)


def rename(port, number):
    joins = [request(type="join", room=f"small{room}") for room in range(ROOMS)]
    names = [request(type="nick", name=f"peer{number}x{n}") for n in range(100)]
    while True:
        with contextlib.suppress(OSError):
            sock = connect(port, "/chat/small0")
            sock.sendall(b"".join(joins))
            sock.setblocking(False)
            for data in itertools.cycle(names):
                time.sleep(0.02)
                drain(sock)
                sock.send(data)


def begin(port, data):
    """Connects, sends the beginning of a request or all of it, and leaves."""
    while True:
        with contextlib.suppress(OSError):
            sock = socket.create_connection(("127.0.0.1", port))
            sock.sendall(data)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            sock.close()


def fill_history(port):
    """A room with 100 messages of 2.5 kB."""
    words = random.Random(0)
    socks = [connect(port, "/chat/history") for _ in range(4)]
    for n in range(100):
        text = " ".join(words.choices(WORDS, k=1000))[:2400]
        socks[n % 4].sendall(request(type="say", text=text))
        time.sleep(0.03)
    return socks


def fill_rooms(port, ready):
    """Members of 32 rooms of almost 100 each, which read everything."""
    epoll, sockets = select.epoll(), {}
    for _ in range(MEMBERS - 8):
        sock = connect(port, "/chat/small0")
        for room in range(1, ROOMS):
            sock.sendall(request(type="join", room=f"small{room}"))
        sock.setblocking(False)
        sockets[sock.fileno()] = sock
        epoll.register(sock, select.EPOLLIN)
        read_all(epoll, sockets, 0.05)
    read_all(epoll, sockets, 1)
    ready.set()
    while True:
        read_all(epoll, sockets, 10)


def read_all(epoll, sockets, seconds):
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        for fd, _ in epoll.poll(left):
            if not sockets[fd].recv(1 << 20):
                epoll.unregister(fd)


HEAD = HANDSHAKE.format("raw", "").replace("/chat/crowd?format=raw", "/echo", 1).encode()
SPACES = b'{"type":"say","text":"' + b" " * 65000 + b'"}'
REJOIN = request(type="join", room="history")
PEERS = {
    "64-byte echoes": lambda port, _: flood(port, "/echo", frame(0x81, b"x" * 64) * 500),
    "64 KiB echoes": lambda port, _: flood(port, "/echo", frame(0x82, os.urandom(65536)), OFFER),
    "1-byte fragments": lambda port, _: flood(
        port, "/echo", frame(0x01, b"x") + frame(0x00, b"x") * 5000 + frame(0x80, b"x")
    ),
    "pings": lambda port, _: flood(port, "/echo", frame(0x89, b"x") * 5000),
    "64 KiB bombs to chat": lambda port, _: flood(port, "/chat", compressed(0x81, SPACES) * 100, OFFER),
    "64 KiB bombs to echo": lambda port, _: flood(port, "/echo", compressed(0x82, bytes(65536)) * 20, OFFER),
    "16 MiB bombs to echo": lambda port, _: flood(port, "/echo", compressed(0x82, bytes(16 << 20)), OFFER, 0.02),
    "1 MiB of raw, compressed": lambda port, _: flood(
        port, "/chat/relay?format=raw", compressed(0x82, (crowd.TEXT * 2000).encode()[: 1 << 20]), OFFER, 0.02
    ),
    "joining again, history": lambda port, _: ask(port, "/chat/history", [REJOIN], OFFER),
    "moving to a history": lambda port, _: ask(
        port, "/chat/side?format=lines", [frame(0x81, b"/join history"), frame(0x81, b"/join side")], OFFER
    ),
    "nick in 32 rooms": rename,
    "who in a room of 100": lambda port, _: ask(port, "/chat/small0", [request(type="who")], OFFER),
    "heads begun": lambda port, _: begin(port, HEAD[:-2]),
    "handshakes": lambda port, _: begin(port, HEAD),
}


def measure(sock, seconds):
    """Returns percentiles of the time until a message comes back, in milliseconds."""
    message, times = frame(0x81, b"y" * 64), []
    until = time.monotonic() + seconds
    while (started := time.monotonic()) < until:
        sock.sendall(message)
        got = 0
        while got < 66:
            data = sock.recv(4096)
            if not data:
                sys.exit("the server ended the connection that is measured")
            got += len(data)
        times.append((time.monotonic() - started) * 1e3)
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return cuts[49], cuts[94], cuts[98]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3, help="for each figure")
    parser.add_argument("--peers", default="1,4", help="numbers of peers")
    parser.add_argument("--only", default="", help="parts of the names of the rows to show, with commas")
    parser.add_argument("--server", action="append", help="a binary to measure; may be repeated")
    args = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    set_priority(True)
    numbers = [int(number) for number in args.peers.split(",")]
    parts = args.only.split(",")
    rows = {name: peer for name, peer in PEERS.items() if any(part in name for part in parts)}
    servers = args.server or [crowd.BINARY]
    for binary in servers:
        print(f"{'server' if len(servers) > 1 else 'measured'}: {binary}")
    header = "".join(f"  {f'{number} peers':^24}" for number in numbers for _ in servers)
    print(f"{'p50, p95, p99 in ms':26}{header}")
    with contextlib.ExitStack() as stack:
        ready = [stack.enter_context(prepared(binary)) for binary in servers]
        row("quiet", [measure(sock, args.seconds) for _ in numbers for _, sock in ready], numbers, servers)
        for name, peer in rows.items():
            figures = []
            for number in numbers:
                for port, sock in ready:
                    with peers(peer, port, number):
                        figures.append(measure(sock, args.seconds))
            row(name, figures, numbers, servers)


def row(name, figures, numbers, servers):
    targets = [TARGETS.get(number) for number in numbers for _ in servers]
    cells = []
    for (p50, p95, p99), target in zip(figures, targets):
        mark = "*" if target and p95 > target else " "
        cells.append(f"  {p50:7.2f}{p95:8.2f}{mark}{p99:7.2f}")
    print(f"{name:26}{''.join(cells)}", flush=True)


@contextlib.contextmanager
def prepared(binary):
    """A server with a room that has a history, small rooms that are almost full, and a connection to measure with."""
    crowd.BINARY = binary
    server = Server()
    try:
        if os.cpu_count() > 1:
            os.sched_setaffinity(server.process.pid, {0})
            os.sched_setaffinity(0, {1})
        history = fill_history(server.port)
        full = multiprocessing.Event()
        members = start(fill_rooms, server.port, full)
        if not full.wait(120):
            sys.exit("the rooms did not fill")
        yield server.port, connect(server.port, "/echo")
        members.kill()
        for sock in history:
            sock.close()
    finally:
        server.stop()


@contextlib.contextmanager
def peers(work, port, number):
    processes = [start(work, port, index) for index in range(number)]
    time.sleep(1)
    yield
    for process in processes:
        process.kill()
        process.join()
    time.sleep(1)


def start(work, *arguments):
    process = multiprocessing.Process(target=run_with_low_priority, args=(work, arguments), daemon=True)
    process.start()
    return process


def run_with_low_priority(work, arguments):
    set_priority(False)
    work(*arguments)


def set_priority(first):
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO if first else os.SCHED_OTHER, os.sched_param(int(first)))
    except PermissionError:
        print("not root: the client may wait for other processes too", file=sys.stderr)


if __name__ == "__main__":
    main()
