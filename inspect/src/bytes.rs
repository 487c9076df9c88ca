//! Reading bytes without ever reaching past the end, and the classes of bytes that the scanners share.

use memchr::memmem;

/// The byte at a place; NUL, which is in no class, beyond the end.
pub(crate) fn at(text: &[u8], place: usize) -> u8 {
    text.get(place).copied().unwrap_or(0)
}

/// The byte before a place; NUL at the start.
pub(crate) fn before(text: &[u8], place: usize) -> u8 {
    place.checked_sub(1).map_or(0, |p| at(text, p))
}

/// The bytes from `start` to `end`; empty when there are none.
pub(crate) fn between(text: &[u8], start: usize, end: usize) -> &[u8] {
    text.get(start..end.min(text.len())).unwrap_or_default()
}

/// Where the run of bytes of a class that begins at `start` ends, at most `most` bytes on.
pub(crate) fn run(text: &[u8], start: usize, most: usize, class: impl Fn(u8) -> bool) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    start + rest.iter().take(most).take_while(|b| class(**b)).count()
}

/// Where the run of bytes of a class that ends at `end` (exclusive) begins, at most `most` bytes back.
pub(crate) fn run_back(text: &[u8], end: usize, most: usize, class: impl Fn(u8) -> bool) -> usize {
    let rest = text.get(..end).unwrap_or_default();
    end - rest.iter().rev().take(most).take_while(|b| class(**b)).count()
}

/// Whether the text goes on with `needle` at a place.
pub(crate) fn goes_on(text: &[u8], place: usize, needle: &[u8]) -> bool {
    text.get(place..).is_some_and(|rest| rest.starts_with(needle))
}

/// The first place at or after `start` where `needle` begins.
pub(crate) fn find(text: &[u8], start: usize, needle: &[u8]) -> Option<usize> {
    memmem::find(text.get(start..)?, needle).map(|offset| start + offset)
}

/// Letters, digits and the underscore: what a word is made of.
pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Words and the hyphen: base64url, and most tokens.
pub(crate) fn is_token(byte: u8) -> bool {
    is_word(byte) || byte == b'-'
}

/// Standard base64 with padding.
pub(crate) fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// A space or a tab.
pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// A quote of any of the three kinds.
pub(crate) fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`')
}

/// Whether the bytes hold `word`, whatever their case. `word` is in lower case.
pub(crate) fn holds(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len().max(1)).any(|window| window.eq_ignore_ascii_case(word))
}
