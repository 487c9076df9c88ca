//! The one JSON spelling of a value: RFC 8785 (JCS) over I-JSON (RFC 7493).
//!
//! What is hashed and signed must have one spelling. Canonicalisation alone is not enough:
//! two *different* documents can canonicalise to the same bytes when they hold duplicate keys or
//! numbers that a double cannot tell apart. So such documents are refused, never repaired.
//!
//! * [`parse`] reads any spelling of an I-JSON document.
//! * [`parse_canonical`] and [`is_canonical`] accept only what [`to_vec`] would have written.
//! * [`to_vec`] and [`value_to_vec`] write it.
//!
//! Numbers: a literal without fraction or exponent must lie within ±(2^53 - 1). One that has
//! them is rounded to the nearest double, as ECMAScript reads it; if its value is integral it
//! becomes the integer, within the same bounds. From 10^21 upwards ECMAScript writes doubles with
//! an exponent (`1e+21`), which no reader takes for an exact integer, so those are allowed.

mod build;
mod error;
mod number;
mod order;
mod parser;
mod serializer;
pub(crate) mod writer;

use alloc::vec::Vec;

use serde::Serialize;
use serde_json::Value;

pub use crate::limits::MAX_DEPTH;
pub use error::{JsonError, JsonErrorKind};

use build::{Check, Tree};
use parser::{Mode, Parser};

/// Reads one JSON document in any spelling.
///
/// Refused: bytes that are not UTF-8, a byte order mark, duplicate keys (compared after
/// unescaping), lone surrogates, numbers outside I-JSON, more than [`MAX_DEPTH`] nested
/// containers, and anything but white space after the value.
pub fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    Parser::new(bytes, Mode::AnySpelling)?.document(&Tree)
}

/// Reads one JSON document that is spelled exactly as [`to_vec`] spells it.
pub fn parse_canonical(bytes: &[u8]) -> Result<Value, JsonError> {
    Parser::new(bytes, Mode::Canonical)?.document(&Tree).map_err(|error| explain(bytes, error))
}

/// The verdict of [`parse_canonical`], without building the tree.
pub fn is_canonical(bytes: &[u8]) -> Result<(), JsonError> {
    Parser::new(bytes, Mode::Canonical)?.document(&Check).map_err(|error| explain(bytes, error))
}

/// Writes a value in canonical form.
///
/// Map keys and struct fields are sorted whatever order they come in. Refused: numbers outside
/// I-JSON (also NaN, which plain `serde_json` would turn into `null`), duplicate keys, keys that
/// are not strings, integers or booleans, and more than [`MAX_DEPTH`] nested containers.
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, JsonError> {
    serializer::to_vec(value)
}

/// Writes a tree that [`parse`] or [`parse_canonical`] made in canonical form.
///
/// A tree from elsewhere may hold numbers outside I-JSON, which this cannot refuse; give such a
/// tree to [`to_vec`].
pub fn value_to_vec(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    writer::value(value, &mut out);
    out
}

/// Scans one canonical value at the start of `bytes`; returns how many bytes it takes.
///
/// The offset of a `NotCanonical` error is where the scanner stopped, which for misplaced keys is
/// the key that came too late.
pub(crate) fn canonical_prefix(bytes: &[u8]) -> Result<usize, JsonError> {
    Parser::new(bytes, Mode::Canonical)?.prefix(&Check)
}

/// Replaces the strict parser's error by the most useful one: what is wrong with the document in
/// any spelling, else where it first differs from its canonical form.
///
/// Costs a second parse and a write, on refused input only.
fn explain(bytes: &[u8], error: JsonError) -> JsonError {
    let value = match parse(bytes) {
        Ok(value) => value,
        Err(error) => return error,
    };
    let canonical = value_to_vec(&value);
    let same = bytes.iter().zip(&canonical).take_while(|(a, b)| a == b).count();
    if same == bytes.len() && same == canonical.len() {
        return error;
    }
    JsonError::new(same, JsonErrorKind::NotCanonical)
}

#[cfg(test)]
mod tests;
