use std::collections::BTreeMap;
use std::string::{String, ToString};
use std::vec::Vec;

use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::*;

#[derive(Deserialize)]
struct Vectors {
    max_depth: usize,
    numbers: Vec<NumberVector>,
    documents: Vec<Document>,
    canonical: Vec<String>,
    other_spellings: Vec<Document>,
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
struct NumberVector {
    ieee754: String,
    text: String,
    i_json: bool,
}

#[derive(Deserialize)]
struct Document {
    name: String,
    input: String,
    canonical: String,
    offset: Option<usize>,
}

#[derive(Deserialize)]
struct Refused {
    name: String,
    input: Option<String>,
    input_hex: Option<String>,
    kind: String,
    offset: usize,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../schemas/vectors/canonical.json")).unwrap()
}

fn word(kind: &JsonErrorKind) -> &'static str {
    match kind {
        JsonErrorKind::Utf8 => "utf8",
        JsonErrorKind::Expected(_) => "expected",
        JsonErrorKind::UnexpectedEnd => "unexpected_end",
        JsonErrorKind::TrailingData => "trailing_data",
        JsonErrorKind::DuplicateKey(_) => "duplicate_key",
        JsonErrorKind::LoneSurrogate => "lone_surrogate",
        JsonErrorKind::ControlCharacter => "control_character",
        JsonErrorKind::Escape => "escape",
        JsonErrorKind::IntegerRange => "integer_range",
        JsonErrorKind::NotFinite => "not_finite",
        JsonErrorKind::Depth => "depth",
        JsonErrorKind::NotCanonical => "not_canonical",
        JsonErrorKind::Unrepresentable(_) => "unrepresentable",
    }
}

fn verdict<T: core::fmt::Debug>(result: Result<T, JsonError>) -> (&'static str, usize) {
    let error = result.unwrap_err();
    (word(error.kind()), error.offset())
}

#[test]
fn numbers_are_written_as_ecmascript_writes_them() {
    for vector in vectors().numbers {
        let bits = u64::from_str_radix(&vector.ieee754, 16).unwrap();
        let value = f64::from_bits(bits);
        let text = vector.text.as_bytes();
        if vector.i_json {
            assert_eq!(to_vec(&value).unwrap(), text, "{}", vector.ieee754);
            assert_eq!(value_to_vec(&Value::from(value)), text);
            assert_eq!(value_to_vec(&parse_canonical(text).unwrap()), text);
        } else {
            assert_eq!(verdict(to_vec(&value)), ("integer_range", 0));
            assert_eq!(verdict(parse(text)), ("integer_range", 0));
        }
    }
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(verdict(to_vec(&value)), ("not_finite", 0));
    }
    assert_eq!(verdict(to_vec(&f32::NAN)), ("not_finite", 0));
}

#[test]
fn documents_canonicalise_as_published() {
    for document in vectors().documents {
        let value = parse(document.input.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(value_to_vec(&value)).unwrap(), document.canonical, "{}", document.name);
        assert_eq!(to_vec(&value).unwrap(), document.canonical.as_bytes());
        assert_eq!(parse_canonical(document.canonical.as_bytes()).unwrap(), value);
    }
}

#[test]
fn canonical_documents_are_accepted_as_they_are() {
    for text in vectors().canonical {
        let value = parse_canonical(text.as_bytes()).unwrap();
        assert_eq!(is_canonical(text.as_bytes()), Ok(()), "{text}");
        assert_eq!(parse(text.as_bytes()).unwrap(), value);
        assert_eq!(String::from_utf8(value_to_vec(&value)).unwrap(), text);
        assert_eq!(String::from_utf8(to_vec(&value).unwrap()).unwrap(), text);
    }
}

#[test]
fn other_spellings_are_read_but_not_canonical() {
    for document in vectors().other_spellings {
        let bytes = document.input.as_bytes();
        let value = parse(bytes).unwrap();
        assert_eq!(value_to_vec(&value), document.canonical.as_bytes(), "{}", document.name);
        let expected = ("not_canonical", document.offset.unwrap());
        assert_eq!(verdict(parse_canonical(bytes)), expected, "{}", document.name);
        assert_eq!(verdict(is_canonical(bytes)), expected, "{}", document.name);
    }
}

#[test]
fn documents_outside_i_json_are_refused_by_every_reader() {
    for refused in vectors().refused {
        let bytes = match (refused.input, refused.input_hex) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(digits)) => hex::decode(digits).unwrap(),
            _ => panic!("{} has one input", refused.name),
        };
        let expected = (refused.kind.as_str(), refused.offset);
        assert_eq!(verdict(parse(&bytes)), expected, "{}", refused.name);
        assert_eq!(verdict(parse_canonical(&bytes)), expected, "{}", refused.name);
        assert_eq!(verdict(is_canonical(&bytes)), expected, "{}", refused.name);
    }
}

