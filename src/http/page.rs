//! The page that is part of the program: one document with its scripts, styles and icon in it, so that a visit costs one
//! request. It is put together and compressed once, at the start.

use super::bundle::bundle;
use super::{negotiation, policy};
use crate::ws::head::{Body, Request, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use sha2::{Digest, Sha256};
use std::io::{self, Write};

const DOCUMENT: &str = include_str!("../../static/index.html");
const STYLE: &str = include_str!("../../static/style.css");
const ICON: &str = include_str!("../../static/icon.svg");
/// The modules, `main.js` being the one that runs.
const MODULES: &[(&str, &str)] = &[
    ("address.js", include_str!("../../static/address.js")),
    ("avatar.js", include_str!("../../static/avatar.js")),
    ("backoff.js", include_str!("../../static/backoff.js")),
    ("chat.js", include_str!("../../static/chat.js")),
    ("composer.js", include_str!("../../static/composer.js")),
    ("connection.js", include_str!("../../static/connection.js")),
    ("dom.js", include_str!("../../static/dom.js")),
    ("failure.js", include_str!("../../static/failure.js")),
    ("grouping.js", include_str!("../../static/grouping.js")),
    ("i18n.js", include_str!("../../static/i18n.js")),
    ("identity.js", include_str!("../../static/identity.js")),
    ("log.js", include_str!("../../static/log.js")),
    ("main.js", include_str!("../../static/main.js")),
    ("message.js", include_str!("../../static/message.js")),
    ("name-form.js", include_str!("../../static/name-form.js")),
    ("naming.js", include_str!("../../static/naming.js")),
    ("notice.js", include_str!("../../static/notice.js")),
    ("outbox.js", include_str!("../../static/outbox.js")),
    ("pending.js", include_str!("../../static/pending.js")),
    ("people.js", include_str!("../../static/people.js")),
    ("room-form.js", include_str!("../../static/room-form.js")),
    ("room-name.js", include_str!("../../static/room-name.js")),
    ("sender.js", include_str!("../../static/sender.js")),
    ("sheet.js", include_str!("../../static/sheet.js")),
    ("status.js", include_str!("../../static/status.js")),
    ("storage.js", include_str!("../../static/storage.js")),
    ("text.js", include_str!("../../static/text.js")),
    ("texts.js", include_str!("../../static/texts.js")),
    ("timeline.js", include_str!("../../static/timeline.js")),
    ("title.js", include_str!("../../static/title.js")),
];

const STYLE_LINK: &str = r#"<link rel="stylesheet" href="static/style.css">"#;
const SCRIPT_LINK: &str = r#"<script type="module" src="static/main.js"></script>"#;
/// The value of an attribute.
const ICON_LINK: &str = r#""static/icon.svg""#;
/// What a data: address in a quoted attribute cannot hold as it is.
const IN_DATA: &AsciiSet = &CONTROLS.add(b'"').add(b'#').add(b'%').add(b'&').add(b'<').add(b'>');

/// The page, ready to be sent.
#[derive(Debug)]
pub(super) struct Page {
    plain: Representation,
    gzip: Representation,
    /// What it may do, but for connections, which depend on the request.
    policy: String,
}

#[derive(Debug)]
struct Representation {
    content: Bytes,
    /// Strong: another encoding has another one.
    tag: String,
}

impl Page {
    pub(super) fn bundled() -> Page {
        Page::new().expect("a test bundles the same files")
    }

    fn new() -> Result<Page, String> {
        let module = |name: &str| Some(MODULES.iter().find(|(known, _)| *known == name)?.1);
        let script = bundle("main.js", module)?;
        let document = inline(DOCUMENT, STYLE, &script, ICON)?;
        let hash = |text: &str| BASE64.encode(Sha256::digest(text));
        let policy = policy::of_page(&hash(&script), &hash(STYLE));
        let digest = Sha256::digest(&document);
        let name: String = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let gzip = compress(document.as_bytes()).map_err(|error| error.to_string())?;
        Ok(Page {
            plain: Representation { content: document.into(), tag: format!("\"{name}\"") },
            gzip: Representation { content: gzip.into(), tag: format!("\"{name}-gzip\"") },
            policy,
        })
    }

    /// Answers a GET or HEAD request; `None` if there is nothing at its address.
    pub(super) fn answer(&self, request: &Request<'_>) -> Option<Response> {
        let mut segments = request.segments();
        if !matches!((segments.next(), segments.next()), (None, _) | (Some("index.html"), None)) {
            return None;
        }
        let is_compressed = negotiation::prefers_gzip(request);
        let Representation { content, tag } = if is_compressed { &self.gzip } else { &self.plain };
        let mut response = if negotiation::has_tag(request, tag) {
            Response::new(304)
        } else {
            let response = Response { body: Body::Bytes(content.clone()), ..Response::new(200) };
            let response = response.with("Content-Type", "text/html; charset=utf-8");
            if is_compressed { response.with("Content-Encoding", "gzip") } else { response }
        };
        // There is nothing else to load.
        response.is_last = true;
        let policy = policy::with_connections(&self.policy, request.host());
        let response = response
            .with("ETag", tag.clone())
            .with("Cache-Control", "no-cache")
            .with("Vary", "Accept-Encoding")
            .with("Content-Security-Policy", policy)
            .with("X-Content-Type-Options", "nosniff")
            .with("Referrer-Policy", "no-referrer");
        Some(response)
    }
}

/// The document with everything in it that it links to.
fn inline(document: &str, style: &str, script: &str, icon: &str) -> Result<String, String> {
    // The hash of a policy is that of the text as a browser reads it, which is without carriage returns.
    if [style, script].iter().any(|text| text.contains('\r')) {
        return Err("a style or script has carriage returns".to_owned());
    }
    let ends_early = |text: &str, end: &str| text.to_ascii_lowercase().contains(end);
    if ends_early(style, "</style") || ends_early(script, "</script") || script.contains("<!--") {
        return Err("a style or script has text that ends its element".to_owned());
    }
    let document = replace(document, STYLE_LINK, &format!("<style>{style}</style>"))?;
    let document = replace(&document, SCRIPT_LINK, &format!("<script type=\"module\">{script}</script>"))?;
    let icon: Vec<&str> = icon.lines().map(str::trim).collect();
    let icon = utf8_percent_encode(&icon.join(" "), IN_DATA).to_string();
    if !document.contains(ICON_LINK) {
        return Err(format!("the document does not contain {ICON_LINK}"));
    }
    Ok(document.replace(ICON_LINK, &format!("\"data:image/svg+xml,{icon}\"")))
}

fn replace(document: &str, link: &str, by: &str) -> Result<String, String> {
    match document.split_once(link) {
        Some((before, after)) if !after.contains(link) => Ok([before, by, after].concat()),
        _ => Err(format!("the document must contain this once: {link}")),
    }
}

fn compress(content: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_one_document_without_links_to_other_files() {
        let page = Page::new().unwrap();
        let document = std::str::from_utf8(&page.plain.content).unwrap();
        let (head, _) = document.split_once("<body>").unwrap();
        let outside_script = head.split_once("<script").unwrap().0;
        assert!(!outside_script.contains("rel=\"stylesheet\"") && !outside_script.contains("modulepreload"));
        assert!(!document.contains(" src=\"") || document.contains(" src=\"data:"), "{document}");
        for name in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/static")).unwrap() {
            let name = name.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".js") {
                assert!(MODULES.iter().any(|(known, _)| *known == name), "{name} is not among the modules");
                let is_bundled = document.contains(&format!("$modules['{name}'] = "));
                assert!(is_bundled, "{name} is imported nowhere");
            }
        }
    }

    #[test]
    fn a_document_without_its_links_and_text_that_ends_its_element_are_errors() {
        let document = format!("{STYLE_LINK}{SCRIPT_LINK}<link href={ICON_LINK}>");
        let inlined = inline(&document, "s", "j", "<svg>\n  #</svg>").unwrap();
        assert_eq!(
            inlined,
            "<style>s</style><script type=\"module\">j</script>\
             <link href=\"data:image/svg+xml,%3Csvg%3E %23%3C/svg%3E\">"
        );
        for link in [STYLE_LINK, SCRIPT_LINK, ICON_LINK] {
            assert!(inline(&document.replace(link, ""), "", "", "").is_err(), "{link}");
        }
        assert!(inline(&document.repeat(2), "", "", "").is_err());
        assert!(inline(&document, "</STYLE>", "", "").is_err());
        assert!(inline(&document, "", "'</script>'", "").is_err());
        assert!(inline(&document, "", "'<!--'", "").is_err());
        assert!(inline(&document, "", "a\r\n", "").is_err());
    }
}
