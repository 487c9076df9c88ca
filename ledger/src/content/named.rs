//! Which bodies an event names.
//!
//! Leaves are canonical JSON, so a commitment's digest stands in them in one spelling only, and it is enough to look for
//! that. What else is spelt so, such as the digest of a file that a runner wrote, is found as well: taking too much for
//! named keeps a body, taking too little would lose one.

use proof::Hash;

/// What stands before a digest. Within a string a quotation mark is escaped, so this is never part of one.
const BEFORE: &[u8] = b"\"sha256\":\"";
const DIGITS: usize = 64;

/// The digests that a leaf names.
pub(super) fn named(leaf: &[u8]) -> impl Iterator<Item = Hash> {
    let mut rest = leaf;
    std::iter::from_fn(move || {
        loop {
            let at = find(rest)?;
            rest = rest.get(at + BEFORE.len()..)?;
            let hash = rest.get(..DIGITS).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
            if hash.is_some() {
                return hash;
            }
        }
    })
}

fn find(bytes: &[u8]) -> Option<usize> {
    // Digests are rare: nearly every window is ruled out by its colon.
    let middle = BEFORE.len() - 2;
    let mut from = 0;
    loop {
        let colon = bytes.get(from + middle..)?.iter().position(|byte| *byte == b':')?;
        let at = from + colon;
        if bytes.get(at..).is_some_and(|rest| rest.starts_with(BEFORE)) {
            return Some(at);
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    #[test]
    fn commitments_are_found_wherever_they_stand_and_nothing_in_a_text_is() {
        let hash = |n: u8| proof::sha256(&[n]);
        let leaf = json!({
            "a": {"commit": {"length": 3, "media_type": "text/plain", "sha256": hash(1)}},
            "bodies": {"content": {"length": 3, "media_type": "x", "sha256": hash(2)}},
            "list": [{"sha256": hash(3)}, {"sha256": "short"}, {"sha256": null}],
            "text": format!("a text that says {{\"sha256\":\"{}\"}}", hash(4)),
        });
        let bytes = proof::canonical::value_to_vec(&leaf);
        assert_eq!(named(&bytes).collect::<Vec<_>>(), [hash(1), hash(2), hash(3)]);
        assert_eq!(named(b"\"sha256\":\"").count(), 0);
        assert_eq!(named(b"").count(), 0);
    }

    fn walk(value: &Value, found: &mut Vec<Hash>) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    if name == "sha256" {
                        found.extend(member.as_str().and_then(|text| text.parse::<Hash>().ok()));
                    }
                    walk(member, found);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
            _ => {}
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let digest = any::<u8>().prop_map(|n| Value::from(proof::sha256(&[n]).to_string()));
        let leaf =
            prop_oneof![digest, "[\"\\\\:a-f0-9sh]{0,12}".prop_map(Value::from), any::<i32>().prop_map(Value::from)];
        leaf.prop_recursive(4, 40, 5, |inner| {
            let name = prop_oneof![Just("sha256".to_owned()), "[a-z\":\\\\]{0,6}"];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
                prop::collection::vec((name, inner), 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// Against a walk over the parsed tree.
        #[test]
        fn what_is_found_is_what_a_walk_over_the_tree_finds(value in any_json()) {
            let bytes = proof::canonical::value_to_vec(&value);
            let mut walked = Vec::new();
            walk(&value, &mut walked);
            let mut found: Vec<_> = named(&bytes).collect();
            walked.sort_unstable();
            found.sort_unstable();
            prop_assert_eq!(found, walked);
        }
    }
}
