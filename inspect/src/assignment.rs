//! Values assigned to a name that says they are secret: `password = "…"`, `API_KEY=…`, `"token": "…"`.
//!
//! Names are common and values are not always secrets, so most of this file is about what is *not* one: another
//! variable, a call, a type, a path, a placeholder, a number, a word of a schema.

mod name;
mod value;

pub(crate) use value::is_placeholder;

use crate::bytes::{at, before, between, is_blank, is_quote, is_token, is_word, run, run_back};
use crate::{Finding, Kind};
use memchr::memchr2;
use name::Name;

/// A name is read this far back.
const NAME_BYTES_MAX: usize = 64;

pub(crate) fn scan(text: &[u8], found: &mut Vec<Finding>) {
    let mut words = Words::default();
    let mut place = 0;
    while let Some(offset) = text.get(place..).and_then(|rest| memchr2(b'=', b':', rest)) {
        let separator = place + offset;
        place = run(text, separator, 3, |b| matches!(b, b'=' | b':' | b'>')).max(separator + 1);
        if let Some(name) = name_before(text, separator)
            && let Some((start, end)) = value_after(text, separator, place, name, &mut words)
        {
            found.push(Finding::new(kind(name, between(text, start, end)), start, end));
        }
    }
}

/// The whole of a text that is the value of a member or input of this name.
pub(crate) fn named(name: &str, text: &[u8]) -> Option<Finding> {
    let name = name.as_bytes();
    let start = run_back(name, name.len(), NAME_BYTES_MAX, is_name);
    let name = Name::read(between(name, start, name.len()))?;
    value::quoted_is_secret(name, text).then(|| Finding::new(kind(name, text), 0, text.len()))
}

fn kind(name: Name, value: &[u8]) -> Kind {
    if name == Name::AwsSecret && value::is_aws_secret(value) { Kind::AwsSecretAccessKey } else { Kind::AssignedSecret }
}

/// The name that ends before the separator, past blanks and a closing quote: `name =`, `"name":`, `\"name\":`,
/// `["name"] =`.
fn name_before(text: &[u8], separator: usize) -> Option<Name> {
    let mut end = run_back(text, separator, 8, is_blank);
    if before(text, end) == b']' && is_quote(before(text, end - 1)) {
        end -= 1;
    }
    if is_quote(before(text, end)) {
        end -= 1;
        end = run_back(text, end, 4, |b| b == b'\\');
    }
    let start = run_back(text, end, NAME_BYTES_MAX, is_name);
    Name::read(between(text, start, end))
}

fn is_name(byte: u8) -> bool {
    is_token(byte) || byte == b'.'
}

/// Where the last unquoted run of bytes ended, so that no run is measured twice.
#[derive(Default)]
struct Words {
    end: usize,
}

fn value_after(text: &[u8], separator: usize, from: usize, name: Name, words: &mut Words) -> Option<(usize, usize)> {
    let operator = between(text, separator, from);
    if operator == b"::" {
        return None;
    }
    let start = run(text, from, 16, is_blank);
    if let Some(range) = quoted(text, start).or_else(|| annotated(text, start, operator)) {
        let (open, close) = range;
        return value::quoted_is_secret(name, between(text, open, close)).then_some(range);
    }
    if operator.starts_with(b"==") {
        return None;
    }
    let end = if start < words.end { words.end } else { run(text, start, usize::MAX, value::is_unquoted) };
    words.end = end;
    let spaced = start > from || is_blank(before(text, separator));
    let shape = value::Unquoted {
        spaced,
        colon: operator == b":",
        next: at(text, run(text, end, 8, is_blank)),
        shouted: shouted(text, separator),
    };
    value::unquoted_is_secret(name, between(text, start, end), shape).then_some((start, end))
}

/// The inside of a quoted value that begins here, perhaps behind a string prefix (`b"…"`) or escapes (`\"…\"`). It ends
/// with its own quote, with the line, or with the text.
fn quoted(text: &[u8], start: usize) -> Option<(usize, usize)> {
    let mut quote = start;
    if matches!(at(text, quote), b'b' | b'r' | b'f' | b'u') && is_quote(at(text, quote + 1)) {
        quote += 1;
    }
    let escapes = run(text, quote, 4, |b| b == b'\\');
    let is_escaped = escapes > quote;
    let mark = at(text, escapes);
    if !is_quote(mark) {
        return None;
    }
    let open = escapes + 1;
    let mut place = open;
    while place < text.len() {
        match at(text, place) {
            b'\n' => break,
            b'\\' if is_escaped => {
                let end = run(text, place, 4, |b| b == b'\\');
                if at(text, end) == mark {
                    break;
                }
                place = end;
            }
            b'\\' => place += 2,
            byte if byte == mark => break,
            _ => place += 1,
        }
    }
    Some((open, place.min(text.len())))
}

/// `name: &str = "value"`: the quoted value behind a type.
fn annotated(text: &[u8], start: usize, operator: &[u8]) -> Option<(usize, usize)> {
    let end = run(text, start, 40, |b| is_word(b) || matches!(b, b' ' | b'&' | b'\'' | b'<' | b'>' | b':'));
    if operator != b":" || at(text, end) != b'=' {
        return None;
    }
    quoted(text, run(text, end + 1, 8, is_blank))
}

/// Whether the name before the separator is in capitals, as the variables of an environment are.
fn shouted(text: &[u8], separator: usize) -> bool {
    let start = run_back(text, separator, NAME_BYTES_MAX, is_word);
    let name = between(text, start, separator);
    !name.is_empty() && !name.iter().any(u8::is_ascii_lowercase)
}
