//! The files of `static/`, built into the program.

use std::borrow::Cow;

/// A file to be served.
pub(super) struct Asset {
    pub(super) content_type: &'static str,
    pub(super) content: Cow<'static, [u8]>,
}

const EMBEDDED: &[(&str, &[u8])] = &[
    ("address.js", include_bytes!("../../static/address.js")),
    ("avatar.js", include_bytes!("../../static/avatar.js")),
    ("backoff.js", include_bytes!("../../static/backoff.js")),
    ("chat.js", include_bytes!("../../static/chat.js")),
    ("composer.js", include_bytes!("../../static/composer.js")),
    ("connection.js", include_bytes!("../../static/connection.js")),
    ("dom.js", include_bytes!("../../static/dom.js")),
    ("failure.js", include_bytes!("../../static/failure.js")),
    ("grouping.js", include_bytes!("../../static/grouping.js")),
    ("i18n.js", include_bytes!("../../static/i18n.js")),
    ("icon.svg", include_bytes!("../../static/icon.svg")),
    ("identity.js", include_bytes!("../../static/identity.js")),
    ("index.html", include_bytes!("../../static/index.html")),
    ("log.js", include_bytes!("../../static/log.js")),
    ("main.js", include_bytes!("../../static/main.js")),
    ("message.js", include_bytes!("../../static/message.js")),
    ("name-form.js", include_bytes!("../../static/name-form.js")),
    ("naming.js", include_bytes!("../../static/naming.js")),
    ("notice.js", include_bytes!("../../static/notice.js")),
    ("outbox.js", include_bytes!("../../static/outbox.js")),
    ("pending.js", include_bytes!("../../static/pending.js")),
    ("people.js", include_bytes!("../../static/people.js")),
    ("room-form.js", include_bytes!("../../static/room-form.js")),
    ("room-name.js", include_bytes!("../../static/room-name.js")),
    ("sender.js", include_bytes!("../../static/sender.js")),
    ("sheet.js", include_bytes!("../../static/sheet.js")),
    ("status.js", include_bytes!("../../static/status.js")),
    ("storage.js", include_bytes!("../../static/storage.js")),
    ("style.css", include_bytes!("../../static/style.css")),
    ("text.js", include_bytes!("../../static/text.js")),
    ("texts.js", include_bytes!("../../static/texts.js")),
    ("timeline.js", include_bytes!("../../static/timeline.js")),
    ("title.js", include_bytes!("../../static/title.js")),
];

pub(super) fn embedded(name: &str) -> Option<Asset> {
    let (name, content) = EMBEDDED.iter().find(|(known, _)| *known == name)?;
    let (_, extension) = name.rsplit_once('.')?;
    Some(Asset { content_type: content_type(extension)?, content: Cow::Borrowed(content) })
}

/// The media type of files with this extension; files of other kinds are not served.
pub(super) fn content_type(extension: &str) -> Option<&'static str> {
    Some(match extension {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_built_in_and_has_a_type() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/static");
        for file in std::fs::read_dir(folder).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            assert!(embedded(&name).is_some(), "{name}");
        }
    }
}
