//! A recursive-descent JSON parser that can also insist on the canonical spelling.

mod text;

use alloc::borrow::Cow;

use super::build::Build;
use super::error::{JsonError, JsonErrorKind};
use super::number::{self, Number};
use super::order;
use crate::limits::MAX_DEPTH;

/// Which spellings to accept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Any that the grammar allows.
    AnySpelling,
    /// Only the one that the writer would have produced.
    Canonical,
}

/// A position in a document.
pub(super) struct Parser<'a> {
    text: &'a str,
    at: usize,
    mode: Mode,
}

impl<'a> Parser<'a> {
    pub(super) fn new(bytes: &'a [u8], mode: Mode) -> Result<Self, JsonError> {
        let text =
            core::str::from_utf8(bytes).map_err(|error| JsonError::new(error.valid_up_to(), JsonErrorKind::Utf8))?;
        Ok(Self { text, at: 0, mode })
    }

    /// The whole input as one document.
    pub(super) fn document<B: Build>(mut self, build: &B) -> Result<B::Value, JsonError> {
        self.space()?;
        let value = self.value(build, 0)?;
        self.space()?;
        match self.peek() {
            None => Ok(value),
            Some(_) => Err(self.error(JsonErrorKind::TrailingData)),
        }
    }

    /// One value at the start of the input; returns its length.
    pub(super) fn prefix<B: Build>(mut self, build: &B) -> Result<usize, JsonError> {
        self.value(build, 0)?;
        Ok(self.at)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn advance(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn error(&self, kind: JsonErrorKind) -> JsonError {
        JsonError::new(self.at, kind)
    }

    fn expected(&self, what: &'static str) -> JsonError {
        self.error(match self.peek() {
            Some(_) => JsonErrorKind::Expected(what),
            None => JsonErrorKind::UnexpectedEnd,
        })
    }

    fn not_canonical(&self) -> JsonError {
        self.error(JsonErrorKind::NotCanonical)
    }

    fn is_canonical(&self) -> bool {
        self.mode == Mode::Canonical
    }

    /// The text from `start` up to here.
    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn space(&mut self) -> Result<(), JsonError> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            if self.is_canonical() {
                return Err(self.not_canonical());
            }
            self.advance();
        }
        Ok(())
    }

    fn value<B: Build>(&mut self, build: &B, depth: usize) -> Result<B::Value, JsonError> {
        match self.peek() {
            Some(b'{') => self.object(build, depth),
            Some(b'[') => self.array(build, depth),
            Some(b'"') => Ok(build.string(self.string()?)),
            Some(b'-' | b'0'..=b'9') => Ok(build.number(self.number()?)),
            Some(b't') => self.word("true").map(|()| build.boolean(true)),
            Some(b'f') => self.word("false").map(|()| build.boolean(false)),
            Some(b'n') => self.word("null").map(|()| build.null()),
            _ => Err(self.expected("a JSON value")),
        }
    }

    fn word(&mut self, word: &'static str) -> Result<(), JsonError> {
        if self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            self.at = self.at.saturating_add(word.len());
            Ok(())
        } else {
            Err(self.expected("a JSON value"))
        }
    }

    /// Steps over an opening bracket at `depth` enclosing containers.
    fn open(&mut self, depth: usize) -> Result<usize, JsonError> {
        if depth >= MAX_DEPTH {
            return Err(self.error(JsonErrorKind::Depth));
        }
        self.advance();
        self.space()?;
        Ok(depth.saturating_add(1))
    }

    /// Steps over `,` (more follows: true) or the closing bracket (false).
    fn more(&mut self, close: u8, expected: &'static str) -> Result<bool, JsonError> {
        self.space()?;
        match self.peek() {
            Some(b',') => {
                self.advance();
                self.space()?;
                Ok(true)
            }
            Some(byte) if byte == close => {
                self.advance();
                Ok(false)
            }
            _ => Err(self.expected(expected)),
        }
    }

    fn array<B: Build>(&mut self, build: &B, depth: usize) -> Result<B::Value, JsonError> {
        let inside = self.open(depth)?;
        let mut array = build.array();
        if self.peek() == Some(b']') {
            self.advance();
            return Ok(build.end_array(array));
        }
        loop {
            let value = self.value(build, inside)?;
            build.push(&mut array, value);
            if !self.more(b']', "`,` or `]`")? {
                return Ok(build.end_array(array));
            }
        }
    }

    fn object<B: Build>(&mut self, build: &B, depth: usize) -> Result<B::Value, JsonError> {
        let inside = self.open(depth)?;
        let mut object = build.object();
        if self.peek() == Some(b'}') {
            self.advance();
            return Ok(build.end_object(object));
        }
        let mut previous: Option<Cow<'a, str>> = None;
        loop {
            let key_at = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.expected("a key"));
            }
            let key = self.string()?;
            if self.is_canonical() {
                if previous.is_some_and(|previous| !order::utf16(&previous, &key).is_lt()) {
                    return Err(JsonError::new(key_at, JsonErrorKind::NotCanonical));
                }
                previous = Some(key.clone());
            }
            self.space()?;
            if self.peek() != Some(b':') {
                return Err(self.expected("`:`"));
            }
            self.advance();
            self.space()?;
            let value = self.value(build, inside)?;
            if build.insert(&mut object, key, value) {
                return Err(self.duplicate(key_at));
            }
            if !self.more(b'}', "`,` or `}`")? {
                return Ok(build.end_object(object));
            }
        }
    }

    /// The error for a key that was seen before; reads the key again, for it has been moved.
    fn duplicate(&mut self, key_at: usize) -> JsonError {
        self.at = key_at;
        match self.string() {
            Ok(key) => JsonError::new(key_at, JsonErrorKind::DuplicateKey(key.into_owned())),
            Err(error) => error,
        }
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.advance();
        }
        if self.at == start { Err(self.expected("a digit")) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<Number, JsonError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.advance();
        }
        let leading_zero = self.peek() == Some(b'0');
        let integer_at = self.at;
        self.digits()?;
        if leading_zero && self.since(integer_at).len() > 1 {
            return Err(JsonError::new(integer_at, JsonErrorKind::Expected("no leading zero")));
        }
        let mut is_literal_integer = true;
        if self.peek() == Some(b'.') {
            is_literal_integer = false;
            self.advance();
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            is_literal_integer = false;
            self.advance();
            if let Some(b'+' | b'-') = self.peek() {
                self.advance();
            }
            self.digits()?;
        }
        let literal = self.since(start);
        let number = if is_literal_integer { number::integer(literal) } else { number::double(literal) };
        let number = number.map_err(|kind| JsonError::new(start, kind))?;
        if self.is_canonical() && !number::is_canonical(literal, number) {
            return Err(JsonError::new(start, JsonErrorKind::NotCanonical));
        }
        Ok(number)
    }
}
