//! Headings, examples and longer texts of the help. Examples have at most 78 columns, so that terminals do
//! not wrap commands.

pub(super) const LOAD: &str = "Load";
pub(super) const CONNECTIONS: &str = "Connections";
pub(super) const HANDSHAKE: &str = "Handshake";
pub(super) const MESSAGES: &str = "Messages";
pub(super) const SERVER: &str = "Server";
pub(super) const OUTPUT: &str = "Output";

macro_rules! exit_status {
    () => {
        "\
Exit status:
  0          The run is valid and every --expect holds
  1          An --expect does not hold, or in a search no load held
  2          The command line is wrong
  3          The server was not reached
  4          The run is not valid: its plan was not carried out
  5          An output could not be written
  130, 143   SIGINT or SIGTERM ended the run"
    };
}

pub(super) const BENCH: &str = concat!(
    "\
Examples:
  throng bench echo ws://127.0.0.1:8080/echo --rate 100
  throng bench broadcast ws://127.0.0.1:8080/chat -c 200 --rate 50
  throng bench echo ws://127.0.0.1:8080/echo --find-max='p99<10ms,loss=0'
  throng bench echo ws://127.0.0.1:8080/echo --rate 100 -q \\
    --expect 'p99<50ms' --expect loss=0

",
    exit_status!(),
    "

Each scenario has its own flags: see 'throng bench echo --help' and so on.
The load tester runs on Linux only."
);

pub(super) const BENCH_LONG: &str = concat!(
    "\
Examples:
  Send 100 messages per second on 50 connections:
    throng bench echo ws://127.0.0.1:8080/echo --rate 100
  Fill a chat room with 200 members:
    throng bench broadcast ws://127.0.0.1:8080/chat -c 200 --rate 50
  Find the highest rate that the server sustains:
    throng bench echo ws://127.0.0.1:8080/echo --find-max='p99<10ms,loss=0'
  Fail a CI job if the server has become slower:
    throng bench echo ws://127.0.0.1:8080/echo --rate 100 -q \\
      --expect 'p99<50ms' --expect loss=0

Values:
  Times      10 or 10s (seconds), 500ms, 1m30s
  Counts     50, 10k, 1.5M
  Sizes      4096, 64KiB, 1.5MiB

",
    exit_status!(),
    "

Each scenario has its own flags: see 'throng bench echo --help' and so on.
The load tester runs on Linux only."
);

pub(super) const COMPARE: &str = "\
Examples:
  throng bench compare before.json after.json
  throng bench compare before.json after.json --html comparison.html";

pub(super) const CONNECT: &str = "\
Examples:
  throng bench connect ws://127.0.0.1:8080/chat -c 10k -d 30s
  throng bench connect ws://127.0.0.1:8080/chat -c 1000 \\
    --connect-rate 200 --ping 10s
  throng bench connect ws://127.0.0.1:8080/chat \\
    --find-max='failed=0,handshake-p99<1s'
  throng bench connect ws://127.0.0.1:8080/chat -c 500 -d 0 -q \\
    --expect failed=0

The load tester runs on Linux only.";

pub(super) const ECHO: &str = "\
Examples:
  throng bench echo ws://127.0.0.1:8080/echo --rate 100
  throng bench echo ws://127.0.0.1:8080/echo -c 200 --rate 10k -d 1m
  throng bench echo ws://127.0.0.1:8080/echo --find-max='p99<10ms,loss=0'
  throng bench echo ws://127.0.0.1:8080/echo --rate 100 -n 1000 -q \\
    --expect 'p99<50ms' --expect loss=0

The load tester runs on Linux only.";

pub(super) const BROADCAST: &str = "\
Examples:
  throng bench broadcast ws://127.0.0.1:8080/chat -c 200 --rate 50
  throng bench broadcast 'ws://127.0.0.1:8080/chat/{room}' \\
    -c 1000 --rooms 100 --senders 1
  throng bench broadcast ws://127.0.0.1:8080/chat \\
    --find-max='p99<100ms,loss=0'
  throng bench broadcast ws://127.0.0.1:8080/chat -q \\
    --expect 'p99<50ms' --expect loss=0

The load tester runs on Linux only.";

pub(super) const SLOW_READERS: &str = "\
Examples:
  throng bench slow-readers ws://127.0.0.1:8080/chat -c 200 \\
    --stalled-readers 20
  throng bench slow-readers ws://127.0.0.1:8080/chat \\
    --read-rate 1KiB --size 1KiB
  throng bench slow-readers ws://127.0.0.1:8080/chat \\
    --find-max='p99<100ms,loss=0'
  throng bench slow-readers ws://127.0.0.1:8080/chat -q \\
    --expect 'p99<50ms' --expect loss=0

The load tester runs on Linux only.";

pub(super) const CHURN: &str = "\
Examples:
  throng bench churn ws://127.0.0.1:8080/chat -c 200 \\
    --churners 100 --churn-rate 20
  throng bench churn ws://127.0.0.1:8080/chat --find-max='p99<100ms,loss=0'
  throng bench churn ws://127.0.0.1:8080/chat -q \\
    --expect 'p99<50ms' --expect failed=0

The load tester runs on Linux only.";

pub(super) const STORM: &str = "\
Examples:
  throng bench storm ws://127.0.0.1:8080/chat -c 1000 -d 30s
  throng bench storm ws://127.0.0.1:8080/chat -c 1000 \\
    --jitter 5s --connect-timeout 3s
  throng bench storm ws://127.0.0.1:8080/chat --find-max='p99<1s,loss=0'
  throng bench storm ws://127.0.0.1:8080/chat -c 500 -q \\
    --expect 'served-p99<5s'

The load tester runs on Linux only.";
