//! What a parser makes of a document: a tree, or nothing but a verdict.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::{Map, Value};

use super::number::Number;

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
