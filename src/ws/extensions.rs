//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455 §9.1):
//!
//! ```text
//! extension-list = 1#( token *( ";" token [ "=" ( token | quoted-string ) ] ) )
//! ```

use std::borrow::Cow;

/// An element of the list: the name of an extension and its parameters, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension<'h> {
    /// The name as sent.
    pub name: &'h str,
    /// Names of parameters with their values, if any. Quoted values are unquoted.
    pub params: Vec<(&'h str, Option<Cow<'h, str>>)>,
}

/// The value of the field does not follow the grammar. The receiver must fail the connection (§9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Parses the value of one field. Empty elements are skipped, as in every list (RFC 9110 §5.6.1).
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

/// Skips a separator and the white space around it. Returns false if there is none.
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

/// Parses a token, or a quoted string whose content is a token.
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

/// Returns true for characters of a token (RFC 9110 §5.6.2).
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
    fn fields_of_browsers_and_libraries_are_parsed() {
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
    fn quoted_values_are_unquoted_and_may_not_contain_separators() {
        check(r#"a; b="10""#, &[("a", &[("b", Some("10"))])]);
        check(r#"a; b="1\0" , c"#, &[("a", &[("b", Some("10"))]), ("c", &[])]);
        for wrong in
            [r#"a; b="1,2""#, r#"a; b="1;2""#, r#"a; b="""#, r#"a; b="x y""#, r#"a; b="x"#, r#"a; b="x\"#]
        {
            assert_eq!(parse(wrong.as_bytes()), Err(Malformed), "{wrong}");
        }
    }

    #[test]
    fn empty_elements_are_skipped_and_violations_of_the_grammar_are_malformed() {
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
