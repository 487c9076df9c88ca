//! What can be wrong with a JSON document.

use alloc::string::{String, ToString};
use core::fmt;

use crate::limits::{MAX_DEPTH, MAX_SAFE_INTEGER};

/// Why a JSON document was refused, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    offset: usize,
    kind: JsonErrorKind,
}

/// Why a JSON document was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonErrorKind {
    /// The bytes are not UTF-8.
    Utf8,
    /// The grammar asks for something else here.
    Expected(&'static str),
    /// The document ends too early.
    UnexpectedEnd,
    /// Something follows the document.
    TrailingData,
    /// An object has this key twice.
    DuplicateKey(String),
    /// Half of a UTF-16 surrogate pair.
    LoneSurrogate,
    /// A control character that is not escaped.
    ControlCharacter,
    /// A backslash followed by something that is no escape.
    Escape,
    /// An integer outside ±(2^53 - 1).
    IntegerRange,
    /// A number that is not finite as a double.
    NotFinite,
    /// More nested containers than [`MAX_DEPTH`].
    Depth,
    /// A valid document in another spelling than the canonical one.
    NotCanonical,
    /// A Rust value that has no JSON form.
    Unrepresentable(String),
}

impl JsonError {
    pub(super) const fn new(offset: usize, kind: JsonErrorKind) -> Self {
        Self { offset, kind }
    }

    /// The same error in a document that starts `bytes` later.
    #[must_use]
    pub(crate) fn shifted(self, bytes: usize) -> Self {
        Self { offset: self.offset.saturating_add(bytes), kind: self.kind }
    }

    /// The byte where the trouble starts: in the input when parsing, in the output when writing.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// What the trouble is.
    pub const fn kind(&self) -> &JsonErrorKind {
        &self.kind
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.kind, self.offset)
    }
}

impl fmt::Display for JsonErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Utf8 => f.write_str("bytes that are not UTF-8"),
            Self::Expected(what) => write!(f, "expected {what}"),
            Self::UnexpectedEnd => f.write_str("unexpected end of document"),
            Self::TrailingData => f.write_str("trailing data"),
            // A key may hold line breaks, which have no place in a message.
            Self::DuplicateKey(key) => write!(f, "duplicate key `{}`", key.escape_debug()),
            Self::LoneSurrogate => f.write_str("lone surrogate"),
            Self::ControlCharacter => f.write_str("unescaped control character"),
            Self::Escape => f.write_str("unknown escape"),
            Self::IntegerRange => write!(f, "integer outside ±{MAX_SAFE_INTEGER}"),
            Self::NotFinite => f.write_str("number that is not finite"),
            Self::Depth => write!(f, "more than {MAX_DEPTH} nested containers"),
            Self::NotCanonical => f.write_str("not in canonical form"),
            Self::Unrepresentable(what) => write!(f, "cannot be written as JSON: {what}"),
        }
    }
}

impl core::error::Error for JsonError {}

impl serde::ser::Error for JsonError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(0, JsonErrorKind::Unrepresentable(message.to_string()))
    }
}
