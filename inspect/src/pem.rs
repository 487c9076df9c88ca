//! Private keys in PEM form.
//!
//! ```text
//! -----BEGIN [ENCRYPTED|RSA|EC|OPENSSH|…] PRIVATE KEY[ BLOCK]-----
//! base64 …
//! -----END … PRIVATE KEY-----
//! ```
//!
//! Line ends may be real, escaped (`\n` inside a JSON string) or missing. The markers alone, as in this comment or in a
//! program that looks for them, are no secret: there has to be key material behind them. A key whose end is missing is
//! found too.

use crate::bytes::{between, find, goes_on, is_base64, run};
use crate::{Finding, Kind, SECRET_BYTES_MAX};

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
/// A run of base64 this long behind a BEGIN marker is taken for key material.
const MATERIAL_BYTES_MIN: usize = 16;

pub(crate) fn scan(text: &[u8], found: &mut Vec<Finding>) {
    let mut from = 0;
    while let Some(begin) = find(text, from, BEGIN) {
        let label_start = begin + BEGIN.len();
        let label_end = run(text, label_start, 64, is_label);
        from = label_end;
        if !is_private(between(text, label_start, label_end)) || !goes_on(text, label_end, DASHES) {
            continue;
        }
        let body = label_end + DASHES.len();
        // Never past the next dashes, so no byte is searched twice.
        let next = find(text, body, DASHES).unwrap_or(text.len());
        let (body_end, end) = if goes_on(text, next, END) && next - body <= SECRET_BYTES_MAX {
            (next, marker_end(text, next + END.len()))
        } else {
            let body_end = run(text, body, next - body, is_body);
            (body_end, body_end)
        };
        if has_material(between(text, body, body_end)) {
            found.push(Finding::new(Kind::PemPrivateKey, begin, end));
        }
        from = end.max(body);
    }
}

fn is_label(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' '
}

fn is_body(byte: u8) -> bool {
    is_base64(byte) || byte.is_ascii_whitespace() || matches!(byte, b'\\' | b':' | b',')
}

fn is_private(label: &[u8]) -> bool {
    label.ends_with(b"PRIVATE KEY") || label.ends_with(b"PRIVATE KEY BLOCK")
}

fn marker_end(text: &[u8], label_start: usize) -> usize {
    let label_end = run(text, label_start, 64, is_label);
    run(text, label_end, DASHES.len(), |b| b == b'-')
}

fn has_material(body: &[u8]) -> bool {
    let mut place = 0;
    while place < body.len() {
        let end = run(body, place, MATERIAL_BYTES_MIN, is_base64);
        if end - place >= MATERIAL_BYTES_MIN {
            return true;
        }
        place = end + 1;
    }
    false
}
