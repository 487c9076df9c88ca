//! Whether the value of a secret's name is a secret, or something that a program or a document says in its place.

use super::name::Name;
use crate::bytes::{holds, is_base64, is_word};

/// Shorter values are not worth hiding, and are mostly words.
const VALUE_BYTES_MIN: usize = 6;
/// A value is judged by this much of it.
const JUDGED_BYTES: usize = 256;

/// How an unquoted value stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unquoted {
    /// Blanks on either side of the separator.
    pub(super) spaced: bool,
    /// The separator is a colon.
    pub(super) colon: bool,
    /// The first byte behind the value that is no blank.
    pub(super) next: u8,
    /// The name is in capitals.
    pub(super) shouted: bool,
}

/// What an unquoted value is made of.
pub(super) fn is_unquoted(byte: u8) -> bool {
    let stops = matches!(
        byte,
        b'"' | b'\'' | b'`' | b',' | b';' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'<' | b'>' | b'|' | b'&' | b'\\'
    );
    (byte.is_ascii_graphic() || byte >= 0x80) && !stops
}

/// Whether a quoted value is a secret.
pub(super) fn quoted_is_secret(name: Name, value: &[u8]) -> bool {
    if value.len() < VALUE_BYTES_MIN || is_placeholder(value) || is_template(value) || is_reference(value) {
        return false;
    }
    if is_path(value) && !is_aws_secret(value) {
        return false;
    }
    if value.iter().any(u8::is_ascii_whitespace) && name != Name::Passphrase {
        return false;
    }
    let plain_word = value.iter().all(|b| b.is_ascii_lowercase() || matches!(b, b'_' | b'-' | b'.'));
    let variable =
        value.len() <= 32 && names_a_secret(value) && value.iter().all(|b| b.is_ascii_alphabetic() || *b == b'_');
    let dotted_number = value.contains(&b'.') && is_number(value);
    match name {
        _ if dotted_number => false,
        Name::Password | Name::Passphrase => !is_schema_word(value),
        Name::Token | Name::AwsSecret => !variable && (!plain_word || value.len() >= 20 && !value.contains(&b'_')),
    }
}

/// Whether an unquoted value is a secret.
pub(super) fn unquoted_is_secret(name: Name, value: &[u8], stands: Unquoted) -> bool {
    let judged = value.get(..JUDGED_BYTES).unwrap_or(value);
    if value.len() < VALUE_BYTES_MIN || is_placeholder(judged) || is_template(judged) || is_reference(judged) {
        return false;
    }
    if is_aws_secret(value) && name == Name::AwsSecret {
        return true;
    }
    let follows_as_code = matches!(stands.next, b'(' | b'[' | b'{' | b'<' | b'\'' | b'"' | b'`' | b'|');
    let statement = stands.spaced && stands.next == b';' || stands.colon && stands.next == b'=';
    if is_path(judged) || is_number(judged) || follows_as_code || statement || is_code(judged) {
        return false;
    }
    let identifier = judged.iter().all(|b| is_word(*b)) && !judged.first().is_some_and(u8::is_ascii_digit);
    // `API_KEY=supersecret123` is a line of an environment, not of a program: there a word with digits is a value.
    let environment = stands.shouted && !stands.spaced && judged.iter().any(u8::is_ascii_digit);
    if identifier && !environment && (names_a_secret(judged) || is_type(judged, stands)) {
        return false;
    }
    let tells = judged
        .iter()
        .any(|b| b.is_ascii_digit() || matches!(b, b'!' | b'@' | b'#' | b'$' | b'%' | b'^' | b'*' | b'+' | b'/'));
    tells || stands.shouted && !stands.spaced && !judged.ends_with(b":")
}

/// Text that stands where a secret would be: a variable to fill in, a mask, or an earlier redaction.
pub(crate) fn is_placeholder(value: &[u8]) -> bool {
    let opens = value.first().is_some_and(|b| matches!(b, b'$' | b'<' | b'{' | b'%'));
    let first = value.first().copied().unwrap_or(0);
    let mask =
        value.iter().all(|b| *b == first) || value.iter().all(|b| matches!(b, b'x' | b'X' | b'*' | b'.' | b'-' | b'_'));
    let capitals = value.contains(&b'_') && value.iter().all(|b| b.is_ascii_uppercase() || *b == b'_');
    let yours = value
        .get(..5)
        .is_some_and(|start| start.eq_ignore_ascii_case(b"your_") || start.eq_ignore_ascii_case(b"your-"));
    opens || mask || capitals || yours || value.starts_with(b"[REDACTED:")
}

/// 40 characters of base64.
pub(super) fn is_aws_secret(value: &[u8]) -> bool {
    value.len() == 40 && value.iter().all(|b| is_base64(*b))
}

/// Holds a place to be filled in.
fn is_template(value: &[u8]) -> bool {
    value.windows(2).any(|pair| matches!(pair, b"${" | b"{{" | b"{}" | b"$(" | b"%s" | b"<%"))
}

/// A public name that only points at something: a digest or a key id with its algorithm in front.
fn is_reference(value: &[u8]) -> bool {
    [&b"ed25519:"[..], b"sha256:", b"sha512:", b"file:", b"env:", b"vault:"]
        .iter()
        .any(|scheme| value.starts_with(scheme))
}

fn is_path(value: &[u8]) -> bool {
    [&b"/"[..], b"./", b"../", b"~/"].iter().any(|start| value.starts_with(start))
}

fn is_number(value: &[u8]) -> bool {
    value.iter().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-' | b'+' | b':'))
        || value.strip_prefix(b"0x").is_some_and(|rest| rest.len() <= 16 && rest.iter().all(u8::is_ascii_hexdigit))
}

/// `a::b`, `a->b`, or `a.b` where every part is a name.
fn is_code(value: &[u8]) -> bool {
    if value.windows(2).any(|pair| matches!(pair, b"::" | b"->" | b"=>"))
        || matches!(value.first(), Some(b'*' | b'!' | b'-' | b'@'))
    {
        return true;
    }
    let names_only = value.split(|b| *b == b'.').all(|part| {
        part.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_')
            && part.iter().all(|b| is_word(*b))
            && part.len() <= 32
    });
    value.contains(&b'.') && names_only
}

/// A variable of its own kind: `token = next_token`, `password: PasswordHash2`.
fn names_a_secret(value: &[u8]) -> bool {
    [&b"pass"[..], b"pwd", b"secret", b"token", b"key", b"cred"].iter().any(|word| holds(value, word))
}

/// A type's name behind a colon, inside a list of fields or arguments.
fn is_type(value: &[u8], stands: Unquoted) -> bool {
    let camel = value.first().is_some_and(u8::is_ascii_uppercase) && value.iter().any(u8::is_ascii_lowercase);
    stands.colon && camel && matches!(stands.next, b',' | b')' | b'}' | b';')
}

/// What a schema or a form writes behind the name of a password.
fn is_schema_word(value: &[u8]) -> bool {
    let words: [&[u8]; 16] = [
        b"string",
        b"boolean",
        b"number",
        b"integer",
        b"object",
        b"required",
        b"optional",
        b"password",
        b"passphrase",
        b"secret",
        b"hidden",
        b"incorrect",
        b"invalid",
        b"undefined",
        b"missing",
        b"passwd",
    ];
    words.iter().any(|word| value.eq_ignore_ascii_case(word))
        || names_a_secret(value) && value.iter().all(|b| b.is_ascii_lowercase() || *b == b'_')
}
