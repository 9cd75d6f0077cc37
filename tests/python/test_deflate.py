"""permessage-deflate with streams of every kind that zlib writes, and with Python's websockets."""

import itertools
import random
import struct
import zlib

from support import ServerTest
from test_tutorial import RawClient
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory as Offer
from websockets.sync.client import connect

TAIL = b"\0\0\xff\xff"
WINDOWS = range(9, 16)
STRATEGIES = (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED)
NOISE = random.Random(7692).randbytes(3000)
MESSAGES = (b"", b"!", b"to be or not to be " * 200, NOISE, NOISE[:1000] * 3 + b"a" * 5000 + NOISE)


class DeflateClient(RawClient):
    def __init__(self, port, offer="permessage-deflate"):
        super().__init__(port, "/echo", f"Sec-WebSocket-Extensions: {offer}\r\n")

    def send(self, payload):
        """Sends a compressed binary message in one frame."""
        length = len(payload)
        if length < 126:
            header = bytes([0xC2, 0x80 | length])
        else:
            header = bytes([0xC2, 0x80 | 126]) + struct.pack("!H", length)
        self.socket.sendall(header + bytes(4) + payload)

    def next_message(self, window):
        """The next message, inflated with a window of so many bits."""
        first, payload = self.next_frame()
        if first == 0x82:
            return payload
        assert first == 0xC2, first
        return zlib.decompressobj(-window).decompress(payload + TAIL)


class Streams(ServerTest):
    def client(self, *offer):
        client = DeflateClient(self.port, *offer)
        self.addCleanup(client.close)
        return client

    def test_whatever_zlib_compresses_is_inflated_to_the_same(self):
        client = self.client()
        settings = itertools.product(range(10), WINDOWS, (1, 5, 8, 9), STRATEGIES)
        for level, window, mem_level, strategy in settings:
            for message in MESSAGES:
                state = zlib.compressobj(level, zlib.DEFLATED, -window, mem_level, strategy)
                client.send((state.compress(message) + state.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL))
                self.assertEqual(client.next_message(15), message, (level, window, mem_level, strategy))

    def test_a_stream_may_be_flushed_in_every_way_within_a_message(self):
        client = self.client()
        message = MESSAGES[-1]
        for flush in (zlib.Z_PARTIAL_FLUSH, zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH, zlib.Z_BLOCK):
            state = zlib.compressobj(wbits=-15)
            pieces = [message[at : at + 500] for at in range(0, len(message), 500)]
            payload = b"".join(state.compress(piece) + state.flush(flush) for piece in pieces)
            client.send((payload + state.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL))
            self.assertEqual(client.next_message(15), message, flush)
        finished = zlib.compressobj(wbits=-15)
        client.send(finished.compress(message) + finished.flush(zlib.Z_FINISH) + b"\0")
        self.assertEqual(client.next_message(15), message, "RFC 7692 §7.2.3.4")

    def test_the_window_agreed_on_suffices_for_every_answer(self):
        for window in WINDOWS:
            client = self.client(f"permessage-deflate; server_max_window_bits={window}")
            self.assertIn(b"server_max_window_bits=%d" % window, client.head)
            for message in MESSAGES:
                state = zlib.compressobj(wbits=-15)
                client.send((state.compress(message) + state.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL))
                self.assertEqual(client.next_message(window), message, window)


class Websockets(ServerTest):
    FLAGS = ("--deflate-contexts", "1MiB", "--max-echo-message", "1MiB")

    def assert_echoes(self, **options):
        with connect(self.url("/echo"), **options) as client:
            agreed = client.protocol.extensions
            for message in ("short", "a long line that repeats; " * 500, NOISE, b"", b"\0" * 100_000) * 2:
                client.send(message)
                self.assertEqual(client.recv(), message)
        return agreed

    def test_the_default_offer_is_taken(self):
        (agreed,) = self.assert_echoes()
        self.assertTrue(agreed.remote_no_context_takeover)
        self.assertFalse(agreed.local_no_context_takeover, "the server has memory for its context")

    def test_every_parameter_is_agreed_on(self):
        offers = itertools.product((False, True), (False, True), (None, 9, 12), (None, True, 9, 15))
        for ours, theirs, window, own_window in offers:
            offer = Offer(ours, theirs, window, own_window)
            (agreed,) = self.assert_echoes(compression=None, extensions=[offer])
            self.assertTrue(agreed.remote_no_context_takeover)
            self.assertEqual(agreed.remote_max_window_bits, window or 15)

    def test_a_window_too_small_to_compress_with_is_declined_and_the_next_offer_taken(self):
        (agreed,) = self.assert_echoes(
            compression=None, extensions=[Offer(server_max_window_bits=8), Offer(server_max_window_bits=10)]
        )
        self.assertEqual(agreed.remote_max_window_bits, 10)
        self.assertEqual(self.assert_echoes(compression=None, extensions=[Offer(server_max_window_bits=8)]), [])


class Off(ServerTest):
    FLAGS = ("--deflate", "off")

    def test_nothing_is_agreed_on(self):
        with connect(self.url("/echo")) as client:
            self.assertEqual(client.protocol.extensions, [])
            client.send("x" * 1000)
            self.assertEqual(client.recv(), "x" * 1000)
