//! The environment variables of the program, and those of that prefix that are no settings.

use super::setting::PREFIX;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// Greatest number of letters in which a variable may differ from the setting that was probably meant.
const MOST_TYPOS: usize = 3;

/// The variables whose name begins with `THRONG_`.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// Those of this process.
    pub fn of_process() -> Environment {
        Environment::new(std::env::vars_os())
    }

    /// Those of these variables that have the prefix.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Environment {
        let named = variables.into_iter().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        Environment(named.filter(|(name, _)| name.starts_with(PREFIX)).collect())
    }

    /// The value of a variable, if it is set. An empty one is not.
    pub(super) fn find(&self, name: &str) -> Option<&OsStr> {
        self.0.get(name).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// A warning for each variable that is no setting and that nothing else is known to set.
    pub(super) fn unknown(&self, settings: &[String]) -> Vec<String> {
        let is_unknown =
            |name: &str, value: &OsStr| !settings.iter().any(|known| known == name) && !is_link(name, value);
        let unknown = self.0.iter().filter(|(name, value)| is_unknown(name, value));
        unknown.map(|(name, _)| warning(name, settings)).collect()
    }
}

fn warning(name: &str, settings: &[String]) -> String {
    let nearest = settings
        .iter()
        .map(|known| (strsim::damerau_levenshtein(known, name), known))
        .filter(|(typos, _)| *typos <= MOST_TYPOS)
        .min();
    match (name, nearest) {
        ("THRONG_PORT" | "THRONG_BIND" | "THRONG_ADDRESS", _) => {
            format!("{name} is not a setting and is ignored; use THRONG_LISTEN, as in 127.0.0.1:8080")
        }
        (_, Some((_, known))) => format!("{name} is not a setting and is ignored; did you mean {known}?"),
        (_, None) => {
            format!("{name} is not a setting and is ignored; 'throng serve --help' lists all settings")
        }
    }
}

/// Whether a variable is one that Kubernetes sets for a Service, or Docker for a linked container, whose name is
/// `throng` or begins with `throng-`.
fn is_link(name: &str, value: &OsStr) -> bool {
    let is_url = value.to_str().is_some_and(|value| {
        let scheme = value.split_once("://").map(|(scheme, _)| scheme);
        matches!(scheme, Some("tcp" | "udp" | "sctp"))
    });
    let is_service_port = |rest: &str| rest.is_empty() || rest.starts_with('_');
    let has_service_port =
        name.match_indices("_SERVICE_PORT").any(|(at, part)| is_service_port(&name[at + part.len()..]));
    let has_port = name.match_indices("_PORT_").any(|(at, part)| is_link_port(&name[at + part.len()..]));
    name.ends_with("_PORT") && is_url
        || name.ends_with("_SERVICE_HOST")
        || has_service_port
        || has_port
        || name == "THRONG_NAME"
        || name.starts_with("THRONG_ENV_")
}

/// Whether the rest of a name, after `_PORT_`, is as in `8080_TCP` or `8080_TCP_ADDR`.
fn is_link_port(rest: &str) -> bool {
    let mut parts = rest.split('_');
    let is_number = parts.next().is_some_and(|port| port.parse::<u16>().is_ok());
    let is_protocol = matches!(parts.next(), Some("TCP" | "UDP" | "SCTP"));
    let is_detail = matches!(parts.next(), None | Some("ADDR" | "PORT" | "PROTO" | "START" | "END"));
    is_number && is_protocol && is_detail && parts.all(|part| matches!(part, "START" | "END"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warnings(variables: &[(&str, &str)]) -> Vec<String> {
        let settings = ["THRONG_LISTEN", "THRONG_MAX_QUEUE", "THRONG_HOST"].map(str::to_owned);
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        Environment::new(variables).unknown(&settings)
    }

    #[test]
    fn a_variable_that_is_no_setting_is_warned_of_with_the_nearest_name() {
        for (name, named) in [
            ("THRONG_MAX_QUEU", "THRONG_MAX_QUEUE"),
            ("THRONG_MAXQUEUE", "THRONG_MAX_QUEUE"),
            ("THRONG_LISTNE", "THRONG_LISTEN"),
            ("THRONG_HOSTS", "THRONG_HOST"),
            ("THRONG_PORT", "THRONG_LISTEN"),
            ("THRONG_COLOUR", "--help"),
        ] {
            let warnings = warnings(&[(name, "8080")]);
            assert_eq!(warnings.len(), 1, "{name}");
            assert!(warnings[0].starts_with(&format!("{name} is not a setting")), "{warnings:?}");
            assert!(warnings[0].contains(named), "{warnings:?}");
        }
        assert_eq!(warnings(&[("THRONG_LISTEN", "x"), ("PATH", "/bin"), ("THRONGS", "")]), [""; 0]);
    }

    #[test]
    fn the_variables_of_a_kubernetes_service_or_a_docker_link_are_known() {
        let table = [
            ("THRONG_PORT", "tcp://10.0.0.11:8080"),
            ("THRONG_PORT_8080_TCP", "tcp://10.0.0.11:8080"),
            ("THRONG_PORT_8080_TCP_ADDR", "10.0.0.11"),
            ("THRONG_PORT_8080_TCP_PORT", "8080"),
            ("THRONG_PORT_8080_TCP_PROTO", "tcp"),
            ("THRONG_PORT_53_UDP", "udp://10.0.0.11:53"),
            ("THRONG_PORT_53_UDP_PROTO", "udp"),
            ("THRONG_PORT_8080_TCP_START", "tcp://172.17.0.5:8080"),
            ("THRONG_PORT_8080_TCP_PORT_START", "8080"),
            ("THRONG_SERVICE_HOST", "10.0.0.11"),
            ("THRONG_SERVICE_PORT", "8080"),
            ("THRONG_SERVICE_PORT_HTTP", "8080"),
            ("THRONG_WEB_SERVICE_HOST", "10.0.0.12"),
            ("THRONG_WEB_SERVICE_PORT_WS", "80"),
            ("THRONG_WEB_PORT", "tcp://10.0.0.12:80"),
            ("THRONG_WEB_PORT_80_TCP_ADDR", "10.0.0.12"),
            ("THRONG_NAME", "/web/throng"),
            ("THRONG_ENV_PATH", "/bin"),
        ];
        assert_eq!(warnings(&table), [""; 0]);
        for similar in ["THRONG_PORT_X_TCP", "THRONG_PORT_8080_HTTP", "THRONG_SERVICE_PORTS"] {
            assert_eq!(warnings(&[(similar, "1")]).len(), 1, "{similar}");
        }
    }
}
