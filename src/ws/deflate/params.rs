//! Negotiation of compression parameters (RFC 7692 §7.1).

use super::super::extensions::Extension;
use std::fmt;

/// The name of the extension in `Sec-WebSocket-Extensions`.
pub const NAME: &str = "permessage-deflate";

/// The smallest window for our compressor: zlib cannot write DEFLATE with a window of 2^8 bytes.
pub(super) const SMALLEST_WINDOW: u8 = 9;

/// The parameters of a client's offer, or of a server's response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Params {
    /// Whether the server compresses each message on its own.
    pub server_no_context_takeover: bool,
    /// Whether the client compresses each message on its own.
    pub client_no_context_takeover: bool,
    /// Base-2 logarithm of the server's window in bytes, 8 to 15. `None` means 15.
    pub server_max_window_bits: Option<u8>,
    /// Base-2 logarithm of the client's window. In an offer, the server may limit the window to at most this.
    pub client_max_window_bits: Option<u8>,
}

impl Params {
    /// The offer of browsers: the server may keep its context and may limit the client's window.
    pub const BROWSERS_OFFER: Params = Params {
        server_no_context_takeover: false,
        client_no_context_takeover: false,
        server_max_window_bits: None,
        client_max_window_bits: Some(15),
    };

    /// Parses a client's offer. Returns `None` if it must be declined: a parameter is unknown, repeated, or
    /// has an invalid value.
    pub fn of_offer(extension: &Extension<'_>) -> Option<Params> {
        Params::decode(extension, Some(15))
    }

    /// Parses a server's response. Returns `None` under the same conditions as [`Params::of_offer`].
    pub fn of_answer(extension: &Extension<'_>) -> Option<Params> {
        Params::decode(extension, None)
    }

    /// Parses parameters. `bare_client_bits` is the meaning of `client_max_window_bits` without a value;
    /// `None` if it needs one.
    fn decode(extension: &Extension<'_>, bare_client_bits: Option<u8>) -> Option<Params> {
        if extension.name != NAME {
            return None;
        }
        let mut params = Params::default();
        for (name, value) in &extension.params {
            let value = value.as_deref();
            match *name {
                "server_no_context_takeover" => set(&mut params.server_no_context_takeover, value)?,
                "client_no_context_takeover" => set(&mut params.client_no_context_takeover, value)?,
                "server_max_window_bits" => set_bits(&mut params.server_max_window_bits, bits(value?)?)?,
                "client_max_window_bits" => {
                    let bits = value.map_or(bare_client_bits, bits)?;
                    set_bits(&mut params.client_max_window_bits, bits)?;
                }
                _ => return None,
            }
        }
        Some(params)
    }

    /// Returns the response of a server that keeps no context itself, and keeps the client's only if
    /// `keeps_client_context`. Returns `None` if the server must decline, since it cannot compress with so
    /// small a window.
    pub fn accept(&self, keeps_client_context: bool) -> Option<Params> {
        if self.server_max_window_bits.is_some_and(|bits| bits < SMALLEST_WINDOW) {
            return None;
        }
        Some(Params {
            server_no_context_takeover: true,
            client_no_context_takeover: self.client_no_context_takeover || !keeps_client_context,
            server_max_window_bits: self.server_max_window_bits,
            client_max_window_bits: None,
        })
    }

    /// Returns true if the server's response is allowed by this offer (§7.1.1, §7.1.2).
    pub fn allows(&self, answer: &Params) -> bool {
        let server_bits = match (self.server_max_window_bits, answer.server_max_window_bits) {
            (Some(most), bits) => bits.is_some_and(|bits| bits <= most),
            (None, _) => true,
        };
        let client_bits = match answer.client_max_window_bits {
            Some(bits) => self.client_max_window_bits.is_some_and(|most| bits <= most),
            None => true,
        };
        let server_context = answer.server_no_context_takeover || !self.server_no_context_takeover;
        server_bits && client_bits && server_context
    }

    /// Returns the base-2 logarithm of the client's window in bytes.
    pub fn client_window_bits(&self) -> u8 {
        self.client_max_window_bits.unwrap_or(15)
    }

    /// Formats the offer as an element of `Sec-WebSocket-Extensions`, as browsers do:
    /// `client_max_window_bits` has no value if the client accepts any.
    pub fn as_offer(&self) -> impl fmt::Display {
        fmt::from_fn(|f| {
            let rest = Params {
                client_max_window_bits: self.client_max_window_bits.filter(|&bits| bits < 15),
                ..*self
            };
            write!(f, "{rest}")?;
            if self.client_max_window_bits == Some(15) {
                f.write_str("; client_max_window_bits")
            } else {
                Ok(())
            }
        })
    }
}

impl fmt::Display for Params {
    /// Formats the parameters as an element of `Sec-WebSocket-Extensions`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)?;
        if self.server_no_context_takeover {
            f.write_str("; server_no_context_takeover")?;
        }
        if self.client_no_context_takeover {
            f.write_str("; client_no_context_takeover")?;
        }
        if let Some(bits) = self.server_max_window_bits {
            write!(f, "; server_max_window_bits={bits}")?;
        }
        if let Some(bits) = self.client_max_window_bits {
            write!(f, "; client_max_window_bits={bits}")?;
        }
        Ok(())
    }
}

