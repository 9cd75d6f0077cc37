//! What client and server agree on before anything is compressed (RFC 7692 §7.1).

use super::super::extensions::Extension;
use std::fmt;

/// The extension's name in `Sec-WebSocket-Extensions`.
pub const NAME: &str = "permessage-deflate";

/// The smallest window that a compressor of ours can be held to: DEFLATE as zlib writes it cannot do with 8.
const SMALLEST_WINDOW: u8 = 9;

/// The parameters of a client's offer, or of the server's answer to one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Params {
    /// The server compresses each message on its own.
    pub server_no_context_takeover: bool,
    /// The client does.
    pub client_no_context_takeover: bool,
    /// Binary logarithm of the server's window in bytes, 8 to 15; 15 if it is not spoken of.
    pub server_max_window_bits: Option<u8>,
    /// The same of the client's. In an offer it says that the server may limit it, to at most this.
    pub client_max_window_bits: Option<u8>,
}

impl Params {
    /// What browsers offer: the server may keep the context of what it sends, and may limit the client's window.
    pub const BROWSERS_OFFER: Params = Params {
        server_no_context_takeover: false,
        client_no_context_takeover: false,
        server_max_window_bits: None,
        client_max_window_bits: Some(15),
    };

    /// Reads a client's offer; `None` if it is to be declined: a parameter is unknown, repeated, or has no such value.
    pub fn of_offer(extension: &Extension<'_>) -> Option<Params> {
        Params::decode(extension, Some(15))
    }

    /// Reads the server's answer; `None` likewise.
    pub fn of_answer(extension: &Extension<'_>) -> Option<Params> {
        Params::decode(extension, None)
    }

    /// `bare_client_bits` is what `client_max_window_bits` without a value stands for, if it may stand so.
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

    /// What a server agrees to that keeps no context of its own, and one of the client's only if
    /// `keeps_client_context`; `None` if it declines, since it cannot compress with so small a window.
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

    /// Whether the server's answer keeps to this offer (§7.1.1, §7.1.2).
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

    /// Binary logarithm of the window, in bytes, that a client is held to by this agreement.
    pub fn client_window_bits(&self) -> u8 {
        self.client_max_window_bits.unwrap_or(15)
    }

    /// As an element of `Sec-WebSocket-Extensions` in a request, in the words of browsers: `client_max_window_bits`
    /// has no value if the client takes any.
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
    /// As an element of `Sec-WebSocket-Extensions`.
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

/// Sets a parameter that has no value; `None` if it has one or stands twice.
fn set(flag: &mut bool, value: Option<&str>) -> Option<()> {
    let is_new = !std::mem::replace(flag, true);
    (is_new && value.is_none()).then_some(())
}

fn set_bits(param: &mut Option<u8>, bits: u8) -> Option<()> {
    param.replace(bits).is_none().then_some(())
}

/// Decimal, without leading zeros, 8 to 15 (§7.1.2.1).
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

    /// The answer to an offer, as text; `None` if it is declined.
    fn answer(offer: &str, keeps_client_context: bool) -> Option<String> {
        let extensions = extensions::parse(offer.as_bytes()).unwrap();
        Some(Params::of_offer(&extensions[0])?.accept(keeps_client_context)?.to_string())
    }

    #[test]
    fn every_parameter_of_an_offer_has_its_answer() {
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
    fn an_offer_is_written_as_browsers_do_and_read_as_it_was_meant() {
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
    fn an_answer_is_held_against_the_offer() {
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
