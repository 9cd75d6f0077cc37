"""The tutorials' client: a raw socket, the handshake and the frames by hand, 128 bytes at a time."""

import base64
import hashlib
import os
import socket
import struct

from support import ServerTest

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class RawClient:
    def __init__(self, port, path, fields=""):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{fields}\r\n".encode()
        )
        self.received = b""
        while b"\r\n\r\n" not in self.received:
            self.receive()
        self.head, self.received = self.received.split(b"\r\n\r\n", 1)
        self.status = int(self.head.split()[1])
        accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest())
        assert b"Sec-WebSocket-Accept: " + accept in self.head, self.head

    def receive(self):
        piece = self.socket.recv(128)
        assert piece, "the server has closed the connection"
        self.received += piece

    def take(self, length):
        while len(self.received) < length:
            self.receive()
        taken, self.received = self.received[:length], self.received[length:]
        return taken

    def send_in_pieces(self, text):
        payload, key = text.encode(), os.urandom(4)
        masked = bytes(byte ^ key[index % 4] for index, byte in enumerate(payload))
        frame = bytes([0x81, 0x80 | 126]) + struct.pack("!H", len(payload)) + key + masked
        for start in range(0, len(frame), 128):
            self.socket.sendall(frame[start : start + 128])

    def next_text(self):
        first, payload = self.next_frame()
        assert first == 0x81, first
        return payload.decode()

    def next_frame(self):
        first, length = self.take(2)
        if length == 126:
            length = struct.unpack("!H", self.take(2))[0]
        elif length == 127:
            length = struct.unpack("!Q", self.take(8))[0]
        return first, self.take(length)

    def close(self):
        self.socket.close()


class Tutorial(ServerTest):
    CHINESE = "汉" * 20_000  # 60,000 bytes

    def client(self, path):
        client = RawClient(self.port, path)
        self.addCleanup(client.close)
        self.assertEqual(client.status, 101)
        return client

    def test_a_long_message_in_pieces_comes_back_whole(self):
        client = self.client("/echo")
        client.send_in_pieces(self.CHINESE)
        self.assertEqual(client.next_text(), self.CHINESE)

    def test_a_long_message_in_pieces_reaches_the_other_members_whole(self):
        speaker, listener = self.client("/chat/t?format=raw"), self.client("/chat/t?format=raw")
        speaker.send_in_pieces(self.CHINESE)
        for member in (listener, speaker):
            self.assertEqual(member.next_text(), self.CHINESE)


class TutorialChat(ServerTest):
    FLAGS = ("--max-text", "64KiB")

    def test_a_long_line_in_pieces_is_said_whole(self):
        client = RawClient(self.port, "/?name=Ada")
        self.addCleanup(client.close)
        self.assertEqual(client.next_text(), "Welcome Ada !")
        client.send_in_pieces(Tutorial.CHINESE)
        self.assertTrue(client.next_text().endswith(" Ada say: " + Tutorial.CHINESE))
