//! A recursive-descent JSON parser that can also insist on the canonical spelling.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::{Map, Value};

use super::error::{JsonError, JsonErrorKind};
use super::order;
use crate::limits::{MAX_DEPTH, MAX_SAFE_INTEGER};

/// Which spellings to accept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Any that the grammar allows.
    AnySpelling,
    /// Only the one that the writer would have produced.
    Canonical,
}

/// What to make of the parts of a document.
pub(super) trait Build {
    type Value;
    type Array;
    type Object;

    fn null(&self) -> Self::Value;
    fn boolean(&self, value: bool) -> Self::Value;
    fn number(&self, value: Number) -> Self::Value;
    fn string(&self, value: Cow<'_, str>) -> Self::Value;
    fn array(&self) -> Self::Array;
    fn push(&self, array: &mut Self::Array, value: Self::Value);
    fn end_array(&self, array: Self::Array) -> Self::Value;
    fn object(&self) -> Self::Object;
    /// Returns whether the key was there already.
    fn insert(&self, object: &mut Self::Object, key: Cow<'_, str>, value: Self::Value) -> bool;
    fn end_object(&self, object: Self::Object) -> Self::Value;
}

/// A number within I-JSON.
#[derive(Clone, Copy)]
pub(super) enum Number {
    Integer(i64),
    Double(f64),
}

/// Builds a tree.
pub(super) struct Tree;

impl Build for Tree {
    type Value = Value;
    type Array = Vec<Value>;
    type Object = Map<String, Value>;

    fn null(&self) -> Value {
        Value::Null
    }
    fn boolean(&self, value: bool) -> Value {
        Value::Bool(value)
    }
    fn number(&self, value: Number) -> Value {
        match value {
            Number::Integer(value) => Value::from(value),
            Number::Double(value) => Value::from(value),
        }
    }
    fn string(&self, value: Cow<'_, str>) -> Value {
        Value::String(value.into_owned())
    }
    fn array(&self) -> Vec<Value> {
        Vec::new()
    }
    fn push(&self, array: &mut Vec<Value>, value: Value) {
        array.push(value);
    }
    fn end_array(&self, array: Vec<Value>) -> Value {
        Value::Array(array)
    }
    fn object(&self) -> Map<String, Value> {
        Map::new()
    }
    fn insert(&self, object: &mut Map<String, Value>, key: Cow<'_, str>, value: Value) -> bool {
        object.insert(key.into_owned(), value).is_some()
    }
    fn end_object(&self, object: Map<String, Value>) -> Value {
        Value::Object(object)
    }
}

/// Builds nothing. Only for the canonical mode, where the order of keys rules out duplicates.
pub(super) struct Check;

impl Build for Check {
    type Value = ();
    type Array = ();
    type Object = ();

    fn null(&self) {}
    fn boolean(&self, _: bool) {}
    fn number(&self, _: Number) {}
    fn string(&self, _: Cow<'_, str>) {}
    fn array(&self) {}
    fn push(&self, (): &mut (), (): ()) {}
    fn end_array(&self, (): ()) {}
    fn object(&self) {}
    fn insert(&self, (): &mut (), _: Cow<'_, str>, (): ()) -> bool {
        false
    }
    fn end_object(&self, (): ()) {}
}

/// A position in a document.
pub(super) struct Parser<'a> {
    text: &'a str,
    at: usize,
    mode: Mode,
}

impl<'a> Parser<'a> {
    pub(super) fn new(bytes: &'a [u8], mode: Mode) -> Result<Self, JsonError> {
        let text = core::str::from_utf8(bytes)
            .map_err(|error| JsonError::new(error.valid_up_to(), JsonErrorKind::Utf8))?;
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
        if self
            .text
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(word))
        {
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

    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
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
        let plain = rest
            .iter()
            .position(|byte| super::writer::needs_escape(*byte))
            .unwrap_or(rest.len());
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
                if self
                    .text
                    .get(self.at..)
                    .is_none_or(|rest| !rest.starts_with("\\u"))
                {
                    return Err(lone);
                }
                self.advance();
                let second = self.hex4(start)?;
                char::decode_utf16([first, second])
                    .next()
                    .and_then(Result::ok)
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
        u16::from_str_radix(self.since(digits), 16)
            .map_err(|_| JsonError::new(start, JsonErrorKind::Escape))
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.advance();
        }
        if self.at == start {
            Err(self.expected("a digit"))
        } else {
            Ok(())
        }
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
            return Err(JsonError::new(
                integer_at,
                JsonErrorKind::Expected("no leading zero"),
            ));
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
        let number = if is_literal_integer {
            integer(literal)
        } else {
            double(literal)
        };
        let number = number.map_err(|kind| JsonError::new(start, kind))?;
        if self.is_canonical() && !is_canonical_number(literal, number) {
            return Err(JsonError::new(start, JsonErrorKind::NotCanonical));
        }
        Ok(number)
    }
}

/// Whether the writer would have used this `\u` escape for the character.
fn is_canonical_unicode_escape(escape: &str, character: char) -> bool {
    let needs_it = character < ' ' && !matches!(character, '\u{8}' | '\t' | '\n' | '\u{c}' | '\r');
    needs_it && !escape.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn is_canonical_number(literal: &str, number: Number) -> bool {
    match number {
        // Without fraction, exponent and leading zeros only `-0` differs from what is written.
        Number::Integer(_) => {
            literal != "-0"
                && literal
                    .bytes()
                    .all(|byte| byte == b'-' || byte.is_ascii_digit())
        }
        Number::Double(value) => ryu_js::Buffer::new().format_finite(value) == literal,
    }
}

/// An integer literal within I-JSON.
fn integer(literal: &str) -> Result<Number, JsonErrorKind> {
    literal
        .parse::<i64>()
        .ok()
        .filter(|value| value.unsigned_abs() <= MAX_SAFE_INTEGER)
        .map(Number::Integer)
        .ok_or(JsonErrorKind::IntegerRange)
}

/// A literal with fraction or exponent: an integer if its value is one.
fn double(literal: &str) -> Result<Number, JsonErrorKind> {
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
