"""Starts the server under test."""

import os
import re
import subprocess
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
BINARY = os.environ.get("THRONG_BIN", os.path.join(ROOT, "target", "release", "throng"))


class ServerTest(unittest.TestCase):
    """A server for each class of tests, on a port of its own."""

    FLAGS = ()

    @classmethod
    def setUpClass(cls):
        command = [BINARY, "serve", "--listen", "127.0.0.1:0", *cls.FLAGS]
        cls.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        line = cls.process.stderr.readline()
        cls.port = int(re.search(r"listening on http://127\.0\.0\.1:(\d+)", line)[1])

    @classmethod
    def tearDownClass(cls):
        cls.process.terminate()
        cls.process.wait()
        cls.process.stderr.close()

    def url(self, path):
        return f"ws://127.0.0.1:{self.port}{path}"
