//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455 §9.1):
//!
//! ```text
//! extension-list = 1#( token *( ";" token [ "=" ( token | quoted-string ) ] ) )
//! ```

use std::borrow::Cow;

/// One element of the list: an extension's name and its parameters, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension<'h> {
    /// As sent.
    pub name: &'h str,
    /// Names, and values where there are any; those that were quoted are unquoted.
    pub params: Vec<(&'h str, Option<Cow<'h, str>>)>,
}

/// The field's value does not follow the grammar. Whoever receives it fails the connection (§9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Reads the value of one field. Empty elements are passed over, as in every list (RFC 9110 §5.6.1).
pub fn parse(value: &[u8]) -> Result<Vec<Extension<'_>>, Malformed> {
    let mut rest = std::str::from_utf8(value).map_err(|_| Malformed)?;
    let mut extensions = Vec::new();
    loop {
        while take(&mut rest, ',') {}
        if rest.is_empty() {
            return Ok(extensions);
        }
        let mut extension = Extension { name: token(&mut rest)?, params: Vec::new() };
        while take(&mut rest, ';') {
            let name = token(&mut rest)?;
            let value = if take(&mut rest, '=') { Some(self::value(&mut rest)?) } else { None };
            extension.params.push((name, value));
        }
        extensions.push(extension);
        if !rest.is_empty() && !rest.starts_with(',') {
            return Err(Malformed);
        }
    }
}

/// Takes a separator, with the white space around it.
fn take(rest: &mut &str, separator: char) -> bool {
    let trimmed = rest.trim_start_matches([' ', '\t']);
    let after = trimmed.strip_prefix(separator);
    *rest = after.map_or(trimmed, |after| after.trim_start_matches([' ', '\t']));
    after.is_some()
}

fn token<'h>(rest: &mut &'h str) -> Result<&'h str, Malformed> {
    let end = rest.find(|c| !is_token_char(c)).unwrap_or(rest.len());
    let (token, after) = rest.split_at(end);
    *rest = after;
    if token.is_empty() { Err(Malformed) } else { Ok(token) }
}

/// A token, or a quoted string that is one once it is unquoted.
fn value<'h>(rest: &mut &'h str) -> Result<Cow<'h, str>, Malformed> {
    let Some(quoted) = rest.strip_prefix('"') else {
        return token(rest).map(Cow::Borrowed);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' if value.is_empty() => return Err(Malformed),
            '"' => {
                *rest = &quoted[index + 1..];
                return Ok(Cow::Owned(value));
            }
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            character => value.push(character),
        }
        if !value.ends_with(is_token_char) {
            return Err(Malformed);
        }
    }
    Err(Malformed)
}

/// RFC 9110 §5.6.2.
fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A parameter's name and value.
    type Param = (&'static str, Option<&'static str>);

    fn check(value: &str, expected: &[(&'static str, &[Param])]) {
        let extension = |(name, params): &(&'static str, &[Param])| Extension {
            name,
            params: params.iter().map(|(name, value)| (*name, value.map(Cow::Borrowed))).collect(),
        };
        let expected: Vec<_> = expected.iter().map(extension).collect();
        assert_eq!(parse(value.as_bytes()), Ok(expected), "{value}");
    }

    #[test]
    fn what_browsers_and_libraries_send() {
        check("permessage-deflate", &[("permessage-deflate", &[])]);
        check(
            "permessage-deflate; client_max_window_bits",
            &[("permessage-deflate", &[("client_max_window_bits", None)])],
        );
        check(
            "foo; a=1; b,permessage-deflate;server_max_window_bits=10 ,\tbar",
            &[
                ("foo", &[("a", Some("1")), ("b", None)]),
                ("permessage-deflate", &[("server_max_window_bits", Some("10"))]),
                ("bar", &[]),
            ],
        );
    }

    #[test]
    fn quoted_values_are_unquoted_and_separators_inside_them_are_no_separators() {
        check(r#"a; b="10""#, &[("a", &[("b", Some("10"))])]);
        check(r#"a; b="1\0" , c"#, &[("a", &[("b", Some("10"))]), ("c", &[])]);
        for wrong in
            [r#"a; b="1,2""#, r#"a; b="1;2""#, r#"a; b="""#, r#"a; b="x y""#, r#"a; b="x"#, r#"a; b="x\"#]
        {
            assert_eq!(parse(wrong.as_bytes()), Err(Malformed), "{wrong}");
        }
    }

    #[test]
    fn empty_elements_are_passed_over_and_everything_else_is_malformed() {
        check("", &[]);
        check(" , a ,, b ,", &[("a", &[]), ("b", &[])]);
        for wrong in
            ["a b", "a;", "a; =1", "a; b=", "a; b=1 2", ";", "=", "a/b", "\"a\"", "a; b==1", "a; b\n", "é"]
        {
            assert_eq!(parse(wrong.as_bytes()), Err(Malformed), "{wrong}");
        }
        assert_eq!(parse(b"a; b=\xff"), Err(Malformed));
    }
}
