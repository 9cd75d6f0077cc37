//! Answers to plain HTTP requests: the page, its assets, and the health check.

mod assets;

use crate::ws::head::{Request, Response};
use assets::Asset;
use percent_encoding::percent_decode_str;
use sha1::{Digest, Sha1};
use std::borrow::Cow;
use std::io;
use std::path::{Component, Path, PathBuf};

/// What the page may do: load its own scripts, styles and images, and connect to where it came from. No inline
/// script runs, so text that passed for markup by mistake would still run nothing.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The files of the page: built into the program, or in a folder.
#[derive(Debug)]
pub struct Site {
    /// Absolute and without links.
    folder: Option<PathBuf>,
}

impl Site {
    /// The files that are built in.
    pub fn embedded() -> Site {
        Site { folder: None }
    }

    /// The files of a folder, read at each request: for work on the page.
    pub fn in_folder(folder: &Path) -> io::Result<Site> {
        let folder = folder.canonicalize()?;
        if !folder.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Site { folder: Some(folder) })
    }

    /// Answers a request that is not for WebSocket.
    pub fn answer(&self, request: &Request<'_>) -> Response {
        if !matches!(request.method, "GET" | "HEAD") {
            return Response::text(405, "Only GET and HEAD are answered here.").with("Allow", "GET, HEAD");
        }
        if request.minor_version == 1 && request.only("host").is_none() {
            return Response::text(400, "The request needs exactly one Host header.");
        }
        let asset = match request.path() {
            "/healthz" => return Response::text(200, "ok").with("Cache-Control", "no-store"),
            "/" => self.find("index.html"),
            path => path.strip_prefix("/static/").and_then(|name| self.find(name)),
        };
        match asset {
            Some(asset) => serve(asset, request),
            None => Response::text(404, "There is nothing at this address."),
        }
    }

    fn find(&self, name: &str) -> Option<Asset> {
        let name = percent_decode_str(name).decode_utf8().ok()?;
        match &self.folder {
            None => assets::embedded(&name),
            Some(folder) => read(folder, &name),
        }
    }
}

/// Reads a file of the folder; none that a path or a link leads to outside it.
fn read(folder: &Path, name: &str) -> Option<Asset> {
    let name = Path::new(name);
    if !name.components().all(|component| matches!(component, Component::Normal(_))) {
        return None;
    }
    let file = folder.join(name).canonicalize().ok()?;
    if !file.starts_with(folder) || !file.is_file() {
        return None;
    }
    let content_type = assets::content_type(file.extension()?.to_str()?)?;
    Some(Asset { content_type, content: Cow::Owned(std::fs::read(file).ok()?) })
}

fn serve(asset: Asset, request: &Request<'_>) -> Response {
    let hash: [u8; 20] = Sha1::digest(&asset.content).into();
    let tag = format!("\"{}\"", hash[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    let is_known =
        request.list("if-none-match").any(|known| known == "*" || known.trim_start_matches("W/") == tag);
    let response = Response {
        status: if is_known { 304 } else { 200 },
        fields: vec![("ETag", tag.into()), ("Cache-Control", "no-cache".into())],
        body: if is_known { Cow::Borrowed(&[]) } else { asset.content },
    };
    response
        .with("Content-Type", asset.content_type)
        .with("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        .with("X-Content-Type-Options", "nosniff")
        .with("Referrer-Policy", "no-referrer")
}
