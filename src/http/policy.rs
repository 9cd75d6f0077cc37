//! Content-Security-Policies: what pages may load, run and connect to.

/// What the operator's own page may do by default: use inline scripts and styles, and everything of this server.
const OF_FOLDER: &str = "default-src 'self' data: blob: 'unsafe-inline'; \
    script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'; object-src 'none'; base-uri 'self'; form-action 'self'; \
    frame-ancestors 'self'";

/// What the bundled page may do: run this script and this style, and connect to where it was loaded from. No other
/// script runs, so text that passed for markup by mistake would still run nothing.
pub(super) fn of_page(script_hash: &str, style_hash: &str) -> String {
    format!(
        "default-src 'none'; script-src 'sha256-{script_hash}'; style-src 'sha256-{style_hash}'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// The policy of files in a folder.
pub(super) fn of_folder(host: Option<&str>) -> String {
    with_connections(OF_FOLDER, host)
}

/// Lets a page connect to the host that it was loaded from. Safari before 15.4 does not take `'self'` to cover the
/// schemes of WebSocket, so they are named.
pub(super) fn with_connections(policy: &str, host: Option<&str>) -> String {
    // What RFC 3986 allows in a host includes the separators of a policy.
    let is_plain =
        |host: &&str| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte));
    match host.filter(is_plain) {
        Some(host) => format!("{policy}; connect-src 'self' ws://{host} wss://{host}"),
        None => format!("{policy}; connect-src 'self'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_may_connect_to_the_host_that_was_asked() {
        let policy = |host| with_connections("a", host);
        assert_eq!(policy(Some("h:80")), "a; connect-src 'self' ws://h:80 wss://h:80");
        assert_eq!(policy(Some("[::1]:80")), "a; connect-src 'self' ws://[::1]:80 wss://[::1]:80");
        for host in [None, Some("h;script-src"), Some("h,x"), Some("h'"), Some("*"), Some("%41")] {
            assert_eq!(policy(host), "a; connect-src 'self'", "{host:?}");
        }
    }
}
