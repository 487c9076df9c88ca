//! Numbers within I-JSON.

use super::error::JsonErrorKind;
use crate::limits::MAX_SAFE_INTEGER;

/// A number within I-JSON.
#[derive(Clone, Copy)]
pub(super) enum Number {
    Integer(i64),
    Double(f64),
}

/// Whether the writer would have spelled the number that way.
pub(super) fn is_canonical(literal: &str, number: Number) -> bool {
    match number {
        // Without fraction, exponent and leading zeros only `-0` differs from what is written.
        Number::Integer(_) => literal != "-0" && literal.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit()),
        Number::Double(value) => ryu_js::Buffer::new().format_finite(value) == literal,
    }
}

/// An integer literal within I-JSON.
pub(super) fn integer(literal: &str) -> Result<Number, JsonErrorKind> {
    literal
        .parse::<i64>()
        .ok()
        .filter(|value| value.unsigned_abs() <= MAX_SAFE_INTEGER)
        .map(Number::Integer)
        .ok_or(JsonErrorKind::IntegerRange)
}

/// A literal with fraction or exponent: an integer if its value is one.
pub(super) fn double(literal: &str) -> Result<Number, JsonErrorKind> {
    let value: f64 = literal.parse().map_err(|_| JsonErrorKind::NotFinite)?;
    if !value.is_finite() {
        return Err(JsonErrorKind::NotFinite);
    }
    classify(value)
}

/// Decides by the canonical spelling, which is what readers will see: digits alone are an
/// integer and must be one that every reader gets exactly.
pub(super) fn classify(value: f64) -> Result<Number, JsonErrorKind> {
    let mut buffer = ryu_js::Buffer::new();
    let canonical = buffer.format_finite(value);
    if canonical.bytes().any(|byte| byte == b'.' || byte == b'e') {
        return Ok(Number::Double(value));
    }
    integer(canonical)
}
