//! Secrets that a protocol carries in a known place: behind `Authorization:` and inside a URL.

use crate::bytes::{before, between, find, holds, is_blank, is_quote, is_word, run, run_back};
use crate::{Finding, Kind, assignment};

const AUTHORIZATION: &[u8] = b"authorization";

pub(crate) fn scan(text: &[u8], found: &mut Vec<Finding>) {
    authorization(text, found);
    url_passwords(text, found);
}

/// `Authorization: Bearer X`, `"authorization": "Basic X"`, and a `Bearer X` without its header when X is long enough
/// to be no word of a sentence.
fn authorization(text: &[u8], found: &mut Vec<Finding>) {
    let mut place = 0;
    while let Some(offset) = text.get(place..).and_then(|rest| rest.iter().position(|b| scheme_starts(*b))) {
        let scheme = place + offset;
        place = scheme + 1;
        if is_word(before(text, scheme)) {
            continue;
        }
        let scheme_end = run(text, scheme, 7, |b| b.is_ascii_alphabetic());
        let word = between(text, scheme, scheme_end);
        let bearer = word.eq_ignore_ascii_case(b"bearer");
        let other = word.eq_ignore_ascii_case(b"basic") || word.eq_ignore_ascii_case(b"token");
        let value = run(text, scheme_end, 4, is_blank);
        if !(bearer || other) || value == scheme_end {
            continue;
        }
        let end = run(text, value, usize::MAX, is_credential);
        let credential = between(text, value, end);
        let headed = follows_header(text, scheme);
        let long = bearer && credential.len() >= 16 && credential.iter().any(u8::is_ascii_digit);
        if (headed && credential.len() >= 8 || long) && !assignment::is_placeholder(credential) {
            found.push(Finding::new(Kind::Authorization, value, end));
            place = end;
        }
    }
}

fn scheme_starts(byte: u8) -> bool {
    matches!(byte, b'b' | b'B' | b't' | b'T')
}

fn is_credential(byte: u8) -> bool {
    is_word(byte) || matches!(byte, b'-' | b'.' | b'~' | b'+' | b'/' | b'=')
}

/// Whether the word `authorization` stands before, with nothing between but separators.
fn follows_header(text: &[u8], scheme: usize) -> bool {
    let name_end =
        run_back(text, scheme, 12, |b| is_blank(b) || is_quote(b) || matches!(b, b':' | b'=' | b',' | b'\\'));
    let name = between(text, name_end.saturating_sub(AUTHORIZATION.len()), name_end);
    name_end < scheme && name.eq_ignore_ascii_case(AUTHORIZATION)
}

/// `scheme://user:password@host`. A password that equals its user, or is the word itself,
/// is a well-known default or an example.
fn url_passwords(text: &[u8], found: &mut Vec<Finding>) {
    let mut from = 0;
    while let Some(slashes) = find(text, from, b"://") {
        let user = slashes + 3;
        let user_end = run(text, user, 128, |b| is_userinfo(b) && b != b':');
        let password = user_end + 1;
        let password_end = run(text, password, 512, is_userinfo);
        from = user;
        if text.get(user_end) != Some(&b':') || text.get(password_end) != Some(&b'@') {
            continue;
        }
        let value = between(text, password, password_end);
        let word: &[&[u8]] = &[b"pass", b"passwd", b"password"];
        if value.len() >= 3
            && !word.contains(&value)
            && value != between(text, user, user_end)
            && !assignment::is_placeholder(value)
            && !holds(value, b"${")
        {
            found.push(Finding::new(Kind::UrlPassword, password, password_end));
        }
        from = password_end;
    }
}

fn is_userinfo(byte: u8) -> bool {
    (byte.is_ascii_graphic() || byte >= 0x80)
        && !is_quote(byte)
        && !matches!(byte, b'/' | b'@' | b'<' | b'>' | b'[' | b']' | b'\\')
}
