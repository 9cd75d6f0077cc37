//! The operator's own page: the files of a directory.
//!
//! Requests are answered from memory. A thread looks for changes in the directory, so that the event loop never waits
//! for a disk.

use super::files::{Files, Limits, Reader, Stored};
use super::{decoded, negotiation, policy};
use crate::ws::head::{Body, Request, Response};
use percent_encoding::{CONTROLS, utf8_percent_encode};
use std::cell::RefCell;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

const LIMITS: Limits = Limits { file: 16 << 20, total: 64 << 20, entries: 10_000 };
/// Shortest time between two looks for changes.
const INTERVAL: Duration = Duration::from_secs(1);
/// A look for changes that takes long is followed by this many times its duration without one.
const REST: u32 = 50;
/// A prefix under which the files are served as well.
const ALIAS: &str = "static/";

/// A directory whose files are served.
#[derive(Debug)]
pub(super) struct Folder {
    files: RefCell<Files>,
    changes: Receiver<Files>,
    /// Replaces the default Content-Security-Policy; none is sent if it is empty.
    csp: Option<String>,
    /// The thread ends when this is dropped.
    _end: Sender<()>,
}

impl Folder {
    /// Reads the directory, and starts to look for changes.
    pub(super) fn new(root: &Path, csp: Option<&str>) -> io::Result<Folder> {
        let mut reader = Reader::new(root, LIMITS);
        let files = reader.read()?;
        let ((end, ended), (sender, changes)) = (mpsc::channel(), mpsc::channel());
        let current = files.clone();
        thread::Builder::new()
            .name("files".to_owned())
            .spawn(move || watch(reader, current, &sender, &ended))?;
        Ok(Folder { files: files.into(), changes, csp: csp.map(str::to_owned), _end: end })
    }

    /// Answers a GET or HEAD request; `None` if there is nothing at its address.
    pub(super) fn answer(&self, request: &Request<'_>) -> Option<Response> {
        if let Some(files) = self.changes.try_iter().last() {
            self.files.replace(files);
        }
        let files = self.files.borrow();
        let segments: Option<Vec<_>> = request.segments().map(decoded).collect();
        let name = segments?.join("/");
        [Some(&*name), name.strip_prefix(ALIAS)].into_iter().flatten().find_map(|name| {
            if let Some(file) = files.get(name) {
                return Some(self.serve(file, request));
            }
            let index = if name.is_empty() { "index.html" } else { &format!("{name}/index.html") };
            let index = files.get(index)?;
            Some(if request.path().ends_with('/') { self.serve(index, request) } else { to_folder(request) })
        })
    }

    fn serve(&self, file: &Stored, request: &Request<'_>) -> Response {
        let response = if negotiation::has_tag(request, &file.tag) {
            Response::new(304)
        } else {
            Response { body: Body::Bytes(file.content.clone()), ..Response::new(200) }
        };
        let response = response
            .with("ETag", file.tag.clone())
            .with("Content-Type", file.content_type)
            .with("Cache-Control", "no-cache")
            .with("X-Content-Type-Options", "nosniff")
            .with("Referrer-Policy", "no-referrer");
        match self.csp.as_deref() {
            Some("") => response,
            Some(csp) => response.with("Content-Security-Policy", csp.to_owned()),
            None => response.with("Content-Security-Policy", policy::of_folder(request.host())),
        }
    }
}

/// Sends the files whenever one of them has changed. What was read last remains while the directory cannot be read.
fn watch(mut reader: Reader, mut current: Files, changes: &Sender<Files>, ended: &Receiver<()>) {
    let mut interval = INTERVAL;
    let mut logged = None;
    while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(interval) {
        let start = Instant::now();
        match reader.read() {
            Ok(files) if is_same(&files, &current) => logged = None,
            Ok(files) => {
                logged = None;
                current.clone_from(&files);
                if changes.send(files).is_err() {
                    return;
                }
            }
            Err(error) => {
                let why = error.to_string();
                if logged.as_ref() != Some(&why) {
                    log::warn!("cannot read the files of --static-dir, and serves those from before: {why}");
                    logged = Some(why);
                }
            }
        }
        interval = INTERVAL.max(start.elapsed() * REST);
    }
}

fn is_same(one: &Files, other: &Files) -> bool {
    let has =
        |(name, file): (&String, &Arc<Stored>)| other.get(name).is_some_and(|same| Arc::ptr_eq(same, file));
    one.len() == other.len() && one.iter().all(has)
}

/// Redirects a browser to the address of a directory with a slash at its end, on which relative addresses depend.
fn to_folder(request: &Request<'_>) -> Response {
    let name = request.segments().last().unwrap_or_default();
    let question_mark = if request.query().is_empty() { "" } else { "?" };
    // The dot keeps a name with a colon from being read as a scheme.
    let address = format!("./{name}/{question_mark}{}", request.query());
    let address = utf8_percent_encode(&address, CONTROLS).to_string();
    Response::text(308, format_args!("This directory is at {address}."))
        .with("Location", address)
        .with("Cache-Control", "no-cache")
}
