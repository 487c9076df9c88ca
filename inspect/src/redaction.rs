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
    Redacted { text: replace(&text, 0, text.len(), &found), findings: found }
}

/// Reads a whole text but keeps only `start..end` of it: for a piece of a longer text, when the rest is there as context
/// ([`crate::SECRET_BYTES_MAX`] of it on a side that goes on is enough). A secret that reaches over an edge is replaced as
/// a whole. An unbroken run of bytes that reaches from an edge to the text's own beginning or end may be part of a
/// secret too long to be recognised, and is left out.
pub fn redact_window(text: &[u8], start: usize, end: usize) -> Redacted {
    let (head, rest) = text.split_at_checked(start).unwrap_or((text, &[]));
    let (body, tail) = rest.split_at_checked(end.saturating_sub(start)).unwrap_or((rest, &[]));
    let mut whole = String::from_utf8_lossy(head).into_owned();
    let start = whole.len();
    whole.push_str(&String::from_utf8_lossy(body));
    let end = whole.len();
    whole.push_str(&String::from_utf8_lossy(tail));
    let (start, end) = unbroken_edges(whole.as_bytes(), start, end);
    let mut found = findings(whole.as_bytes(), Context::Text);
    found.retain(|finding| finding.end() > start && finding.start < end);
    Redacted { text: replace(&whole, start, end, &found), findings: found }
}

fn unbroken_edges(text: &[u8], start: usize, end: usize) -> (usize, usize) {
    let mut edges = (start, end);
    let first = text.iter().take_while(|b| !b.is_ascii_whitespace()).count();
    if start > 0 && first > start {
        edges.0 = first.min(end);
    }
    let last = text.iter().rev().take_while(|b| !b.is_ascii_whitespace()).count();
    if end < text.len() && text.len() - last < end {
        edges.1 = (text.len() - last).max(edges.0);
    }
    edges
}

/// The text from `start` to `end`, with each finding replaced. Findings begin and end at ASCII bytes or at the text's
/// ends, so they never split a character; one that did would take the text up to the next finding with it.
fn replace(text: &str, start: usize, end: usize, found: &[Finding]) -> String {
    let mut out = String::with_capacity(end.saturating_sub(start));
    let mut place = start;
    for finding in found {
        out.push_str(text.get(place..finding.start).unwrap_or_default());
        out.push_str("[REDACTED:");
        out.push_str(finding.kind.name());
        out.push(']');
        place = finding.end();
    }
    out.push_str(text.get(place..end).unwrap_or_default());
    out
}
