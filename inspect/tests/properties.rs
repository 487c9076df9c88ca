//! What must hold for any bytes at all.

use countersign_inspect::{Context, findings, json, redact, redact_window};
use proptest::prelude::*;
use std::time::{Duration, Instant};

/// Pieces of the grammar of secrets, so that random texts come near to it.
const PIECES: &[&str] = &[
    "password",
    "token",
    "secret",
    "api_key",
    "pass",
    " = ",
    "=",
    ": ",
    ":",
    "::",
    "=>",
    "\"",
    "'",
    "`",
    "\\\"",
    "\\",
    "\n",
    " ",
    "[",
    "]",
    "{",
    "}",
    ";",
    ",",
    "@",
    "://",
    "/",
    ".",
    "-",
    "_",
    "hunter2",
    "a1b2c3d4e5",
    "0123456789abcdef",
    "AKIA",
    "ABCDEFGHIJ012345",
    "ghp_",
    "sk-",
    "sk-ant-",
    "eyJ",
    "eyJhbGciOi",
    "cs_",
    "PRIVATE+KEY+",
    "+1a2b3c4d+",
    "Bearer ",
    "Authorization: ",
    "-----BEGIN ",
    "PRIVATE KEY",
    "-----",
    "-----END ",
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v",
    "[REDACTED:",
    "\u{e9}",
    "\u{2014}",
    "user",
    "&str",
    "$",
    "x",
];

fn near_secrets() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES), 0..24).prop_map(|pieces| pieces.concat())
}

fn any_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = near_secrets().prop_map(serde_json::Value::from);
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::vec((near_secrets(), inner), 0..4)
                .prop_map(|m| m.into_iter().collect::<serde_json::Value>()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), edge in 0_usize..450, other in 0_usize..450) {
        let found = findings(&bytes, Context::Text);
        prop_assert!(found.iter().all(|f| f.length > 0 && f.end() <= bytes.len()));
        prop_assert!(found.is_sorted_by(|a, b| a.end() <= b.start));
        let _ = redact_window(&bytes, edge, other);
    }

    #[test]
    fn a_redacted_text_has_no_findings(text in near_secrets()) {
        let redacted = redact(text.as_bytes(), Context::Text);
        prop_assert_eq!(findings(redacted.text.as_bytes(), Context::Text), vec![], "{:?} -> {:?}", text, redacted.text);
    }

    #[test]
    fn a_redacted_value_has_no_findings(value in any_value()) {
        let (redacted, _) = json::redact_value(value);
        prop_assert_eq!(json::find(&redacted), vec![]);
    }

    #[test]
    fn a_text_without_findings_is_unchanged(text in near_secrets()) {
        if findings(text.as_bytes(), Context::Text).is_empty() {
            prop_assert_eq!(redact(text.as_bytes(), Context::Text).text, text);
        }
    }
}

/// The inputs that make a careless scanner quadratic: a megabyte of each must not take noticeably long.
#[test]
fn time_is_linear_in_the_worst_cases() {
    let pieces = [
        "token=",
        "token=\"",
        "token=\\\"",
        "token='token=\"",
        "sk-",
        "eyJ-",
        "eyJ.",
        "eyJaaaaaaa.",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN ",
        "://a:",
        "Bearer ",
        "bearer bearer ",
        "Authorization: ",
        "ghp_",
        "\\",
        "=",
        "a",
        "PRIVATE+KEY+",
        "xoxb-",
        "\"",
        " ",
    ];
    for piece in pieces {
        let text = piece.repeat((1 << 18) / piece.len());
        let start = Instant::now();
        let _ = findings(text.as_bytes(), Context::Text);
        assert!(start.elapsed() < Duration::from_secs(2), "`{piece}` took {:?}", start.elapsed());
    }
}
