//! The same over JSON: every string of a value, member names too, each with its place.

use crate::{Context, Finding, findings, redact};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A finding inside a JSON value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Located {
    /// The JSON pointer (RFC 6901) of the string, or of the member whose name it is. A name that holds a secret is
    /// redacted in the pointer too: a place must never tell the value.
    pub pointer: String,
    /// Whether the finding is in the member's name rather than in its value.
    pub in_name: bool,
    /// Kind and place within that string.
    pub finding: Finding,
}

/// The secrets in every string of a value, in the order of the value.
pub fn find(value: &Value) -> Vec<Located> {
    let mut found = Vec::new();
    walk(value, "", "", &mut found);
    found
}

/// Replaces the secrets in every string of a value, and says what they were.
pub fn redact_value(value: Value) -> (Value, Vec<Located>) {
    let mut found = Vec::new();
    walk(&value, "", "", &mut found);
    let value = if found.is_empty() { value } else { rewrite(value, "") };
    (value, found)
}

fn walk(value: &Value, name: &str, pointer: &str, found: &mut Vec<Located>) {
    match value {
        Value::String(text) => locate(findings(text.as_bytes(), Context::Named(name)), pointer, false, found),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, name, &format!("{pointer}/{index}"), found);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                let shown = redact(name.as_bytes(), Context::Text);
                let pointer = format!("{pointer}/{}", shown.text.replace('~', "~0").replace('/', "~1"));
                locate(shown.findings, &pointer, true, found);
                walk(member, name, &pointer, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn locate(findings: Vec<Finding>, pointer: &str, in_name: bool, found: &mut Vec<Located>) {
    found.extend(findings.into_iter().map(|finding| Located { pointer: pointer.to_owned(), in_name, finding }));
}

fn rewrite(value: Value, name: &str) -> Value {
    match value {
        Value::String(text) => Value::String(redact(text.as_bytes(), Context::Named(name)).text),
        Value::Array(items) => Value::Array(items.into_iter().map(|item| rewrite(item, name)).collect()),
        Value::Object(members) => {
            let mut out = Map::new();
            for (name, member) in members {
                let member = rewrite(member, &name);
                out.insert(free_name(&out, redact(name.as_bytes(), Context::Text).text), member);
            }
            Value::Object(out)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

/// Two names may become the same once they are redacted; no member may get lost by that.
fn free_name(taken: &Map<String, Value>, name: String) -> String {
    if !taken.contains_key(&name) {
        return name;
    }
    let mut count = taken.len();
    loop {
        let numbered = format!("{name}#{count}");
        if !taken.contains_key(&numbered) {
            return numbered;
        }
        count += 1;
    }
}
