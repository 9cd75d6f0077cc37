"""Starts the server under test."""

import os
import re
import signal
import subprocess
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
BINARY = os.environ.get("THRONG_BIN", os.path.join(ROOT, "target", "release", "throng"))
SECONDS_PER_TEST = 30


class ServerTest(unittest.TestCase):
    """A server for each class of tests, on a port of its own. A test that waits in vain fails."""

    FLAGS = ()

    @classmethod
    def setUpClass(cls):
        command = [BINARY, "serve", "--listen", "127.0.0.1:0", *cls.FLAGS]
        cls.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        cls.addClassCleanup(cls.stop)
        said = []
        for line in cls.process.stderr:
            said.append(line)
            if address := re.search(r"listening on http://127\.0\.0\.1:(\d+)", line):
                cls.port = int(address[1])
                return
        raise RuntimeError(f"{BINARY} ended before it listened: {''.join(said)}")

    @classmethod
    def stop(cls):
        cls.process.kill()
        cls.process.wait()
        cls.process.stderr.close()

    def setUp(self):
        signal.signal(signal.SIGALRM, self.out_of_time)
        signal.alarm(SECONDS_PER_TEST)
        self.addCleanup(signal.alarm, 0)

    def out_of_time(self, *_):
        raise TimeoutError(f"not done after {SECONDS_PER_TEST} s")

    def url(self, path):
        return f"ws://127.0.0.1:{self.port}{path}"
