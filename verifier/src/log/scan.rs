//! A one-pass scanner for canonical JSON: it says whether bytes are in their only spelling, and where the members of an
//! object are, without building anything.
//!
//! Written apart from the reader of `proof`, which builds trees: two readers, one answer, and a property test that
//! compares them. What is rare (escapes, fractions) is handed to `proof` as a document of its own.

use std::cmp::Ordering;

use proof::canonical::{self, MAX_DEPTH};
use proof::limits::MAX_SAFE_INTEGER;

/// Bytes looked at together.
const WORD: usize = 8;

/// Scans bytes that hold one canonical object and nothing else. `visit` gets each member's name and value as they are
/// spelt. `None` if the bytes are anything else.
pub(crate) fn object<'a>(bytes: &'a [u8], visit: impl FnMut(&'a [u8], &'a [u8])) -> Option<()> {
    std::str::from_utf8(bytes).ok()?;
    let mut scanner = Scanner { bytes, at: 0 };
    scanner.object(0, visit)?;
    (scanner.at == bytes.len()).then_some(())
}

/// A string's text, from its spelling with quotation marks.
pub(crate) fn text(literal: &[u8]) -> Option<std::borrow::Cow<'_, str>> {
    let inner = literal.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if inner.contains(&b'\\') {
        return serde_json::from_slice::<String>(literal).ok().map(Into::into);
    }
    std::str::from_utf8(inner).ok().map(Into::into)
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    /// The next byte; zero at the end, which begins nothing.
    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    fn advance(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek() == byte).then(|| self.advance())
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        match self.peek() {
            b'"' => self.string().map(|_| ()),
            b'{' => self.object(depth, |_, _| {}),
            b'[' => self.array(depth),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => None,
        }
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.bytes.get(self.at..)?.starts_with(word).then(|| self.at = self.at.saturating_add(word.len()))
    }

    fn object(&mut self, depth: usize, mut visit: impl FnMut(&'a [u8], &'a [u8])) -> Option<()> {
        self.expect(b'{')?;
        if depth >= MAX_DEPTH {
            return None;
        }
        if self.peek() == b'}' {
            self.advance();
            return Some(());
        }
        let mut previous: Option<&[u8]> = None;
        loop {
            let name = self.string()?;
            if previous.is_some_and(|previous| !is_before(previous, name)) {
                return None;
            }
            previous = Some(name);
            self.expect(b':')?;
            let start = self.at;
            self.value(depth.saturating_add(1))?;
            visit(name, self.since(start));
            match self.peek() {
                b',' => self.advance(),
                b'}' => {
                    self.advance();
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        self.expect(b'[')?;
        if depth >= MAX_DEPTH {
            return None;
        }
        if self.peek() == b']' {
            self.advance();
            return Some(());
        }
        loop {
            self.value(depth.saturating_add(1))?;
            match self.peek() {
                b',' => self.advance(),
                b']' => {
                    self.advance();
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    /// Steps over a string; gives what is between its quotation marks, as it is spelt.
    fn string(&mut self) -> Option<&'a [u8]> {
        let literal = self.at;
        self.expect(b'"')?;
        let start = self.at;
        let mut has_escape = false;
        loop {
            self.plain();
            match self.peek() {
                b'"' => break,
                // What follows the backslash is judged below, with the whole string.
                b'\\' => {
                    has_escape = true;
                    self.at = self.at.saturating_add(2);
                }
                _ => return None,
            }
        }
        let inner = self.since(start);
        self.advance();
        if has_escape {
            canonical::is_canonical(self.since(literal)).ok()?;
        }
        Some(inner)
    }

    /// Steps over bytes that stand for themselves.
    fn plain(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let (words, _) = rest.as_chunks::<WORD>();
        let whole = words.iter().take_while(|word| is_plain(u64::from_le_bytes(**word))).count();
        let skipped = whole.saturating_mul(WORD);
        let tail = rest.get(skipped..).unwrap_or_default();
        let plain = tail.iter().take_while(|byte| !matches!(**byte, 0..=0x1f | b'"' | b'\\')).count();
        self.at = self.at.saturating_add(skipped).saturating_add(plain);
    }

    fn number(&mut self) -> Option<()> {
        let start = self.at;
        let rest = self.bytes.get(start..).unwrap_or_default();
        let is_part = |byte: &&u8| matches!(**byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        self.at = self.at.saturating_add(rest.iter().take_while(is_part).count());
        let literal = self.since(start);
        let digits = literal.strip_prefix(b"-").unwrap_or(literal);
        match digits {
            [b'0'] if digits.len() == literal.len() => Some(()),
            [b'1'..=b'9', more @ ..] if more.iter().all(u8::is_ascii_digit) => {
                (digits.len() < 16 || number(digits)? <= MAX_SAFE_INTEGER).then_some(())
            }
            _ => canonical::is_canonical(literal).ok(),
        }
    }
}

/// Decimal digits as a number.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Whether none of eight bytes is a control character, a quotation mark or a backslash. It may say no of some that
/// stand for themselves.
const fn is_plain(word: u64) -> bool {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    let quote = word ^ (ONES * 0x22);
    let backslash = word ^ (ONES * 0x5c);
    let control = word.wrapping_sub(ONES * 0x20);
    let zero = quote.wrapping_sub(ONES) | backslash.wrapping_sub(ONES) | control;
    // A byte that is not ASCII has its high bit set: it is plain, and must not count as a borrow.
    zero & !word & HIGH == 0
}

/// Whether one name comes before another: by UTF-16 code units, as RFC 8785 asks.
fn is_before(one: &[u8], other: &[u8]) -> bool {
    let is_simple = |name: &[u8]| name.iter().all(|byte| byte.is_ascii() && *byte != b'\\');
    if is_simple(one) && is_simple(other) {
        return one < other;
    }
    let units = |name: &[u8]| -> Vec<u16> {
        let literal = [b"\"", name, b"\""].concat();
        text(&literal).map_or_else(Vec::new, |text| text.encode_utf16().collect())
    };
    units(one).cmp(&units(other)) == Ordering::Less
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn holds(bytes: &[u8]) -> bool {
        object(bytes, |_, _| {}).is_some()
    }

    /// What the other reader says.
    fn oracle(bytes: &[u8]) -> bool {
        bytes.first() == Some(&b'{') && canonical::is_canonical(bytes).is_ok()
    }

    fn text_strategy() -> impl Strategy<Value = String> {
        let awkward = prop_oneof![
            Just("\u{0}".to_owned()),
            Just("\u{1f}\u{20}\u{7f}\u{80}".to_owned()),
            Just("\"\\/\u{8}\t\n\u{c}\r".to_owned()),
            Just("\u{ffff}\u{fb33}\u{1f600}".to_owned()),
        ];
        prop_oneof![3 => "[a-z]{0,24}", 1 => any::<String>(), 1 => awkward]
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Value::from),
            (-30_i64..30).prop_map(Value::from),
            (-1e6..1e6).prop_map(Value::from),
            text_strategy().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(text_strategy(), inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn two_readers_give_one_answer(value in values(), at in any::<prop::sample::Index>(), byte in any::<u8>(), how in 0..4) {
            let mut bytes = canonical::to_vec(&json!({"b": value, "z": 1})).unwrap();
            prop_assert!(holds(&bytes) && oracle(&bytes));
            let place = at.index(bytes.len());
            match how {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                2 => drop(bytes.remove(place)),
                _ => bytes.truncate(place),
            }
            prop_assert_eq!(holds(&bytes), oracle(&bytes), "{}", String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn whatever_the_bytes_there_is_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(holds(&bytes), oracle(&bytes));
        }

        #[test]
        fn eight_bytes_at_once_are_judged_as_one_by_one(bytes in any::<[u8; 8]>()) {
            let special = bytes.iter().any(|byte| matches!(byte, 0..=0x1f | b'"' | b'\\'));
            // It may stop too early, never too late.
            prop_assert!(!(special && is_plain(u64::from_le_bytes(bytes))));
        }
    }

    #[test]
    fn edges_of_the_form() {
        for text in [
            "{}",
            "{\"a\":1}",
            "{\"a\":9007199254740991}",
            "{\"a\":-9007199254740991}",
            "{\"a\":0.35}",
            "{\"a\":1e+21}",
            "{\"a\":[],\"b\":{}}",
            "{\"\\n\":1}",
            "{\"\u{1f600}\":1,\"\u{fb33}\":2}",
            "{\"a\":0,\"ab\":0}",
        ] {
            assert!(holds(text.as_bytes()) && oracle(text.as_bytes()), "{text}");
        }
        for text in [
            "",
            "{",
            "[]",
            "1",
            "{}x",
            " {}",
            "{ }",
            "{\"a\" :1}",
            "{\"b\":1,\"a\":1}",
            "{\"a\":1,\"a\":1}",
            "{\"a\":01}",
            "{\"a\":-0}",
            "{\"a\":-}",
            "{\"a\":1.0}",
            "{\"a\":9007199254740992}",
            "{\"a\":99999999999999999999}",
            "{\"a\":1,}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"\\u000a\":1}",
            "{\"\\/\":1}",
            "{\"a\":\"\u{1}\"}",
            "{\"a\":tru}",
            "{\"\u{fb33}\":1,\"\u{1f600}\":2}",
            "{\"a\":[1,]}",
            "{\"a\":\"\\",
            "{\"ab\":0,\"a\":0}",
            "{\"a\":+1}",
        ] {
            assert!(!holds(text.as_bytes()) && !oracle(text.as_bytes()), "{text}");
        }
        for (depth, fits) in [(62, true), (63, true), (64, false), (5_000, false)] {
            let text = format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
            assert_eq!((holds(text.as_bytes()), oracle(text.as_bytes())), (fits, fits), "{depth}");
        }
        assert!(!holds(b"{\"a\":\"\xff\"}") && !oracle(b"{\"a\":\"\xff\"}"));
    }

    #[test]
    fn members_are_handed_over_as_they_are_spelt() {
        let mut seen = Vec::new();
        object(br#"{"a":"x\ny","b":[1,{"c":2}]}"#, |name, value| seen.push((name, value))).unwrap();
        assert_eq!(seen, [(&b"a"[..], &br#""x\ny""#[..]), (b"b", br#"[1,{"c":2}]"#)]);
        assert_eq!(text(br#""x\ny""#).unwrap(), "x\ny");
        assert_eq!(text(br#""xy""#).unwrap(), "xy");
        assert_eq!(text(b"xy"), None);
    }
}
