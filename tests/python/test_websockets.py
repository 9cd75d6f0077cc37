"""Python's websockets as a peer."""

import json

from support import ServerTest
from websockets.exceptions import ConnectionClosedOK
from websockets.frames import Close
from websockets.sync.client import connect


class Echo(ServerTest):
    FLAGS = ("--max-echo-message", "1MiB")

    def test_text_and_binary_of_every_length_form_come_back_as_they_went(self):
        with connect(self.url("/echo"), max_size=None) as client:
            for length in (0, 1, 125, 126, 65535, 65536, 1 << 20):
                for message in ("x" * length, b"\xe5" * length):
                    client.send(message)
                    self.assertEqual(client.recv(), message)

    def test_a_fragmented_message_comes_back_whole(self):
        with connect(self.url("/echo")) as client:
            client.send(iter(["分", "", "段", "😀" * 1000]))
            self.assertEqual(client.recv(), "分段" + "😀" * 1000)
            client.send(iter([b"\xff", b"\xfe"]))
            self.assertEqual(client.recv(), b"\xff\xfe")

    def test_a_ping_is_answered_with_its_payload(self):
        with connect(self.url("/echo")) as client:
            self.assertTrue(client.ping("are you there?").wait(10))

    def test_a_close_is_answered_with_its_code(self):
        with connect(self.url("/echo")) as client:
            client.close(4000, "done")
            self.assertEqual(client.protocol.close_rcvd.code, 4000)


class Chat(ServerTest):
    def test_two_json_clients_hear_each_other(self):
        with connect(self.url("/chat/py?name=Ada"), subprotocols=["throng.v1"]) as ada:
            self.assertEqual(ada.subprotocol, "throng.v1")
            self.assertEqual(json.loads(ada.recv())["type"], "welcome")
            self.assertEqual(json.loads(ada.recv())["offset"], 0)
            with connect(self.url("/chat/py?name=Bo"), subprotocols=["throng.v1"]) as bo:
                bo.recv(), bo.recv()
                self.assertEqual(json.loads(ada.recv())["name"], "Bo")
                bo.send(json.dumps({"type": "say", "text": "你好"}))
                for member in (ada, bo):
                    message = json.loads(member.recv())
                    self.assertEqual((message["offset"], message["text"]), (1, "你好"))
            self.assertEqual(json.loads(ada.recv())["type"], "leave")

    def test_lines_welcome_say_and_quit(self):
        with connect(self.url("/?name=Ada"), subprotocols=["chat"]) as ada:
            self.assertEqual(ada.subprotocol, "chat")
            self.assertEqual(ada.recv(), "Welcome Ada !")
            with connect(self.url("/?name=Bo")) as bo:
                self.assertIsNone(bo.subprotocol)
                self.assertEqual(bo.recv(), "Welcome Bo !")
                self.assertEqual(ada.recv(), "Welcome Bo !")
                bo.send("")
                bo.send("在吗")
                for member in (ada, bo):
                    self.assertRegex(member.recv(), r"^\d\d:\d\d:\d\d Bo say: 在吗$")
                bo.send("quit")
                self.assertRegex(ada.recv(), r"^\d\d:\d\d:\d\d Bo say: Logout$")
                self.assertRegex(bo.recv(), r"Logout$")
                with self.assertRaises(ConnectionClosedOK):
                    bo.recv()
                self.assertEqual(bo.protocol.close_rcvd, Close(1000, "Logout"))
