//! Tokens that announce themselves: a well-known beginning, then so many characters of a class.

use crate::bytes::{at, before, goes_on, is_base64, is_token, is_word, run};
use crate::{Finding, Kind};

/// One shape of token. It starts where a word starts and ends where its class and the word end.
struct Shape {
    kind: Kind,
    prefix: &'static [u8],
    class: fn(u8) -> bool,
    min: usize,
    max: usize,
}

const NO_MAX: usize = usize::MAX;

const fn shape(kind: Kind, prefix: &'static [u8], class: fn(u8) -> bool, min: usize, max: usize) -> Shape {
    Shape { kind, prefix, class, min, max }
}

/// Longer prefixes stand before the shorter ones that they begin with.
const SHAPES: &[Shape] = &[
    shape(Kind::AwsAccessKeyId, b"AKIA", is_upper, 16, 16),
    shape(Kind::AwsAccessKeyId, b"ASIA", is_upper, 16, 16),
    shape(Kind::AwsAccessKeyId, b"ABIA", is_upper, 16, 16),
    shape(Kind::AwsAccessKeyId, b"ACCA", is_upper, 16, 16),
    shape(Kind::GithubToken, b"ghp_", is_word, 20, NO_MAX),
    shape(Kind::GithubToken, b"gho_", is_word, 20, NO_MAX),
    shape(Kind::GithubToken, b"ghu_", is_word, 20, NO_MAX),
    shape(Kind::GithubToken, b"ghs_", is_word, 20, NO_MAX),
    shape(Kind::GithubToken, b"ghr_", is_word, 20, NO_MAX),
    shape(Kind::GithubToken, b"github_pat_", is_word, 20, NO_MAX),
    shape(Kind::GitlabToken, b"glpat-", is_dotted, 20, NO_MAX),
    shape(Kind::GitlabToken, b"gldt-", is_dotted, 20, NO_MAX),
    shape(Kind::GitlabToken, b"glrt-", is_dotted, 20, NO_MAX),
    shape(Kind::GitlabToken, b"glptt-", is_dotted, 20, NO_MAX),
    shape(Kind::GitlabToken, b"glcbt-", is_dotted, 20, NO_MAX),
    shape(Kind::GitlabToken, b"glsoat-", is_dotted, 20, NO_MAX),
    shape(Kind::GitlabToken, b"glagent-", is_dotted, 20, NO_MAX),
    shape(Kind::SlackToken, b"xoxa-", is_token, 16, NO_MAX),
    shape(Kind::SlackToken, b"xoxb-", is_token, 16, NO_MAX),
    shape(Kind::SlackToken, b"xoxe-", is_token, 16, NO_MAX),
    shape(Kind::SlackToken, b"xoxe.xox", is_token, 16, NO_MAX),
    shape(Kind::SlackToken, b"xoxp-", is_token, 16, NO_MAX),
    shape(Kind::SlackToken, b"xoxr-", is_token, 16, NO_MAX),
    shape(Kind::SlackToken, b"xoxs-", is_token, 16, NO_MAX),
    shape(Kind::SlackToken, b"xapp-", is_token, 16, NO_MAX),
    shape(Kind::SlackToken, b"hooks.slack.com/services/", is_path, 20, NO_MAX),
    shape(Kind::StripeKey, b"sk_live_", is_word, 16, NO_MAX),
    shape(Kind::StripeKey, b"sk_test_", is_word, 16, NO_MAX),
    shape(Kind::StripeKey, b"rk_live_", is_word, 16, NO_MAX),
    shape(Kind::StripeKey, b"rk_test_", is_word, 16, NO_MAX),
    shape(Kind::StripeKey, b"whsec_", is_base64, 24, NO_MAX),
    shape(Kind::AnthropicKey, b"sk-ant-", is_token, 20, NO_MAX),
    shape(Kind::OpenaiKey, b"sk-proj-", is_token, 20, NO_MAX),
    shape(Kind::OpenaiKey, b"sk-svcacct-", is_token, 20, NO_MAX),
    shape(Kind::OpenaiKey, b"sk-admin-", is_token, 20, NO_MAX),
    shape(Kind::ServiceToken, b"sk-or-v1-", is_hex, 32, NO_MAX),
    shape(Kind::OpenaiKey, b"sk-", is_alphanumeric, 32, NO_MAX),
    shape(Kind::GoogleKey, b"AIza", is_token, 35, 35),
    shape(Kind::GoogleKey, b"ya29.", is_dotted, 20, NO_MAX),
    shape(Kind::GoogleKey, b"GOCSPX-", is_token, 20, NO_MAX),
    shape(Kind::GoogleKey, b"1//0", is_token, 40, NO_MAX),
    shape(Kind::CountersignKey, b"cs_", is_hex, 64, 64),
    shape(Kind::CountersignKey, b"m87_", is_hex, 64, 64),
    shape(Kind::ServiceToken, b"npm_", is_alphanumeric, 36, 36),
    shape(Kind::ServiceToken, b"pypi-AgE", is_token, 40, NO_MAX),
    shape(Kind::ServiceToken, b"hf_", is_alphanumeric, 30, 50),
    shape(Kind::ServiceToken, b"dop_v1_", is_hex, 64, 64),
    shape(Kind::ServiceToken, b"shpat_", is_hex, 32, 32),
    shape(Kind::ServiceToken, b"SG.", is_dotted, 60, NO_MAX),
    shape(Kind::ServiceToken, b"AGE-SECRET-KEY-1", is_upper, 50, NO_MAX),
];

