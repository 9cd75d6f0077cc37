//! Which web pages may connect: the server's own, and those of the origins that `--allow-origin` names.
//!
//! A browser sends the origin of the page with each opening handshake (RFC 6455 §10.2). The server's own origin is that
//! of the `Host` header. Its scheme is known only if a proxy says that it was asked over HTTPS: then a page that came
//! over plain HTTP, which anybody on the way could have changed, is not the server's own. A page that came over HTTPS
//! always may be, since a proxy that speaks HTTPS need not say so.

use super::host::is_subdomain;
use crate::ws::head::Request;
use std::str::FromStr;
use url::{Host, Url};

/// An origin that `--allow-origin` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedOrigin {
    /// `*`: all of them.
    Any,
    /// In lower case, without the port of its scheme and without a slash at its end.
    Exactly(String),
    /// `https://*.example.com:8443`, with scheme, `.example.com` and `:8443` or nothing.
    Subdomains {
        /// With its `://`.
        scheme: String,
        /// With the point that it begins with.
        domain: String,
        /// With its colon, unless it is that of the scheme.
        port: String,
    },
}

impl AllowedOrigin {
    fn allows(&self, origin: &str) -> bool {
        match self {
            AllowedOrigin::Any => true,
            AllowedOrigin::Exactly(allowed) => allowed == origin,
            AllowedOrigin::Subdomains { scheme, domain, port } => origin
                .strip_prefix(&**scheme)
                .and_then(|host| host.strip_suffix(&**port))
                .is_some_and(|host| is_subdomain(host, domain)),
        }
    }
}

/// An origin that may not connect, as it was sent; `None` if there was more than one, or it is not ASCII.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused<'r>(pub Option<&'r str>);

/// Checks the origin of the page that makes a request. A request without one is not made by a page.
pub(super) fn check<'r>(request: &Request<'r>, allowed: &[AllowedOrigin]) -> Result<(), Refused<'r>> {
    if !request.has("origin") {
        return Ok(());
    }
    let sent = request.only("origin").ok_or(Refused(None))?;
    let origin = normal(sent);
    let is_own = request.host().is_some_and(|host| is_same_origin(&origin, host, is_secure(request)));
    if is_own || allowed.iter().any(|allowed| allowed.allows(&origin)) {
        Ok(())
    } else {
        Err(Refused(Some(sent)))
    }
}

/// Whether an origin is that of the host asked. The scheme determines which port can be left out.
fn is_same_origin(origin: &str, host: &str, is_secure: bool) -> bool {
    let (scheme, authority) = match origin.split_once("://") {
        Some(("http", _)) if is_secure => return false,
        Some((scheme @ ("http" | "https"), authority)) => (scheme, authority),
        _ => return false,
    };
    let host = host.to_ascii_lowercase();
    authority == without_default_port(scheme, &host)
}

/// Whether a proxy says that the client has asked over TLS. A page cannot set these fields.
fn is_secure(request: &Request<'_>) -> bool {
    let is_tls = |scheme: &str| scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("wss");
    if let Some(scheme) = request.list("x-forwarded-proto").next() {
        return is_tls(scheme);
    }
    // RFC 7239, as in: Forwarded: for=192.0.2.60;proto=https
    let mut parameters = request.list("forwarded").next().unwrap_or_default().split(';');
    parameters.any(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case("proto") && is_tls(value.trim_ascii().trim_matches('"'))
    })
}

/// An origin in lower case, without the port of its scheme and without a slash at its end.
fn normal(origin: &str) -> String {
    let origin = origin.to_ascii_lowercase();
    match origin.split_once("://") {
        Some((scheme, authority)) => {
            let authority = authority.strip_suffix('/').unwrap_or(authority);
            format!("{scheme}://{}", without_default_port(scheme, authority))
        }
        None => origin,
    }
}

fn without_default_port<'a>(scheme: &str, authority: &'a str) -> &'a str {
    let port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return authority,
    };
    authority.strip_suffix(port).unwrap_or(authority)
}

impl FromStr for AllowedOrigin {
    type Err = String;

    fn from_str(text: &str) -> Result<AllowedOrigin, String> {
        match text {
            "*" => return Ok(AllowedOrigin::Any),
            _ if text.eq_ignore_ascii_case("null") => return Ok(AllowedOrigin::Exactly("null".to_owned())),
            _ => {}
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            let scheme = text.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
            return Err(match scheme.as_deref() {
                Some("about" | "blob" | "data" | "javascript") => {
                    "browsers send null as the origin of such pages: write null".to_owned()
                }
                _ => format!("an origin has a scheme: write https://{text}"),
            });
        };
        let scheme = scheme.to_ascii_lowercase();
        check_scheme(&scheme, rest)?;
        if scheme == "file" {
            return match rest {
                "" | "/" => Ok(AllowedOrigin::Exactly("file://".to_owned())),
                _ => Err("browsers send file:// for all files: write file://".to_owned()),
            };
        }
        let authority = without_path(rest)?;
        match &*scheme {
            "http" | "https" => of_website(&scheme, authority),
            _ if authority.contains('*') => {
                Err("* is possible only with http and https, as in https://*.example.com".to_owned())
            }
            _ if !authority.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Err("the name of an app has only letters, digits and signs of ASCII".to_owned())
            }
            _ => Ok(AllowedOrigin::Exactly(normal(&format!("{scheme}://{authority}")))),
        }
    }
}

