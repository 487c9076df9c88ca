//! Whom to believe: pinned keys, or a trust policy; without either, nobody.

use std::num::NonZero;

use proof::VerifierKey;
use proof::note::KeyKind;

pub use proof::policy::{self, TrustPolicy, TrustPolicyError};

/// Where trust in a log's checkpoint key comes from.
#[derive(Clone, Debug, Default)]
pub enum Trust {
    /// From nowhere: the log is measured by the key in its own genesis. That shows that a log is consistent with
    /// itself, not whose it is.
    #[default]
    SelfAsserted,
    /// From a checkpoint key that the user knows.
    Key(Box<VerifierKey>),
    /// From a `tlog-policy` file: logs, witnesses, and how many of them must have signed.
    Policy(Box<TrustPolicy>),
}

impl Trust {
    /// Whether it comes from the user.
    pub const fn is_pinned(&self) -> bool {
        !matches!(self, Self::SelfAsserted)
    }
}

/// How to verify.
#[derive(Clone, Default)]
pub struct Options<'a> {
    /// Whom to believe.
    pub trust: Trust,
    /// The root key that the genesis must name.
    pub root: Option<VerifierKey>,
    /// Threads that check signatures; as many as there are cores if not given.
    pub threads: Option<NonZero<usize>>,
    /// For `log`: look at form, chain, tiles and head only. An event's signature is not checked, nor what it says.
    pub structure_only: bool,
    /// Called now and then with the events checked so far and the events there are.
    pub progress: Option<&'a (dyn Fn(u64, u64) + Sync)>,
}

impl std::fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { trust, root, threads, structure_only, progress: _ } = self;
        f.debug_struct("Options")
            .field("trust", trust)
            .field("root", root)
            .field("threads", threads)
            .field("structure_only", structure_only)
            .finish_non_exhaustive()
    }
}

impl Options<'_> {
    pub(crate) fn thread_count(&self) -> usize {
        self.threads.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZero::get)
    }
}

/// Reads a log's key from a vkey line; a witness's is refused.
///
/// # Errors
/// A sentence about what is wrong with the line.
pub fn parse_log_key(line: &str) -> Result<VerifierKey, String> {
    let key = VerifierKey::parse(line.trim()).map_err(|error| format!("`{line}` is no vkey: {error}"))?;
    match key.kind() {
        KeyKind::Ed25519 => Ok(key),
        KeyKind::Cosignature => Err(format!("`{}` is a witness's key, expected a log's", key.name())),
    }
}
