//! The order of keys: by UTF-16 code units, as RFC 8785 3.2.3 demands.

use core::cmp::Ordering;

/// Compares two keys by their UTF-16 code units, without encoding them.
///
/// UTF-8 bytes sort by code point. UTF-16 differs in one place only: characters beyond U+FFFF
/// (UTF-8 lead bytes F0 to F4) are written with surrogates D800 to DFFF, which sort before U+E000
/// to U+FFFF (lead bytes EE and EF).
pub(super) fn utf16(a: &str, b: &str) -> Ordering {
    let difference = a.bytes().zip(b.bytes()).find(|(x, y)| x != y);
    match difference {
        None => a.len().cmp(&b.len()),
        Some((x, y)) if x >= 0xEE && y >= 0xEE => (x < 0xF0, x).cmp(&(y < 0xF0, y)),
        Some((x, y)) => x.cmp(&y),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_encoded_utf16() {
        let edges = [
            '\0',
            'a',
            '\u{7f}',
            '\u{80}',
            '\u{7ff}',
            '\u{800}',
            '\u{d7ff}',
            '\u{e000}',
            '\u{ffff}',
            '\u{fb33}',
            '\u{10000}',
            '\u{1f600}',
            '\u{10ffff}',
        ];
        let mut texts = std::vec![std::string::String::new()];
        for first in edges {
            texts.push(first.into());
            for second in edges {
                texts.push([first, second].iter().collect());
            }
        }
        for a in &texts {
            for b in &texts {
                assert_eq!(utf16(a, b), a.encode_utf16().cmp(b.encode_utf16()), "{a:?} {b:?}");
            }
        }
    }
}