const NOTE_SIGNER: &[u8] = b"PRIVATE+KEY+";

pub(crate) fn scan(text: &[u8], found: &mut Vec<Finding>) {
    let mut place = 0;
    while place < text.len() {
        let Some(finding) = token_at(text, place) else {
            place += 1;
            continue;
        };
        place = finding.end();
        found.push(finding);
    }
}

/// Looks at no more than a bounded number of bytes unless it finds something.
fn token_at(text: &[u8], place: usize) -> Option<Finding> {
    let first = at(text, place);
    if is_word(before(text, place)) || !first.is_ascii_alphanumeric() {
        return None;
    }
    if first == b'e' {
        return jwt(text, place);
    }
    if goes_on(text, place, NOTE_SIGNER) {
        return note_signer(text, place);
    }
    SHAPES
        .iter()
        .filter(|shape| shape.prefix.first() == Some(&first) && goes_on(text, place, shape.prefix))
        .find_map(|shape| shape.matches(text, place))
}

impl Shape {
    fn matches(&self, text: &[u8], place: usize) -> Option<Finding> {
        let body = place + self.prefix.len();
        let end = run(text, body, self.max.saturating_add(1), self.class);
        let length = end - body;
        let whole = (self.min..=self.max).contains(&length) && !is_word(at(text, end));
        whole.then(|| Finding::new(self.kind, place, end))
    }
}

/// `header.payload.signature` in base64url, where header and payload are JSON objects (`eyJ` is `{"`); or the five parts
/// of an encrypted one.
fn jwt(text: &[u8], place: usize) -> Option<Finding> {
    const OBJECT: &[u8] = b"eyJ";
    if before(text, place) == b'-' || !goes_on(text, place, OBJECT) {
        return None;
    }
    let header_end = run(text, place, NO_MAX, is_token);
    if header_end - place < 10 || at(text, header_end) != b'.' {
        return None;
    }
    let payload = header_end + 1;
    let payload_end = run(text, payload, NO_MAX, is_token);
    if at(text, payload_end) != b'.' {
        return None;
    }
    let mut end = run(text, payload_end + 1, NO_MAX, is_token);
    if goes_on(text, payload, OBJECT) && payload_end - payload >= 8 {
        return Some(Finding::new(Kind::Jwt, place, end));
    }
    for _ in 0..2 {
        if at(text, end) != b'.' {
            return None;
        }
        end = run(text, end + 1, NO_MAX, is_token);
    }
    Some(Finding::new(Kind::Jwt, place, end))
}

/// `PRIVATE+KEY+<name>+<8 hexadecimal digits>+<base64>`.
fn note_signer(text: &[u8], place: usize) -> Option<Finding> {
    let name = place + NOTE_SIGNER.len();
    let name_end = run(text, name, 512, |b| b.is_ascii_graphic() && b != b'+' || b >= 0x80);
    let hash = name_end + 1;
    let hash_end = run(text, hash, 9, is_hex);
    let separated = at(text, name_end) == b'+' && at(text, hash_end) == b'+';
    if name_end == name || hash_end - hash != 8 || !separated {
        return None;
    }
    let key = hash_end + 1;
    let end = run(text, key, NO_MAX, is_base64);
    (end - key >= 16).then(|| Finding::new(Kind::NoteSignerKey, place, end))
}

fn is_upper(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

fn is_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

fn is_dotted(byte: u8) -> bool {
    is_token(byte) || byte == b'.'
}

fn is_path(byte: u8) -> bool {
    is_token(byte) || byte == b'/'
}
