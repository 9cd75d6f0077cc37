//! Servers in a separate process, which can die or stop. The process runs the test binary again.

use super::{Act, Incoming, Kind, Script, wait_forever};
use signal_hook::consts::SIGSTOP;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};

/// The environment variable that tells the process which server to run.
const VARIABLE: &str = "THRONG_TEST_SERVER";

/// What happens to the process.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// It exits at the next message after this many were delivered.
    DiesAfter(u64),
    /// It is stopped, as by SIGSTOP, when this many connections are open. Its sockets stay open.
    StopsAt(usize),
}

/// A running server. It is killed when this is dropped.
pub struct Process {
    child: Child,
    url: String,
}

impl Process {
    /// Starts the process. `test` is the path of the test in this binary that calls [`serve_if_asked`].
    pub fn start(test: &str, kind: Kind, fate: Fate) -> Process {
        let settings = match (kind, fate) {
            (Kind::Echo, Fate::DiesAfter(count)) => format!("echo dies {count}"),
            (Kind::Room, Fate::DiesAfter(count)) => format!("room dies {count}"),
            (Kind::Echo, Fate::StopsAt(count)) => format!("echo stops {count}"),
            (Kind::Room, Fate::StopsAt(count)) => format!("room stops {count}"),
        };
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--ignored", "--nocapture"]).env(VARIABLE, settings);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let url = { lines }
            .find_map(|line| line.split_once("listening on ").map(|(_, url)| url.to_owned()))
            .expect("the server prints its URL");
        Process { child, url }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// Waits until the process has ended by itself.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a server if this process was started as one; otherwise returns.
pub fn serve_if_asked() {
    let Ok(settings) = std::env::var(VARIABLE) else { return };
    let words: Vec<&str> = settings.split(' ').collect();
    let [kind, fate, count] = words[..] else { panic!("no such server: {settings}") };
    let kind = if kind == "echo" { Kind::Echo } else { Kind::Room };
    let count: u64 = count.parse().unwrap();
    let script = Script::new(kind);
    let script = match fate {
        "dies" => script.on_message(move |said: Incoming| match said.of_all < count {
            true => said.deliver(),
            false => vec![Act::Exit],
        }),
        _ => script.on_open(move |number| {
            if number as u64 + 1 == count {
                signal_hook::low_level::raise(SIGSTOP).unwrap();
            }
            vec![Act::Join]
        }),
    };
    println!("listening on {}", script.start().url());
    wait_forever();
}
