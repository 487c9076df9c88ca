//! What was once and is over: intents, proposals and jobs that no event will touch again. Of each only its name, where
//! it began and how it ended is kept, to recognise it; everything else stands in the log.
//!
//! They pile up with history, so the state holds the latest only. The rest is in an [`Archive`], which whoever keeps
//! the state provides; an auditor who replays a log from its start needs none.

use crate::event::Subject;
use crate::event::decision::Ruling;
use proof::hash::sha256;
use proof::index::LeafIndex;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Bytes of a [`ClosedKey`].
pub const KEY_BYTES: usize = 24;

/// A subject's name in 24 bytes: the beginning of the SHA-256 of its text. Two subjects that share them cannot be made
/// with less than about 2^96 work, and then the later one would be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClosedKey([u8; KEY_BYTES]);

/// How something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// An intent: it is over once it is stated.
    Stated,
    /// A proposal, by its last ruling.
    Ruled(Ruling),
    /// `job.completed`.
    Completed,
    /// `job.failed`.
    Failed,
    /// `job.rejected`.
    Rejected,
    /// `job.unknown`.
    Unknown,
}

/// Something that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed {
    /// The event it began with.
    pub begun: LeafIndex,
    /// How it ended.
    pub end: End,
}

/// The archive could not be read: whether something was there before cannot be told, so nothing is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable(pub String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the index of what is over cannot be read: {}", self.0)
    }
}

impl std::error::Error for Unreadable {}

/// What was closed long ago. Its content is a function of the log, so looking something up is still pure.
pub trait Archive: fmt::Debug + Send + Sync {
    /// Looks for something by its name.
    fn find(&self, key: &ClosedKey) -> Result<Option<Closed>, Unreadable>;
}

/// A generation of closed subjects, in the order of their keys.
pub type Generation = BTreeMap<ClosedKey, Closed>;

/// Everything that is over.
#[derive(Debug, Clone, Default)]
pub(super) struct ClosedSet {
    recent: Generation,
    /// On its way to the archive.
    leaving: Option<Arc<Generation>>,
    archive: Option<Arc<dyn Archive>>,
}

impl ClosedKey {
    /// The key of a subject.
    pub fn of(subject: &Subject) -> Self {
        let hash = sha256(subject.as_str().as_bytes());
        Self(hash.as_bytes().first_chunk().copied().unwrap_or([0; KEY_BYTES]))
    }

    /// From its bytes.
    pub const fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// Its bytes: uniformly distributed.
    pub const fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl End {
    /// The last event's type, for a job.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stated => "stated",
            Self::Ruled(_) => "closed",
            Self::Completed => "job.completed",
            Self::Failed => "job.failed",
            Self::Rejected => "job.rejected",
            Self::Unknown => "job.unknown",
        }
    }

    /// As one byte, for an archive.
    pub fn code(self) -> u8 {
        match self {
            Self::Stated => 0,
            Self::Ruled(Ruling::Allow) => 1,
            Self::Ruled(Ruling::RequireHuman) => 2,
            Self::Ruled(Ruling::NeedMoreEvidence) => 3,
            Self::Ruled(Ruling::Deny) => 4,
            Self::Completed => 5,
            Self::Failed => 6,
            Self::Rejected => 7,
            Self::Unknown => 8,
        }
    }

    /// From that byte.
    pub fn from_code(code: u8) -> Option<Self> {
        let all = [
            Self::Stated,
            Self::Ruled(Ruling::Allow),
            Self::Ruled(Ruling::RequireHuman),
            Self::Ruled(Ruling::NeedMoreEvidence),
            Self::Ruled(Ruling::Deny),
            Self::Completed,
            Self::Failed,
            Self::Rejected,
            Self::Unknown,
        ];
        all.into_iter().find(|end| end.code() == code)
    }
}

impl ClosedSet {
    pub(super) fn with_archive(archive: Option<Arc<dyn Archive>>) -> Self {
        Self { archive, ..Self::default() }
    }