#[test]
fn nesting_is_bounded_in_every_direction() {
    let depth = vectors().max_depth;
    assert_eq!(depth, MAX_DEPTH);
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nest = |levels: usize| {
            let text = open.repeat(levels) + "0" + &close.repeat(levels);
            text.into_bytes()
        };
        let value = parse(&nest(depth)).unwrap();
        assert_eq!(to_vec(&value).unwrap(), nest(depth));
        assert_eq!(is_canonical(&nest(depth)), Ok(()));
        let too_deep = ("depth", open.len() * depth);
        assert_eq!(verdict(parse(&nest(depth + 1))), too_deep);
        assert_eq!(verdict(is_canonical(&nest(depth + 1))), too_deep);
        assert_eq!(verdict(parse_canonical(&nest(100_000))), too_deep);
        assert_eq!(verdict(to_vec(&[value])).0, "depth");
    }
}

#[test]
fn errors_say_what_and_where() {
    let message = |text: &str| parse(text.as_bytes()).unwrap_err().to_string();
    assert_eq!(message(r#"{"a":1, "b":2, "a":3}"#), "duplicate key `a` at byte 15");
    assert_eq!(message("{\"\\n\":1,\"\\n\":2}"), "duplicate key `\\n` at byte 8");
    assert_eq!(message("[1,"), "unexpected end of document at byte 3");
    assert_eq!(message("[1;2]"), "expected `,` or `]` at byte 2");
    assert_eq!(message("9007199254740992"), "integer outside ±9007199254740991 at byte 0");
    assert_eq!(is_canonical(b"[1, 2]").unwrap_err().to_string(), "not in canonical form at byte 3");
}

#[derive(Serialize)]
enum Shape {
    Unit,
    Newtype(u8),
    Tuple(u8, bool),
    Struct { z: u8, a: u8 },
}

#[derive(Serialize)]
struct Everything<'a> {
    zebra: Option<u8>,
    text: &'a str,
    shapes: [Shape; 4],
    map: BTreeMap<i32, char>,
    unit: (),
    nested: Newtype,
    fraction: f32,
}

#[derive(Serialize)]
struct Newtype(Value);

#[test]
fn any_serializable_value_is_written_sorted() {
    let value = Everything {
        zebra: None,
        text: "\u{1f600}\"",
        shapes: [Shape::Unit, Shape::Newtype(1), Shape::Tuple(2, true), Shape::Struct { z: 3, a: 4 }],
        map: BTreeMap::from([(10, 'x'), (-2, 'y'), (9, 'z')]),
        unit: (),
        nested: Newtype(json!({"\u{fb33}": 1, "\u{1f600}": 2.5, "b": [1.0, -0.0]})),
        fraction: 0.5,
    };
    let expected = r#"{"fraction":0.5,"map":{"-2":"y","10":"x","9":"z"},"nested":{"b":[1,0],"😀":2.5,"HEBREW":1},"shapes":["Unit",{"Newtype":1},{"Tuple":[2,true]},{"Struct":{"a":4,"z":3}}],"text":"😀\"","unit":null,"zebra":null}"#
        .replace("HEBREW", "\u{fb33}");
    let written = String::from_utf8(to_vec(&value).unwrap()).unwrap();
    assert_eq!(written, expected);
    assert_eq!(is_canonical(written.as_bytes()), Ok(()));
}

/// A map as a careless `Serialize` implementation might write it.
struct Pairs<K>(Vec<(K, u64)>);

impl<K: Serialize> Serialize for Pairs<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

#[test]
fn what_has_no_faithful_form_is_not_written() {
    let duplicate = Pairs(std::vec![("b", 1), ("a", 2), ("b", 3)]);
    assert_eq!(verdict(to_vec(&duplicate)).0, "duplicate_key");
    let adjacent = Pairs(std::vec![("a", 1), ("a", 2)]);
    assert_eq!(verdict(to_vec(&adjacent)).0, "duplicate_key");
    assert_eq!(verdict(to_vec(&Pairs(std::vec![(1.5, 1)]))).0, "unrepresentable");
    assert_eq!(verdict(to_vec(&Pairs(std::vec![([1, 2], 1)]))).0, "unrepresentable");
    assert_eq!(to_vec(&Pairs(std::vec![(true, 1)])).unwrap(), br#"{"true":1}"#);

    let edge = MAX_SAFE;
    assert_eq!(to_vec(&edge).unwrap(), edge.to_string().as_bytes());
    assert_eq!(verdict(to_vec(&(edge + 1))), ("integer_range", 0));
    assert_eq!(verdict(to_vec(&u64::MAX)), ("integer_range", 0));
    assert_eq!(verdict(to_vec(&i64::MIN)), ("integer_range", 0));
    assert_eq!(verdict(to_vec(&u128::MAX)), ("integer_range", 0));
    assert_eq!(verdict(to_vec(&[0, u64::MAX])), ("integer_range", 3));
    assert_eq!(verdict(to_vec(&json!({"a": u64::MAX}))), ("integer_range", 5));
}

const MAX_SAFE: u64 = crate::limits::MAX_SAFE_INTEGER;

#[test]
fn a_prefix_ends_where_its_value_does() {
    assert_eq!(canonical_prefix(br#"{"a":[1,2]},"rest":0}"#), Ok(11));
    assert_eq!(verdict(canonical_prefix(br#"{"b":1,"a":2},"#)), ("not_canonical", 7));
    assert_eq!(verdict(canonical_prefix(b"")), ("unexpected_end", 0));
}
