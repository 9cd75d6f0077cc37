//! The host names that the server answers to (`--host`).

use std::net::Ipv6Addr;
use std::str::FromStr;
use url::Host;

/// A name that `--host` allows, with any port unless it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHost {
    name: Name,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    /// A host as browsers write it: in lower case, international names in Punycode.
    Exactly(String),
    /// All names with this ending: the part after the `*` of `*.example.com`.
    Subdomains(String),
}

impl AllowedHost {
    /// Returns true if the value of a `Host` header is allowed.
    pub(super) fn allows(&self, host: &str) -> bool {
        let Some((name, port)) = split(host) else { return false };
        let name = name.to_ascii_lowercase();
        let is_named = match &self.name {
            Name::Exactly(allowed) => name == *allowed,
            Name::Subdomains(ending) => is_subdomain(&name, ending),
        };
        is_named && self.port.is_none_or(|allowed| port == Some(allowed))
    }
}

/// Returns true if a name consists of labels and then an ending that starts with a dot.
pub(super) fn is_subdomain(name: &str, ending: &str) -> bool {
    name.strip_suffix(ending).is_some_and(|labels| !labels.is_empty() && labels.bytes().all(is_of_label))
}

/// Returns true if a host name can contain this byte. Dots count as well.
fn is_of_label(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// Splits a host and its port. Returns `None` if it is neither.
fn split(host: &str) -> Option<(&str, Option<u16>)> {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => {
            let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
            Some((name, Some(port.parse().ok().filter(|_| is_number)?)))
        }
        _ => Some((host, None)),
    }
}

impl FromStr for AllowedHost {
    type Err = String;

    fn from_str(text: &str) -> Result<AllowedHost, String> {
        let advice = "write a host name as in chat.example.com or *.example.com";
        if text.contains("://") || text.contains(['/', '?', '#', '@', '\\']) {
            return Err(format!("{advice}, without a scheme and a path"));
        }
        if let Ok(address) = text.parse::<Ipv6Addr>() {
            return Err(format!("write an IPv6 address in brackets, as in [{address}]"));
        }
        let (name, port) = split(text).ok_or("a port is a number from 0 to 65535")?;
        let parse = |name: &str| match Host::parse(name) {
            Err(error) => Err(format!("{advice}: {error}")),
            // Allowed in a URL, but no name has them: most likely a list with other separators.
            Ok(Host::Domain(name)) if !name.bytes().all(|byte| is_of_label(byte) || byte == b'*') => {
                Err(format!("{advice}; separate several names with commas"))
            }
            Ok(host) => Ok(host),
        };
        let name = match name.strip_prefix("*.") {
            _ if name.is_empty() => return Err(advice.to_owned()),
            _ if name == "*" => return Err("leave out --host to allow any host".to_owned()),
            None if name.contains('*') => {
                return Err("* stands only for whole labels at the beginning, as in *.example.com".to_owned());
            }
            None => match parse(name)? {
                Host::Ipv4(ip) if ip.is_unspecified() => return Err(not_a_listener(text)),
                Host::Ipv6(ip) if ip.is_unspecified() => return Err(not_a_listener(text)),
                host => Name::Exactly(host.to_string()),
            },
            Some(domain) => match parse(domain)? {
                Host::Domain(domain) if !domain.contains('*') => Name::Subdomains(format!(".{domain}")),
                _ => return Err("*. stands before a name, as in *.example.com".to_owned()),
            },
        };
        Ok(AllowedHost { name, port })
    }
}

fn not_a_listener(text: &str) -> String {
    format!("no client asks for {text}; to listen on all addresses write --listen *:8080")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(allowed: &str, host: &str) -> bool {
        allowed.parse::<AllowedHost>().unwrap().allows(host)
    }

    #[test]
    fn a_host_is_allowed_whatever_its_case_and_with_any_port_unless_one_is_named() {
        for (allowed, host, expected) in [
            ("chat.example", "chat.example", true),
            ("Chat.Example", "CHAT.example:8080", true),
            ("chat.example:8080", "chat.example:8080", true),
            ("chat.example:8080", "chat.example", false),
            ("chat.example", "evil.chat.example", false),
            ("chat.example", "chat.example.evil", false),
            ("chat.example", "chat.example:80:80", false),
            ("chat.example", "chat.example:", false),
            ("chat.example", "", false),
            ("*.example", "chat.example:1", true),
            ("*.example", "a.b.example", true),
            ("*.example", "example", false),
            ("*.example", ".example", false),
            ("*.example", "a/.example", false),
            ("127.0.0.1", "127.0.0.1:8080", true),
            ("[::1]", "[::1]:8080", true),
            ("[0::1]", "[::1]", true),
            ("bücher.example", "xn--bcher-kva.example", true),
        ] {
            assert_eq!(allows(allowed, host), expected, "{allowed} {host}");
        }
    }

    #[test]
    fn what_is_no_host_is_explained() {
        for (text, advice) in [
            ("", "chat.example.com"),
            ("https://chat.example", "without a scheme"),
            ("chat.example/", "without a scheme and a path"),
            ("user@chat.example", "without"),
            ("chat example", "write a host name"),
            ("a.example;b.example", "with commas"),
            ("*.a.example;b.example", "with commas"),
            ("::1", "[::1]"),
            ("chat.example:http", "a port is a number"),
            ("chat.example:99999", "a port is a number"),
            ("*", "leave out --host"),
            ("*example.com", "*.example.com"),
            ("a.*.example.com", "*.example.com"),
            ("*.127.0.0.1", "before a name"),
            ("0.0.0.0", "--listen"),
            ("0.0.0.0:8080", "--listen"),
            ("[::]", "--listen"),
        ] {
            let fault = text.parse::<AllowedHost>().expect_err(text);
            assert!(fault.contains(advice), "{text}: {fault}");
        }
    }
}