/// Sets a flag. Returns `None` if the parameter has a value or is repeated.
fn set(flag: &mut bool, value: Option<&str>) -> Option<()> {
    let is_new = !std::mem::replace(flag, true);
    (is_new && value.is_none()).then_some(())
}

fn set_bits(param: &mut Option<u8>, bits: u8) -> Option<()> {
    param.replace(bits).is_none().then_some(())
}

/// Parses a decimal number from 8 to 15 without leading zeros (§7.1.2.1).
fn bits(value: &str) -> Option<u8> {
    match value {
        "8" => Some(8),
        "9" => Some(9),
        "10" | "11" | "12" | "13" | "14" | "15" => value.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::extensions;
    use super::*;

    /// Returns the response to an offer, or `None` if it is declined.
    fn answer(offer: &str, keeps_client_context: bool) -> Option<String> {
        let extensions = extensions::parse(offer.as_bytes()).unwrap();
        Some(Params::of_offer(&extensions[0])?.accept(keeps_client_context)?.to_string())
    }

    #[test]
    fn every_parameter_of_an_offer_is_answered() {
        let both = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        let table = [
            ("permessage-deflate", both),
            ("permessage-deflate; client_max_window_bits", both),
            ("permessage-deflate; client_max_window_bits=8", both),
            ("permessage-deflate; client_no_context_takeover; server_no_context_takeover", both),
            (
                "permessage-deflate; server_max_window_bits=9",
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9",
            ),
            (
                "permessage-deflate; server_max_window_bits=\"15\"; client_max_window_bits=10",
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=15",
            ),
        ];
        for (offer, expected) in table {
            assert_eq!(answer(offer, false).as_deref(), Some(expected), "{offer}");
        }
        let own = "permessage-deflate; server_no_context_takeover";
        assert_eq!(answer("permessage-deflate", true).as_deref(), Some(own));
        assert_eq!(answer("permessage-deflate; client_no_context_takeover", true).as_deref(), Some(both));
    }

    #[test]
    fn offers_that_are_unknown_repeated_or_out_of_range_are_declined() {
        for params in [
            "server_max_window_bits=8",
            "server_max_window_bits",
            "server_max_window_bits=7",
            "server_max_window_bits=16",
            "server_max_window_bits=09",
            "server_max_window_bits=+9",
            "server_max_window_bits=a",
            "client_max_window_bits=7",
            "client_max_window_bits=16",
            "client_max_window_bits=015",
            "server_no_context_takeover=1",
            "client_no_context_takeover=true",
            "server_no_context_takeover; server_no_context_takeover",
            "client_no_context_takeover; client_no_context_takeover",
            "server_max_window_bits=10; server_max_window_bits=10",
            "client_max_window_bits; client_max_window_bits=10",
            "unknown",
            "Server_No_Context_Takeover",
        ] {
            assert_eq!(answer(&format!("permessage-deflate; {params}"), false), None, "{params}");
        }
        assert_eq!(answer("x-webkit-deflate-frame", false), None);
    }

    #[test]
    fn an_offer_is_written_as_browsers_do_and_parsed_back() {
        let offers = [
            ("permessage-deflate", Params::default()),
            ("permessage-deflate; client_max_window_bits", Params::BROWSERS_OFFER),
            (
                "permessage-deflate; server_max_window_bits=9; client_max_window_bits=14",
                Params {
                    server_max_window_bits: Some(9),
                    client_max_window_bits: Some(14),
                    ..Params::default()
                },
            ),
        ];
        for (text, params) in offers {
            assert_eq!(params.as_offer().to_string(), text);
            assert_eq!(Params::of_offer(&extensions::parse(text.as_bytes()).unwrap()[0]), Some(params));
        }
    }

    #[test]
    fn a_response_must_be_allowed_by_the_offer() {
        let allows = |offer: &str, answer: &str| {
            let offer = extensions::parse(offer.as_bytes()).unwrap();
            let answer = extensions::parse(answer.as_bytes()).unwrap();
            let offer = Params::of_offer(&offer[0]).unwrap();
            Params::of_answer(&answer[0]).is_some_and(|answer| offer.allows(&answer))
        };
        let table = [
            ("", "", true),
            ("", "; server_no_context_takeover; client_no_context_takeover", true),
            ("", "; server_max_window_bits=9", true),
            ("", "; client_max_window_bits=15", false),
            ("", "; client_max_window_bits", false),
            ("; client_max_window_bits", "; client_max_window_bits=8", true),
            ("; client_max_window_bits", "; client_max_window_bits", false),
            ("; client_max_window_bits=10", "; client_max_window_bits=10", true),
            ("; client_max_window_bits=10", "; client_max_window_bits=11", false),
            ("; server_max_window_bits=10", "", false),
            ("; server_max_window_bits=10", "; server_max_window_bits=10", true),
            ("; server_max_window_bits=10", "; server_max_window_bits=11", false),
            ("; server_no_context_takeover", "", false),
            ("; server_no_context_takeover", "; server_no_context_takeover", true),
            ("; client_no_context_takeover", "", true),
            ("", "; unknown", false),
            ("", "; server_no_context_takeover; server_no_context_takeover", false),
        ];
        for (offer, answer, expected) in table {
            let (offer, answer) = (format!("{NAME}{offer}"), format!("{NAME}{answer}"));
            assert_eq!(allows(&offer, &answer), expected, "{offer} → {answer}");
        }
    }
}
