//! What a piece of content holds: findings, secrets, redaction. Pure: no I/O, no clock, and the same bytes give the
//! same findings for ever (a released engine freezes this crate, so that a verifier can find them again).
//!
//! A [`Finding`] names a kind and a place, never the value. In a command a finding refuses it; in a tool's output
//! [`redact`] replaces it **before** anything is truncated, hashed or written (law 9): cut first, and half a key no
//! longer looks like one.
//!
//! In scope: secrets that have a recognisable shape ([`Kind`]) and values assigned to a name that says they are secret.
//! Out of scope: secrets that look like nothing in particular, or that somebody encoded on purpose. A scanner lessens
//! accidents; what keeps a determined program from a secret is that it never gets to read one (the runner's confinement).
//!
//! Every scan is linear in the length of the text: whatever is looked at twice is bounded by a constant.

mod assignment;
mod bytes;
mod carrier;
pub mod json;
mod pem;
mod redaction;
mod shape;
#[cfg(test)]
mod tests;

pub use redaction::{Redacted, redact, redact_window};

use serde::{Deserialize, Serialize};
use std::fmt;

/// A longer secret than any this crate knows of (a 16,384-bit RSA key in PEM form is 12.5 KB). Who has to inspect a
/// window of a longer text keeps this much around it.
pub const SECRET_BYTES_MAX: usize = 16 * 1024;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A private key in PEM form (PKCS#1, PKCS#8, EC, OpenSSH, PGP; encrypted or not).
    PemPrivateKey,
    /// An AWS access key id.
    AwsAccessKeyId,
    /// An AWS secret access key.
    AwsSecretAccessKey,
    /// A GitHub token.
    GithubToken,
    /// A GitLab token.
    GitlabToken,
    /// A Slack token or webhook address.
    SlackToken,
    /// A Stripe secret or restricted key, or a webhook secret.
    StripeKey,
    /// An `OpenAI` key.
    OpenaiKey,
    /// An Anthropic key.
    AnthropicKey,
    /// A Google API key or OAuth token.
    GoogleKey,
    /// A token of another well-known service (npm, `PyPI`, Hugging Face, `SendGrid`, `DigitalOcean`, age …).
    ServiceToken,
    /// An API key of Countersign or M87: `cs_` or `m87_` and 64 hexadecimal digits.
    CountersignKey,
    /// A note signer key: `PRIVATE+KEY+…`.
    NoteSignerKey,
    /// What follows `Authorization: Bearer` (or `Basic`).
    Authorization,
    /// A JSON Web Token.
    Jwt,
    /// A value assigned to a name such as `password`, `secret`, `token` or `api_key`.
    AssignedSecret,
    /// The password in `scheme://user:password@host`.
    UrlPassword,
}

impl Kind {
    /// The kind's stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::PemPrivateKey => "pem_private_key",
            Self::AwsAccessKeyId => "aws_access_key_id",
            Self::AwsSecretAccessKey => "aws_secret_access_key",
            Self::GithubToken => "github_token",
            Self::GitlabToken => "gitlab_token",
            Self::SlackToken => "slack_token",
            Self::StripeKey => "stripe_key",
            Self::OpenaiKey => "openai_key",
            Self::AnthropicKey => "anthropic_key",
            Self::GoogleKey => "google_key",
            Self::ServiceToken => "service_token",
            Self::CountersignKey => "countersign_key",
            Self::NoteSignerKey => "note_signer_key",
            Self::Authorization => "authorization",
            Self::Jwt => "jwt",
            Self::AssignedSecret => "assigned_secret",
            Self::UrlPassword => "url_password",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One secret: its kind and its place in the text, in bytes. Never its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// What it is.
    pub kind: Kind,
    /// Where it starts.
    pub start: usize,
    /// How long it is.
    pub length: usize,
}

impl Finding {
    fn new(kind: Kind, start: usize, end: usize) -> Self {
        Self { kind, start, length: end.saturating_sub(start) }
    }

    /// Where it ends: the offset of the first byte behind it.
    pub fn end(&self) -> usize {
        self.start.saturating_add(self.length)
    }
}

/// Where the text stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context<'a> {
    /// By itself: a file, an output, a message.
    Text,
    /// As the value of a member or input of this name, which may say that the whole of it is a secret.
    Named(&'a str),
}

/// The secrets in a text, in order and without overlap.
pub fn findings(text: &[u8], context: Context<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    pem::scan(text, &mut found);
    shape::scan(text, &mut found);
    carrier::scan(text, &mut found);
    assignment::scan(text, &mut found);
    if let Context::Named(name) = context {
        found.extend(assignment::named(name, text));
    }
    merge(found)
}

/// Overlapping findings become one; the one that starts first (the longer, when two start together) gives its kind.
fn merge(mut found: Vec<Finding>) -> Vec<Finding> {
    found.sort_by(|a, b| a.start.cmp(&b.start).then(b.length.cmp(&a.length)).then(a.kind.cmp(&b.kind)));
    let mut merged: Vec<Finding> = Vec::with_capacity(found.len());
    for next in found {
        match merged.last_mut() {
            Some(last) if next.start < last.end() => {
                last.length = last.end().max(next.end()).saturating_sub(last.start);
            }
            _ => merged.push(next),
        }
    }
    merged
}
