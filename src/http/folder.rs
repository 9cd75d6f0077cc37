//! The files of a folder: the operator's own page.

use super::{content_type, decoded, negotiation, policy};
use crate::ws::head::{Body, Request, Response};
use percent_encoding::{CONTROLS, utf8_percent_encode};
use std::cell::Cell;
use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant, UNIX_EPOCH};

/// Larger files are not served: one is read whole, while all else waits.
const MAX_FILE: u64 = 16 << 20;
/// Files that cannot be served are logged again after this, at the earliest.
const LOG_INTERVAL: Duration = Duration::from_secs(1);
/// What paths may begin with as well.
const ALIAS: &str = "static/";

/// A folder whose files are served.
#[derive(Debug)]
pub(super) struct Folder {
    /// Absolute and without links.
    root: PathBuf,
    /// In place of the default Content-Security-Policy; none is sent if it is empty.
    csp: Option<String>,
    logged_at: Cell<Option<Instant>>,
}

impl Folder {
    pub(super) fn new(root: &Path, csp: Option<&str>) -> io::Result<Folder> {
        let root = root.canonicalize()?;
        if !root.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Folder { root, csp: csp.map(str::to_owned), logged_at: Cell::new(None) })
    }

    /// Answers a GET or HEAD request; `None` if there is nothing at its address.
    pub(super) fn answer(&self, request: &Request<'_>) -> Option<Response> {
        let segments: Option<Vec<_>> = request.segments().map(decoded).collect();
        let name = segments?.join("/");
        let found = self.find(&name).or_else(|| self.find(name.strip_prefix(ALIAS)?))?;
        if !found.is_dir() {
            return self.serve(&found, request);
        }
        let index = self.find(found.join("index.html").strip_prefix(&self.root).ok()?.to_str()?)?;
        if request.path().ends_with('/') { self.serve(&index, request) } else { Some(to_folder(request)) }
    }

    /// The file or folder of this name. None is hidden, and none is outside the root, whatever the path and its links.
    fn find(&self, name: &str) -> Option<PathBuf> {
        let is_shown = |path: &Path| {
            path.components().all(|component| match component {
                Component::Normal(name) => !name.as_encoded_bytes().starts_with(b"."),
                _ => false,
            })
        };
        let name = Path::new(name);
        if !is_shown(name) {
            return None;
        }
        let path = self.root.join(name).canonicalize().ok()?;
        is_shown(path.strip_prefix(&self.root).ok()?).then_some(path)
    }

    fn serve(&self, path: &Path, request: &Request<'_>) -> Option<Response> {
        // Neither a pipe nor a device, which could be waited for.
        if !path.is_file() {
            return None;
        }
        match self.read(path, request) {
            Ok(response) => Some(self.with_fields(response, path, request)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                self.log(format_args!("cannot serve {}: {error}", path.display()));
                Some(Response::text(500, "The server cannot read this file."))
            }
        }
    }

    /// Reads a file, unless the client has it or asks for its length only.
    fn read(&self, path: &Path, request: &Request<'_>) -> io::Result<Response> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.len() > MAX_FILE {
            return Err(too_large());
        }
        let tag = tag(&metadata)?;
        let response = if negotiation::has_tag(request, &tag) {
            Response::new(304)
        } else if request.method == "HEAD" {
            Response { body: Body::Length(metadata.len()), ..Response::new(200) }
        } else {
            let mut content = Vec::with_capacity(metadata.len() as usize);
            // It may grow meanwhile.
            file.take(MAX_FILE + 1).read_to_end(&mut content)?;
            if content.len() as u64 > MAX_FILE {
                return Err(too_large());
            }
            Response { body: Body::Bytes(content.into()), ..Response::new(200) }
        };
        Ok(response.with("ETag", tag))
    }

    fn with_fields(&self, response: Response, path: &Path, request: &Request<'_>) -> Response {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let response = response
            .with("Content-Type", content_type::of_extension(extension))
            .with("Cache-Control", "no-cache")
            .with("X-Content-Type-Options", "nosniff")
            .with("Referrer-Policy", "no-referrer");
        match self.csp.as_deref() {
            Some("") => response,
            Some(csp) => response.with("Content-Security-Policy", csp.to_owned()),
            None => response.with("Content-Security-Policy", policy::of_folder(request.host())),
        }
    }

    fn log(&self, event: fmt::Arguments<'_>) {
        let now = Instant::now();
        if self.logged_at.get().is_none_or(|at| now.duration_since(at) >= LOG_INTERVAL) {
            self.logged_at.set(Some(now));
            log::warn!("{event}");
        }
    }
}

/// Sends a browser to the address of a folder with a slash at its end, on which relative addresses in it rest.
fn to_folder(request: &Request<'_>) -> Response {
    let name = request.segments().last().unwrap_or_default();
    let question_mark = if request.query().is_empty() { "" } else { "?" };
    // The dot keeps a name with a colon from being read as a scheme.
    let address = format!("./{name}/{question_mark}{}", request.query());
    let address = utf8_percent_encode(&address, CONTROLS).to_string();
    Response::text(308, format_args!("This folder is at {address}."))
        .with("Location", address)
        .with("Cache-Control", "no-cache")
}

/// Changes whenever the file does.
fn tag(metadata: &Metadata) -> io::Result<String> {
    let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(format!("\"{:x}-{:x}\"", modified.as_nanos(), metadata.len()))
}

fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {} MiB", MAX_FILE >> 20))
}
