//! Answers to plain HTTP requests: the page, the files of a directory, and health checks.

mod bundle;
mod content_type;
mod files;
mod folder;
mod negotiation;
mod page;
mod policy;

use crate::ws::head::{Request, Response};
use folder::Folder;
use page::Page;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::io;
use std::path::Path;

/// The methods that are answered.
const ALLOWED: &str = "GET, HEAD, OPTIONS";

/// What is served to browsers.
#[derive(Debug)]
pub struct Site {
    content: Content,
}

#[derive(Debug)]
enum Content {
    Page(Page),
    Folder(Folder),
}

impl Site {
    /// The page that is part of the program.
    pub fn bundled() -> Site {
        Site { content: Content::Page(Page::bundled()) }
    }

    /// The files of a directory, which a thread reads again when they change. `csp` replaces the default
    /// Content-Security-Policy; an empty one is not sent.
    pub fn in_folder(folder: &Path, csp: Option<&str>) -> io::Result<Site> {
        Ok(Site { content: Content::Folder(Folder::new(folder, csp)?) })
    }

    /// Answers a request that is not for WebSocket.
    pub fn answer(&self, request: &Request<'_>) -> Response {
        match request.method {
            "GET" | "HEAD" => {}
            "OPTIONS" => return Response::new(204).with("Allow", ALLOWED),
            _ => {
                let why = format_args!("Only {ALLOWED} are answered here.");
                return Response::text(405, why).with("Allow", ALLOWED);
            }
        }
        if is_healthz(request) {
            return Response::text(200, "ok").with("Cache-Control", "no-store");
        }
        let found = match &self.content {
            Content::Page(page) => page.answer(request),
            Content::Folder(folder) => folder.answer(request),
        };
        found.unwrap_or_else(|| Response::text(404, "There is nothing at this address."))
    }

    /// Answers a health check; `None` if the request is none. Browsers ask neither for `/healthz` nor in HTTP/1.0 nor for
    /// OPTIONS of their own site, so that these are taken for the checks of load balancers.
    pub fn answer_health_check(&self, request: &Request<'_>) -> Option<Response> {
        let is_check = is_healthz(request) || request.method == "OPTIONS" || request.minor_version == 0;
        is_check.then(|| self.answer(request))
    }
}

/// Whether a request is for `/healthz`.
pub fn is_healthz(request: &Request<'_>) -> bool {
    let mut segments = request.segments().map(decoded);
    segments.next() == Some(Some("healthz".into())) && segments.next().is_none()
}

/// A segment of a path without its percent-encoding; `None` if that is no UTF-8.
pub fn decoded(segment: &str) -> Option<Cow<'_, str>> {
    percent_decode_str(segment).decode_utf8().ok()
}