    pub(super) fn find(&self, key: &ClosedKey) -> Result<Option<Closed>, Unreadable> {
        let held = self.recent.get(key).or_else(|| self.leaving.as_ref()?.get(key));
        match (held, &self.archive) {
            (Some(closed), _) => Ok(Some(*closed)),
            (None, Some(archive)) => archive.find(key),
            (None, None) => Ok(None),
        }
    }

    pub(super) fn insert(&mut self, key: ClosedKey, closed: Closed) {
        self.recent.insert(key, closed);
    }

    pub(super) fn recent(&self) -> usize {
        self.recent.len()
    }

    pub(super) fn retire(&mut self) -> Arc<Generation> {
        let leaving = match self.leaving.take() {
            None => std::mem::take(&mut self.recent),
            // What left before has not arrived: both go together now.
            Some(earlier) => {
                let mut all = Arc::unwrap_or_clone(earlier);
                all.append(&mut self.recent);
                all
            }
        };
        let leaving = Arc::new(leaving);
        self.leaving = Some(leaving.clone());
        leaving
    }

    pub(super) fn follow(&mut self, leaving: &Arc<Generation>) {
        self.recent.clear();
        self.leaving = Some(leaving.clone());
    }

    pub(super) fn arrived(&mut self, archive: Arc<dyn Archive>) {
        self.leaving = None;
        self.archive = Some(archive);
    }
}

/// Two states that hold the same are equal, wherever their archives lie.
impl PartialEq for ClosedSet {
    fn eq(&self, other: &Self) -> bool {
        let all = |set: &Self| {
            let mut all = set.recent.clone();
            all.extend(set.leaving.iter().flat_map(|leaving| leaving.iter().map(|(key, closed)| (*key, *closed))));
            all
        };
        all(self) == all(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(seq: u64) -> Closed {
        Closed { begun: LeafIndex::new(seq), end: End::Stated }
    }

    fn key(n: u64) -> ClosedKey {
        ClosedKey::of(&Subject::of("intent", n))
    }

    #[derive(Debug)]
    struct Old(Generation);

    impl Archive for Old {
        fn find(&self, key: &ClosedKey) -> Result<Option<Closed>, Unreadable> {
            Ok(self.0.get(key).copied())
        }
    }

    #[derive(Debug)]
    struct Broken;

    impl Archive for Broken {
        fn find(&self, _: &ClosedKey) -> Result<Option<Closed>, Unreadable> {
            Err(Unreadable("gone".into()))
        }
    }

    #[test]
    fn what_moves_to_the_archive_is_found_at_every_moment() {
        let mut set = ClosedSet::default();
        set.insert(key(1), closed(1));
        let first = set.retire();
        set.insert(key(2), closed(2));
        // The first did not arrive, so it goes along with the second.
        let both = set.retire();
        assert_eq!((first.len(), both.len()), (1, 2));
        set.insert(key(3), closed(3));
        for n in 1..=3 {
            assert_eq!(set.find(&key(n)), Ok(Some(closed(n))));
        }
        set.arrived(Arc::new(Old((*both).clone())));
        for n in 1..=3 {
            assert_eq!(set.find(&key(n)), Ok(Some(closed(n))));
        }
        assert_eq!(set.find(&key(4)), Ok(None));
        assert_eq!(set.recent(), 1);
    }

    #[test]
    fn an_archive_that_cannot_be_read_is_not_an_empty_one() {
        let set = ClosedSet::with_archive(Some(Arc::new(Broken)));
        assert!(set.find(&key(1)).is_err());
    }

    #[test]
    fn every_end_has_a_code_of_its_own() {
        for code in 0..=u8::MAX {
            assert!(End::from_code(code).is_none_or(|end| end.code() == code));
        }
        assert_eq!((0..=u8::MAX).filter_map(End::from_code).count(), 9);
    }
}
