//! Replacing what was found.

use crate::{Context, Finding, findings};

/// A text without its secrets, and what they were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted {
    /// The text: valid UTF-8, with `[REDACTED:<kind>]` in the place of each secret.
    pub text: String,
    /// The secrets, placed in the text as it was (with what was no UTF-8 already replaced).
    pub findings: Vec<Finding>,
}

/// Replaces each secret by `[REDACTED:<kind>]`, and what is no UTF-8 by U+FFFD. Do this before truncating.
pub fn redact(text: &[u8], context: Context<'_>) -> Redacted {
    let text = String::from_utf8_lossy(text);
    let found = findings(text.as_bytes(), context);
    Redacted {
        text: replace(&text, 0, &found),
        findings: found,
    }
}

/// Reads a whole text but keeps only what begins at `start`: for the end of a long text, whose beginning is context.
/// A secret that reaches over `start` is replaced as a whole. So is, when the text itself begins in the middle of
/// something, an unbroken run of bytes from its beginning that reaches over `start`: it may be the end of a secret.
pub fn redact_from(text: &[u8], start: usize) -> Redacted {
    let (head, tail) = text.split_at_checked(start).unwrap_or((text, &[]));
    let mut whole = String::from_utf8_lossy(head).into_owned();
    let start = whole.len();
    whole.push_str(&String::from_utf8_lossy(tail));
    let mut found = findings(whole.as_bytes(), Context::Text);
    let unbroken = whole
        .bytes()
        .take_while(|b| !b.is_ascii_whitespace())
        .count();
    let kept_from = if unbroken > start && start > 0 {
        unbroken
    } else {
        start
    };
    found.retain(|finding| finding.end() > kept_from);
    Redacted {
        text: replace(&whole, kept_from, &found),
        findings: found,
    }
}

/// The text from `start`, with each finding replaced. Findings begin and end at ASCII bytes or at the text's ends, so
/// they never split a character; one that did would take the text up to the next finding with it.
fn replace(text: &str, start: usize, found: &[Finding]) -> String {
    let mut out = String::with_capacity(text.len().saturating_sub(start));
    let mut place = start;
    for finding in found {
        out.push_str(text.get(place..finding.start).unwrap_or_default());
        out.push_str("[REDACTED:");
        out.push_str(finding.kind.name());
        out.push(']');
        place = finding.end().max(start);
    }
    out.push_str(text.get(place..).unwrap_or_default());
    out
}
