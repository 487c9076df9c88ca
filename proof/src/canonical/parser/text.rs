//! Strings: plain runs, escapes, surrogates.

use alloc::borrow::Cow;
use alloc::string::String;

use super::super::writer::needs_escape;
use super::{JsonError, JsonErrorKind, Parser};

impl<'a> Parser<'a> {
    pub(super) fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.advance();
        let start = self.at;
        self.plain();
        let plain = self.since(start);
        if self.peek() == Some(b'"') {
            self.advance();
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = String::from(plain);
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.advance();
                    return Ok(Cow::Owned(text));
                }
                Some(b'\\') => text.push(self.escape()?),
                Some(_) => return Err(self.error(JsonErrorKind::ControlCharacter)),
                None => return Err(self.error(JsonErrorKind::UnexpectedEnd)),
            }
            let start = self.at;
            self.plain();
            text.push_str(self.since(start));
        }
    }

    /// Steps over the bytes that stand for themselves.
    fn plain(&mut self) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let plain = rest.iter().position(|byte| needs_escape(*byte)).unwrap_or(rest.len());
        self.at = self.at.saturating_add(plain);
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let start = self.at;
        self.advance();
        let character = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(start),
            Some(_) => return Err(JsonError::new(start, JsonErrorKind::Escape)),
            None => return Err(self.error(JsonErrorKind::UnexpectedEnd)),
        };
        if self.is_canonical() && character == '/' {
            return Err(JsonError::new(start, JsonErrorKind::NotCanonical));
        }
        self.advance();
        Ok(character)
    }

    /// `\uXXXX`, or two of them that make a pair; `self.at` is on the `u`.
    fn unicode_escape(&mut self, start: usize) -> Result<char, JsonError> {
        let lone = JsonError::new(start, JsonErrorKind::LoneSurrogate);
        let first = self.hex4(start)?;
        let character = match first {
            0xD800..=0xDBFF => {
                if self.text.get(self.at..).is_none_or(|rest| !rest.starts_with("\\u")) {
                    return Err(lone);
                }
                self.advance();
                let second = self.hex4(start)?;
                char::decode_utf16([first, second]).next().and_then(Result::ok)
            }
            unit => char::from_u32(unit.into()),
        };
        let character = character.ok_or(lone)?;
        if self.is_canonical() && !is_canonical_unicode_escape(self.since(start), character) {
            return Err(JsonError::new(start, JsonErrorKind::NotCanonical));
        }
        Ok(character)
    }

    /// Steps over `uXXXX`.
    fn hex4(&mut self, start: usize) -> Result<u16, JsonError> {
        self.advance();
        let digits = self.at;
        for _ in 0..4 {
            match self.peek() {
                Some(byte) if byte.is_ascii_hexdigit() => self.advance(),
                Some(_) => return Err(JsonError::new(start, JsonErrorKind::Escape)),
                None => return Err(self.error(JsonErrorKind::UnexpectedEnd)),
            }
        }
        u16::from_str_radix(self.since(digits), 16).map_err(|_| JsonError::new(start, JsonErrorKind::Escape))
    }
}

/// Whether the writer would have used this `\u` escape for the character.
fn is_canonical_unicode_escape(escape: &str, character: char) -> bool {
    let needs_it = character < ' ' && !matches!(character, '\u{8}' | '\t' | '\n' | '\u{c}' | '\r');
    needs_it && !escape.bytes().any(|byte| byte.is_ascii_uppercase())
}