fn check_scheme(scheme: &str, rest: &str) -> Result<(), String> {
    let is_of_scheme = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    match scheme {
        "http" | "https" => Ok(()),
        "ws" => Err(format!("no page has such an origin: write http://{rest}")),
        "wss" => Err(format!("no page has such an origin: write https://{rest}")),
        "*" => Err(format!("name the scheme: write https://{rest}")),
        _ if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.bytes().all(is_of_scheme) => {
            Err("write scheme://host or scheme://host:port, as in https://chat.example.com".to_owned())
        }
        _ if ["http", "https"].iter().any(|known| strsim::damerau_levenshtein(scheme, known) == 1) => {
            Err(format!("{scheme} is no scheme of a website: did you mean https://{rest}?"))
        }
        _ => Ok(()),
    }
}

/// What stands before a slash at the end.
fn without_path(rest: &str) -> Result<&str, String> {
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    for (part, why) in [
        ('/', "an origin has no path: leave out what follows the host"),
        ('\\', "an origin has no path: leave out what follows the host"),
        ('?', "an origin has no query: leave out what follows the host"),
        ('#', "an origin has no fragment: leave out what follows the host"),
        ('@', "an origin has no user name: leave out what stands before the @"),
    ] {
        if authority.contains(part) {
            return Err(why.to_owned());
        }
    }
    Ok(authority)
}

