"""Runs the suite in one of its roles, with Python 2.7.

usage: driver.py fuzzingclient|fuzzingserver REPORTS SECONDS CASES EXCEPT [full] [URL]

CASES and EXCEPT are patterns of cases, separated by commas; EXCEPT may be empty. The fuzzing client fuzzes the server at
URL. The fuzzing server prints its address and fuzzes each client that connects, until it is killed. After SECONDS either
writes the reports of what it has and ends.
"""

import socket
import sys

from autobahntestsuite import fuzzing  # Before anything of twisted: it chooses the reactor.
from twisted.internet import reactor

# What each case of 12.* and 13.* sends at most: the bytes fill the window of the compression 64 times.
MESSAGES = 100
BYTES = 2 << 20
SHORTEST_TIMEOUT = 20  # seconds


def main(mode, reports, seconds, cases, excluded, *rest):
    spec = {
        "outdir": reports,
        "cases": cases.split(","),
        "exclude-cases": [pattern for pattern in excluded.split(",") if pattern],
        "exclude-agent-cases": {},
    }
    if "full" not in rest:
        shorten(spec, mode)
    if mode == "fuzzingclient":
        spec["servers"] = [{"agent": "throng", "url": rest[-1]}]
        factory = fuzzing.FuzzingClientFactory(spec)
    else:
        factory = serve(spec)

    def out_of_time():
        factory.createReports()
        reactor.stop()

    reactor.callLater(float(seconds), out_of_time)
    reactor.run()


def shorten(spec, mode):
    for case in fuzzing.Cases:
        if case.__name__.startswith(("Case12_", "Case13_")):
            case.COUNT = min(MESSAGES, BYTES // case.LEN)
    # Who answers at once does not notice longer timeouts.
    names = ["openHandshakeTimeout", "closeHandshakeTimeout"]
    if mode == "fuzzingclient":
        names.append("serverConnectionDropTimeout")
    spec["options"] = {name: SHORTEST_TIMEOUT for name in names}
    for name in "killAfter", "closeAfter":
        lengthen(name)


def lengthen(name):
    original = getattr(fuzzing.FuzzingProtocol, name).im_func
    setattr(fuzzing.FuzzingProtocol, name, lambda self, delay: original(self, max(delay, SHORTEST_TIMEOUT)))


def serve(spec):
    # The suite itself would listen on all addresses, on a port that may be taken.
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(16)
    listener.setblocking(False)
    spec["url"] = "ws://127.0.0.1:%d" % listener.getsockname()[1]
    factory = fuzzing.FuzzingServerFactory(spec)
    reactor.adoptStreamPort(listener.fileno(), socket.AF_INET, factory)
    print "listening on", spec["url"]
    sys.stdout.flush()
    return factory


main(*sys.argv[1:])
