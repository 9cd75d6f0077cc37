//! The files of a directory, and nothing else.

use super::files::Files;
use crate::support::{PATIENCE, Server, get, request, throng};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Waits until the server has read a file again.
fn wait_for_text(server: &Server, target: &str, text: &str) {
    let deadline = Instant::now() + PATIENCE;
    while server.get(target).text() != text {
        assert!(Instant::now() < deadline, "{target} is not {text}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn each_kind_of_file_has_its_type_whatever_the_case_of_its_extension() {
    let types = [
        ("html", "text/html; charset=utf-8"),
        ("htm", "text/html; charset=utf-8"),
        ("css", "text/css; charset=utf-8"),
        ("js", "text/javascript; charset=utf-8"),
        ("mjs", "text/javascript; charset=utf-8"),
        ("json", "application/json"),
        ("map", "application/json"),
        ("webmanifest", "application/manifest+json"),
        ("wasm", "application/wasm"),
        ("txt", "text/plain; charset=utf-8"),
        ("md", "text/markdown; charset=utf-8"),
        ("xml", "application/xml"),
        ("pdf", "application/pdf"),
        ("svg", "image/svg+xml"),
        ("png", "image/png"),
        ("jpg", "image/jpeg"),
        ("jpeg", "image/jpeg"),
        ("gif", "image/gif"),
        ("webp", "image/webp"),
        ("avif", "image/avif"),
        ("ico", "image/x-icon"),
        ("mp3", "audio/mpeg"),
        ("ogg", "audio/ogg"),
        ("wav", "audio/wav"),
        ("mp4", "video/mp4"),
        ("webm", "video/webm"),
        ("woff", "font/woff"),
        ("woff2", "font/woff2"),
        ("ttf", "font/ttf"),
        ("otf", "font/otf"),
        ("unknown", "application/octet-stream"),
        ("exe", "application/octet-stream"),
    ];
    let files = Files::new("types");
    for (extension, _) in types {
        files.write(&format!("lower.{extension}"), extension);
        files.write(&format!("UPPER.{}", extension.to_uppercase()), extension);
    }
    files.write("no_extension", "?");
    let server = files.serve(&[]);
    for (extension, expected) in types {
        for name in [format!("/lower.{extension}"), format!("/static/UPPER.{}", extension.to_uppercase())] {
            let reply = server.get(&name);
            assert_eq!((reply.status, reply.text().as_str()), (200, extension), "{name}");
            assert_eq!(reply.field("content-type"), Some(expected), "{name}");
            assert_eq!(reply.field("x-content-type-options"), Some("nosniff"), "{name}");
        }
    }
    assert_eq!(server.get("/no_extension").field("content-type"), Some("application/octet-stream"));
}

#[test]
fn a_folder_is_its_index_at_an_address_that_ends_in_a_slash() {
    let files = Files::new("folders");
    files.write("index.html", "root");
    files.write("über uns/index.html", "about");
    files.write("a:b/index.html", "colon");
    files.write("empty/file.txt", "file");
    let server = files.serve(&[]);
    let table = [
        ("/", "root"),
        ("//", "root"),
        ("/index.html", "root"),
        ("/static/index.html", "root"),
        ("/%C3%BCber%20uns/", "about"),
        ("/%C3%BCber%20uns//?x", "about"),
        ("/static/%C3%BCber%20uns/index.html", "about"),
        ("/empty/file.txt", "file"),
        ("/empty//file.txt", "file"),
    ];
    for (target, text) in table {
        assert_eq!(server.get(target).text(), text, "{target}");
    }
    // Relative addresses in the document would not work without the slash.
    for (target, location) in [
        ("/%C3%BCber%20uns?a=b", "./%C3%BCber%20uns/?a=b"),
        ("/static/%C3%BCber%20uns", "./%C3%BCber%20uns/"),
        ("/a:b", "./a:b/"),
    ] {
        let reply = server.get(target);
        assert_eq!((reply.status, reply.field("location")), (308, Some(location)), "{target}");
    }
    for target in ["/empty", "/empty/", "/nothing/"] {
        server.get(target).assert_refusal(404);
    }
}

#[test]
fn the_servers_own_addresses_come_before_files() {
    let files = Files::new("own_addresses");
    for name in ["healthz", "echo", "chat/index.html"] {
        files.write(name, "a file");
    }
    let server = files.serve(&[]);
    assert_eq!(server.get("/healthz").text().trim_end(), "ok");
    for target in ["/echo", "/chat", "/chat/"] {
        server.get(target).assert_refusal(426);
    }
    assert_eq!(server.get("/").text(), "the page");
    server.assert_well();
}

#[test]
fn a_file_has_a_tag_that_changes_with_it() {
    let files = Files::new("tags");
    files.write("file.txt", "one");
    let server = files.serve(&[]);
    let mut raw = server.send(get("/file.txt"));
    let first = raw.reply();
    let tag = first.field("etag").unwrap().to_owned();
    assert!(tag.starts_with('"') && tag.len() > 2, "{tag}");
    raw.send(request("GET", "/file.txt", &format!("If-None-Match: {tag}\r\n")) + &get("/healthz"));
    assert_eq!(raw.reply().status, 304);
    assert_eq!(raw.reply().status, 200);
    files.write("file.txt", "two");
    wait_for_text(&server, "/file.txt", "two");
    let second = server.send(request("GET", "/file.txt", &format!("If-None-Match: {tag}\r\n"))).reply();
    assert_eq!((second.status, second.text().as_str()), (200, "two"));
    assert_ne!(second.field("etag"), Some(&*tag));
}

#[test]
fn the_start_fails_if_the_files_are_too_large_or_too_many_to_keep() {
    let refusal = |files: &Files| {
        files.write("index.html", "the page");
        let mut command = throng();
        command.args(["serve", "--listen", "127.0.0.1:0", "--static-dir", files.folder.to_str().unwrap()]);
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let sparse = |files: &Files, name: &str, length: u64| {
        fs::File::create(files.folder.join(name)).unwrap().set_len(length).unwrap();
    };
    let files = Files::new("large");
    sparse(&files, "huge.bin", 1 << 40);
    let told = refusal(&files);
    assert!(told.contains("huge.bin is larger than 16 MiB"), "{told}");
    sparse(&files, "huge.bin", 0);
    for number in 0..5 {
        sparse(&files, &format!("{number}.bin"), 16 << 20);
    }
    let told = refusal(&files);
    assert!(told.contains("more than 64 MiB in all"), "{told}");
    let files = Files::new("many");
    for number in 0..10_000 {
        sparse(&files, &number.to_string(), 0);
    }
    let told = refusal(&files);
    assert!(told.contains("more than 10000 files"), "{told}");
}

#[test]
fn the_largest_file_allowed_is_served_and_no_request_reads_it_again() {
    let files = Files::new("head");
    files.write("large.bin", vec![b'x'; 16 << 20]);
    let server = files.serve(&["--keep-alive-requests", "0"]);
    assert_eq!(server.get("/large.bin").body.len(), 16 << 20);
    let before = server.peak_kib();
    let mut raw = server.send(request("HEAD", "/large.bin", "").repeat(500));
    for _ in 0..500 {
        let head = raw.reply_head();
        assert_eq!((head.status, head.field("content-length")), (200, Some("16777216")));
    }
    let peak = server.peak_kib();
    assert!(peak < before + (8 << 10), "{before} KiB before, {peak} KiB at most");
}

#[test]
fn files_that_are_gone_for_a_while_are_served_as_they_were() {
    let files = Files::new("gone");
    files.write("file.txt", "one");
    let server = files.serve(&[]);
    let elsewhere = files.folder.with_extension("elsewhere");
    let _ = fs::remove_dir_all(&elsewhere);
    fs::rename(&files.folder, &elsewhere).unwrap();
    let line = server.wait_for_log("cannot read the files of --static-dir");
    assert!(line.contains("WARN"), "{line}");
    assert_eq!(server.get("/file.txt").text(), "one");
    // As a deployment does it: another directory under the same path.
    files.write("file.txt", "two");
    files.write("index.html", "another page");
    wait_for_text(&server, "/file.txt", "two");
    assert_eq!(server.get("/").text(), "another page");
    fs::remove_dir_all(elsewhere).unwrap();
    server.assert_well();
}

#[test]
fn ones_own_page_may_use_inline_scripts_and_the_servers_files_unless_csp_says_otherwise() {
    let files = Files::new("policy");
    files.write("index.html", "<script>1</script>");
    let policy = |flags: &[&str]| {
        let reply = files.serve(flags).get("/");
        reply.field("content-security-policy").map(str::to_owned)
    };
    let default = policy(&[]).unwrap();
    let directives: Vec<&str> = default.split(';').map(str::trim).collect();
    for expected in [
        "default-src 'self' data: blob: 'unsafe-inline'",
        "script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'",
        "connect-src 'self' ws://throng.test wss://throng.test",
    ] {
        assert!(directives.contains(&expected), "{expected} is not in {default}");
    }
    let own = "default-src 'self' https://cdn.example.com";
    assert_eq!(policy(&["--csp", own]).as_deref(), Some(own));
    assert_eq!(policy(&["--csp", ""]), None);
}

#[test]
fn a_policy_that_is_no_header_value_ends_the_start() {
    let files = Files::new("bad_policy");
    let folder = files.folder.to_str().unwrap();
    for (arguments, part) in [
        (vec!["--static-dir", folder, "--csp", "default-src 'self'\r\nSet-Cookie: a=b"], "header"),
        (vec!["--static-dir", folder, "--csp", "a\nb"], "header"),
        (vec!["--static-dir", folder, "--csp", "caf\u{e9}"], "header"),
        (vec!["--csp", "default-src 'self'"], "--static-dir"),
    ] {
        let mut command = throng();
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(&arguments).stdin(Stdio::null());
        let output = command.output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && message.contains(part), "{arguments:?}: {message}");
    }
}

#[test]
fn no_file_outside_the_folder_and_no_hidden_one_is_served_whatever_the_path() {
    let outside = Files::new("outside");
    outside.write("secret.txt", "secret");
    outside.write("site/index.html", "the page");
    outside.write("site/deep/file.txt", "a file");
    outside.write("site/.hidden.txt", "secret");
    outside.write("site/.git/config.txt", "secret");
    outside.write("site/deep/.env", "secret");
    let inside = outside.folder.join("site");
    let link = std::os::unix::fs::symlink::<PathBuf, PathBuf>;
    link(outside.folder.join("secret.txt"), inside.join("link.txt")).unwrap();
    link(outside.folder.clone(), inside.join("folder")).unwrap();
    link(inside.join("deep/file.txt"), inside.join("within.txt")).unwrap();
    link(inside.join(".hidden.txt"), inside.join("shown.txt")).unwrap();
    link(PathBuf::from("/dev/zero"), inside.join("zero.txt")).unwrap();
    assert!(Command::new("mkfifo").arg(inside.join("pipe.txt")).status().unwrap().success());
    let server = Server::start(&["--static-dir", inside.to_str().unwrap()]);
    assert_eq!(server.get("/").text(), "the page");
    for target in ["/deep/file.txt", "/within.txt", "/deep%2Ffile%2Etxt"] {
        assert_eq!(server.get(target).text(), "a file", "{target}");
        assert_eq!(server.get(&format!("/static{target}")).text(), "a file", "{target}");
    }
    let absolute = outside.folder.join("secret.txt").to_str().unwrap().to_owned();
    let mut attempts = vec![
        "/../secret.txt".to_owned(),
        "/%2e%2e/secret.txt".to_owned(),
        "/%2E%2E%2Fsecret.txt".to_owned(),
        "/..%2Fsecret.txt".to_owned(),
        "/deep/../../secret.txt".to_owned(),
        "/deep/../index.html".to_owned(),
        "/./index.html".to_owned(),
        "/..%5Csecret.txt".to_owned(),
        "/%252e%252e/secret.txt".to_owned(),
        "/link.txt".to_owned(),
        "/folder/secret.txt".to_owned(),
        "/secret.txt%00.html".to_owned(),
        "/index.html%00".to_owned(),
        "/%00".to_owned(),
        "/deep".to_owned(),
        "/%ff".to_owned(),
        "/.hidden.txt".to_owned(),
        "/%2Ehidden.txt".to_owned(),
        "/.git/config.txt".to_owned(),
        "/deep/.env".to_owned(),
        "/deep%2F.env".to_owned(),
        "/shown.txt".to_owned(),
        "/zero.txt".to_owned(),
        "/pipe.txt".to_owned(),
        "/.".to_owned(),
        "/..".to_owned(),
        absolute.clone(),
        format!("/{absolute}"),
        absolute.replace('/', "%2F"),
        format!("/{}", absolute.replace('/', "%2F")),
        format!("/./../site/..{absolute}"),
    ];
    attempts.extend(attempts.clone().into_iter().map(|target| format!("/static{target}")));
    for target in attempts {
        let reply = server.get(&target);
        if target.starts_with('/') {
            assert_eq!(reply.status, 404, "{target}");
        }
        assert!(!reply.text().contains("secret"), "{target}");
    }
    server.assert_well();
}
