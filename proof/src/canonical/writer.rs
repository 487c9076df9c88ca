//! Writing values in canonical form.

use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use serde_json::{Map, Number, Value};

use super::order;

/// Lets `core::fmt` write into a byte buffer.
struct Buffer<'a>(&'a mut Vec<u8>);

impl fmt::Write for Buffer<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Appends a tree.
pub(super) fn value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(value) => boolean(*value, out),
        Value::Number(value) => number(value, out),
        Value::String(value) => string(value, out),
        Value::Array(items) => {
            out.push(b'[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                self::value(item, out);
            }
            out.push(b']');
        }
        Value::Object(map) => object(map, out),
    }
}

fn object(map: &Map<alloc::string::String, Value>, out: &mut Vec<u8>) {
    out.push(b'{');
    // The map is in byte order (or insertion order, if some crate of the build asks serde_json
    // for that). For keys without exotic characters byte order is the right one already.
    if map.keys().is_sorted_by(|a, b| order::utf16(a, b).is_lt()) {
        members(map.iter(), out);
    } else {
        let mut sorted: Vec<_> = map.iter().collect();
        sorted.sort_unstable_by(|(a, _), (b, _)| order::utf16(a, b));
        members(sorted.into_iter(), out);
    }
    out.push(b'}');
}

fn members<'a>(members: impl Iterator<Item = (&'a alloc::string::String, &'a Value)>, out: &mut Vec<u8>) {
    for (position, (key, member)) in members.enumerate() {
        if position > 0 {
            out.push(b',');
        }
        string(key, out);
        out.push(b':');
        value(member, out);
    }
}

fn number(number: &Number, out: &mut Vec<u8>) {
    if let Some(value) = number.as_u64() {
        unsigned(value, out);
    } else if let Some(value) = number.as_i64() {
        signed(value, out);
    } else if let Some(value) = number.as_f64() {
        float(value, out);
    }
}

/// Appends `true` or `false`.
pub(super) fn boolean(value: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// Appends an integer.
pub(crate) fn unsigned(value: u64, out: &mut Vec<u8>) {
    // Writing into a Vec cannot fail.
    let _ = write!(Buffer(out), "{value}");
}

/// Appends an integer.
pub(super) fn signed(value: i64, out: &mut Vec<u8>) {
    let _ = write!(Buffer(out), "{value}");
}

/// Appends a finite double as ECMAScript's `Number::toString` writes it.
pub(super) fn float(value: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(ryu_js::Buffer::new().format_finite(value).as_bytes());
}

/// Appends a string with the fewest escapes (RFC 8785 3.2.2.2).
pub(crate) fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| needs_escape(*byte)) {
        let (plain, tail) = rest.split_at(at);
        out.extend_from_slice(plain);
        if let Some((byte, tail)) = tail.split_first() {
            escape(*byte, out);
            rest = tail;
        }
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Whether a byte cannot stand in a string as it is.
pub(super) const fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0C => b'f',
        b'\r' => b'r',
        other => other,
    };
    if short == byte && byte < 0x20 {
        let _ = write!(Buffer(out), "\\u{byte:04x}");
    } else {
        out.extend_from_slice(&[b'\\', short]);
    }
}