/// An origin of `http` or `https`, written as browsers write it.
fn of_website(scheme: &str, authority: &str) -> Result<AllowedOrigin, String> {
    let wildcard = authority.strip_prefix("*.");
    let plain = wildcard.unwrap_or(authority);
    if authority == "*" {
        return Err("write * alone to allow all origins".to_owned());
    }
    if plain.contains('*') {
        return Err("* stands only for whole labels at the beginning, as in https://*.example.com".to_owned());
    }
    let url = Url::parse(&format!("{scheme}://{plain}")).map_err(|error| match error {
        url::ParseError::InvalidPort => "a port is a number from 1 to 65535".to_owned(),
        url::ParseError::EmptyHost => "an origin has a host, as in https://chat.example.com".to_owned(),
        other => format!("this is no host: {other}"),
    })?;
    if url.port() == Some(0) {
        return Err("a port is a number from 1 to 65535".to_owned());
    }
    let host = url.host().ok_or("an origin has a host, as in https://chat.example.com")?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    match (wildcard, host) {
        (None, host) => Ok(AllowedOrigin::Exactly(format!("{scheme}://{host}{port}"))),
        (Some(_), Host::Domain(domain)) => {
            let (scheme, domain) = (format!("{scheme}://"), format!(".{domain}"));
            Ok(AllowedOrigin::Subdomains { scheme, domain, port })
        }
        (Some(_), Host::Ipv4(_) | Host::Ipv6(_)) => Err("an IP address has no subdomains".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ws::head::Limits;

    fn is_own(origin: &str, host: &str, fields: &str) -> bool {
        let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\n{fields}\r\n");
        let limits = Limits { request_line: 0, head: 0, fields: 0 };
        Request::parse(head.as_bytes(), &limits, |request| check(request, &[]).is_ok()).unwrap_or(false)
    }

    #[test]
    fn an_origin_is_the_servers_own_whatever_the_case_and_the_schemes_port() {
        for (origin, host, expected) in [
            ("http://chat.example", "chat.example", true),
            ("HTTP://Chat.Example", "chat.EXAMPLE:80", true),
            ("https://chat.example", "chat.example:443", true),
            ("https://chat.example:443", "chat.example", true),
            ("http://127.0.0.1:8080", "127.0.0.1:8080", true),
            ("http://[::1]:8080", "[::1]:8080", true),
            ("http://chat.example/", "chat.example", true),
            ("http://chat.example:8080", "chat.example", false),
            ("https://chat.example", "chat.example:80", false),
            ("http://evil.example", "chat.example", false),
            ("ftp://chat.example", "chat.example", false),
            ("chat.example", "chat.example", false),
            ("null", "null", false),
            ("null", "chat.example", false),
            ("", "", false),
        ] {
            assert_eq!(is_own(origin, host, ""), expected, "{origin} {host}");
        }
        assert!(!is_own("http://chat.example\r\nOrigin: http://chat.example", "chat.example", ""));
    }

    #[test]
    fn behind_a_proxy_that_speaks_tls_a_page_of_plain_http_is_not_the_servers_own() {
        for secure in [
            "X-Forwarded-Proto: https\r\n",
            "x-forwarded-proto: HTTPS, http\r\n",
            "Forwarded: for=192.0.2.60;proto=https\r\n",
            "Forwarded: Proto=\"https\" ; by=203.0.113.43, proto=http\r\n",
        ] {
            assert!(is_own("https://chat.example", "chat.example", secure), "{secure}");
            assert!(!is_own("http://chat.example", "chat.example", secure), "{secure}");
        }
        for unknown in ["", "X-Forwarded-Proto: http\r\n", "Forwarded: for=192.0.2.60\r\n"] {
            for origin in ["http://chat.example", "https://chat.example"] {
                assert!(is_own(origin, "chat.example", unknown), "{origin} {unknown}");
            }
        }
    }

    #[test]
    fn an_allowed_origin_is_compared_as_browsers_write_origins() {
        for (allowed, origin, expected) in [
            ("*", "anything", true),
            ("https://Chat.Example", "https://chat.example", true),
            ("https://chat.example:443", "https://chat.example", true),
            ("http://chat.example:80/", "http://chat.example", true),
            ("http://chat.example:443", "http://chat.example:443", true),
            ("https://chat.example:8443", "https://chat.example", false),
            ("https://bücher.example", "https://xn--bcher-kva.example", true),
            ("https://BÜCHER.example", "https://xn--bcher-kva.example", true),
            ("http://[0:0::1]:8080", "http://[::1]:8080", true),
            ("http://0x7f.1", "http://127.0.0.1", true),
            ("https://*.example.com", "https://a.example.com", true),
            ("https://*.example.com", "https://a.b.example.com", true),
            ("https://*.example.com", "https://example.com", false),
            ("https://*.example.com", "https://evilexample.com", false),
            ("https://*.example.com", "https://evil.test/.example.com", false),
            ("https://*.example.com", "http://a.example.com", false),
            ("https://*.example.com", "https://a.example.com:8443", false),
            ("https://*.Example.com:443", "https://a.example.com", true),
            ("https://*.example.com:8443", "https://a.example.com:8443", true),
            ("https://*.bücher.example", "https://a.xn--bcher-kva.example", true),
            ("NULL", "null", true),
            ("null", "https://null", false),
            ("file://", "file://", true),
            ("file:///", "file://", true),
            ("capacitor://localhost", "capacitor://localhost", true),
            ("ionic://localhost/", "ionic://localhost", true),
            ("app://", "app://", true),
            ("app://obsidian.md", "app://obsidian.md", true),
            ("chrome-extension://AbCd", "chrome-extension://abcd", true),
            ("chrome-extension://abcd", "chrome-extension://abce", false),
            ("moz-extension://1b-2c", "moz-extension://1b-2c", true),
        ] {
            let rule: AllowedOrigin = allowed.parse().unwrap_or_else(|fault| panic!("{allowed}: {fault}"));
            assert_eq!(rule.allows(&normal(origin)), expected, "{allowed} {origin}");
        }
    }

    #[test]
    fn what_no_page_can_have_as_its_origin_is_refused_with_the_reason() {
        for (text, why) in [
            ("", "has a scheme"),
            ("chat.example", "write https://chat.example"),
            ("chat.example:8080", "write https://chat.example:8080"),
            ("*.example.com", "write https://*.example.com"),
            ("https://", "has a host"),
            ("https:///", "has a host"),
            ("https://:8443", "has a host"),
            ("https://chat.example/chat", "no path"),
            ("https://chat.example\\chat", "no path"),
            ("https://chat.example?x", "no query"),
            ("https://chat.example#x", "no fragment"),
            ("https://user:word@chat.example", "no user name"),
            ("https://chat.example:99999", "1 to 65535"),
            ("https://chat.example:0", "1 to 65535"),
            ("https://chat.example:x", "1 to 65535"),
            ("https://chat example", "no host"),
            ("https://ch^at.example", "no host"),
            ("https://*", "* alone"),
            ("https://a.*.example", "at the beginning"),
            ("https://*example.com", "at the beginning"),
            ("https://*.*.example", "at the beginning"),
            ("https://chat.example:*", "at the beginning"),
            ("https://*.127.0.0.1", "no subdomains"),
            ("*://chat.example", "write https://chat.example"),
            ("wss://chat.example", "write https://chat.example"),
            ("ws://chat.example", "write http://chat.example"),
            ("htps://chat.example", "did you mean https://chat.example?"),
            ("1http://chat.example", "scheme://host"),
            ("file:///home/index.html", "write file://"),
            ("file://host", "write file://"),
            ("app://*", "only with http"),
            ("about:blank", "write null"),
            ("data:text/html,x", "write null"),
        ] {
            let fault = text.parse::<AllowedOrigin>().expect_err(text);
            assert!(fault.contains(why), "{text}: {fault}");
        }
    }
}
