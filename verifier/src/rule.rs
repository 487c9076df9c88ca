//! Everything that can be wrong with a log, a receipt or a checkpoint, each under a stable name.

use std::fmt;

use proof::{Hash, LeafIndex};
use serde::{Serialize, Serializer};

use crate::report::Verdict;

macro_rules! rules {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $verdict:ident;)+) => {
        /// A rule that a log, a receipt or a checkpoint has to keep.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule {
            $($(#[$doc])* $variant,)+
        }

        impl Rule {
            /// Every rule, in the order of this page.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What a breach of the rule makes of the whole.
            pub const fn verdict(self) -> Verdict {
                match self { $(Self::$variant => Verdict::$verdict,)+ }
            }
        }
    };
}

rules! {
    // Reading.
    /// A file is there but cannot be read, a server does not answer, an argument makes no sense.
    Unreadable = "unreadable", Error;

    // The head.
    /// The checkpoint is no C2SP checkpoint.
    CheckpointMalformed = "checkpoint_malformed", Invalid;
    /// The checkpoint is not signed by the key that it should be signed by.
    CheckpointSignature = "checkpoint_signature", Invalid;
    /// The entries lead to another root than the one that was signed.
    CheckpointRoot = "checkpoint_root", Invalid;
    /// The genesis names another checkpoint key, or another origin, than the head has.
    CheckpointKey = "checkpoint_key", Invalid;
    /// Fewer witnesses signed the head than the trust policy asks for.
    Quorum = "quorum_not_met", Insufficient;
    /// The head beside it that witnesses signed is not one that this log had.
    WitnessedHead = "witnessed_head", Invalid;

    // Entries and tiles.
    /// There is no genesis to take the log's keys from.
    GenesisMissing = "genesis_missing", Insufficient;
    /// The first event is no genesis, or a later one is.
    Genesis = "genesis", Invalid;
    /// Root's statement in the genesis does not hold.
    RootStatement = "root_statement", Invalid;
    /// The genesis names another root key than the pinned one.
    RootKey = "root_key", Invalid;
    /// An entry bundle is not there.
    EntriesMissing = "entries_missing", Insufficient;
    /// An entry bundle has another number of entries, or breaks off inside one.
    Bundle = "bundle_malformed", Invalid;
    /// An entry is no leaf.
    Leaf = "leaf_malformed", Invalid;
    /// An entry is JSON, but not in its only spelling.
    LeafSpelling = "leaf_not_canonical", Invalid;
    /// An event's signature does not verify.
    EventSignature = "event_signature", Invalid;
    /// An event is signed by another key than the ledger's event key, or by more than one.
    EventKey = "event_key", Invalid;
    /// A payload is no event.
    Event = "event_malformed", Invalid;
    /// An event of a later schema version or of a type that this build does not know.
    EventUnknown = "event_unknown", Insufficient;
    /// A tile is not there.
    TileMissing = "tile_missing", Insufficient;
    /// A tile is not as many hashes as its address says.
    Tile = "tile_malformed", Invalid;
    /// A tile holds another hash than the entries have.
    TileHash = "tile_hash", Invalid;
    /// A tile or bundle of another size than the head's is not the same log as far as it goes.
    EarlierPiece = "earlier_piece", Invalid;

    // The chain.
    /// `seq` is not the leaf index.
    Seq = "seq", Invalid;
    /// `prev` is not the digest of the payload before.
    Prev = "prev", Invalid;
    /// `time` goes backward.
    Time = "time", Invalid;
    /// `ledger` is another log's origin.
    Ledger = "ledger", Invalid;
    /// `group` is neither the event's own index nor that of the group before it.
    Group = "group", Invalid;
    /// `causes` names an event that is not earlier.
    Causes = "causes", Invalid;
    /// The subject's `version` leaves a gap.
    SubjectVersion = "subject_version", Invalid;

    // The journal of a data folder.
    /// A segment file has a wrong name, header or place.
    JournalSegment = "journal_segment", Invalid;
    /// A frame is damaged.
    JournalFrame = "journal_frame", Invalid;
    /// A leaf of the journal is not the one that was published at its index.
    JournalLeaf = "journal_leaf", Invalid;
    /// The journal ends before the published head.
    JournalShort = "journal_ends_short", Invalid;

    // Replay.
    /// The policy bundle or tool manifest that the log names is not there.
    BlobMissing = "blob_missing", Insufficient;
    /// A blob's bytes do not have the digest that is its name.
    BlobDigest = "blob_digest", Invalid;
    /// A blob is no policy bundle or no tool manifest.
    Blob = "blob_malformed", Invalid;
    /// An event was decided by an engine that this build does not have.
    EngineUnknown = "engine_unknown", Insufficient;
    /// The first event of a group states no command.
    GroupHasNoCommand = "group_has_no_command", Invalid;
    /// An author's signature or statement does not hold.
    Authorship = "authorship", Invalid;
    /// The recorded command is one that governance refuses.
    CommandRefused = "command_refused", Invalid;
    /// The event is not the one that its command leads to.
    PayloadDiffers = "payload_differs", Invalid;
    /// The command leads to more or fewer events.
    EventCountDiffers = "event_count_differs", Invalid;
    /// A signed statement names a head that this log never had.
    ForkedHead = "forked_head", Invalid;
    /// A read model's attested digest is not the fold of the events before it.
    ProjectionDigest = "projection_digest", Invalid;
    /// A read model that this build does not know.
    ProjectionUnknown = "projection_unknown", Insufficient;
    /// A read model's digest is attested for a moment so long ago that this verifier has forgotten it.
    ProjectionOld = "projection_old", Insufficient;

    // Questions about a log.
    /// The log has no proposal of that name.
    NoSuchProposal = "no_such_proposal", Insufficient;
    /// The head has not grown for longer than the monitor was told to bear.
    StaleHead = "stale_head", Insufficient;
    /// The file is no evidence.
    EvidenceMalformed = "evidence_malformed", Insufficient;
    /// The evidence holds, and convicts nobody.
    NoConviction = "no_conviction", Insufficient;

    // Receipts and pairs of checkpoints.
    /// The file is no receipt.
    Receipt = "receipt_malformed", Invalid;
    /// A leaf is not in the tree that the receipt's checkpoint signs.
    Inclusion = "receipt_inclusion", Invalid;
    /// The later checkpoint is of a smaller tree.
    Shrinking = "shrinking", Invalid;
    /// Two signed heads do not belong to one history.
    Forked = "forked", Invalid;
    /// The log does not show the proof that is needed.
    ProofMissing = "proof_missing", Insufficient;
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A breach of a rule: which, where, and in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The leaf that it is pinned on, where that can be said.
    pub index: Option<LeafIndex>,
    /// The rule.
    pub rule: Rule,
    /// What was expected, and what there is.
    pub detail: String,
}

impl Finding {
    /// A breach that is pinned on a leaf.
    pub fn at(index: LeafIndex, rule: Rule, detail: impl fmt::Display) -> Self {
        Self { index: Some(index), rule, detail: detail.to_string() }
    }

    /// A breach that no leaf can be blamed for.
    pub fn whole(rule: Rule, detail: impl fmt::Display) -> Self {
        Self { index: None, rule, detail: detail.to_string() }
    }

    /// "expected …, got …" at a leaf.
    pub(crate) fn expected(index: LeafIndex, rule: Rule, expected: impl fmt::Display, got: impl fmt::Display) -> Self {
        Self::at(index, rule, format_args!("expected {expected}, got {got}"))
    }

    /// A hash at a leaf that is another one.
    pub(crate) fn hash(index: LeafIndex, rule: Rule, what: &str, expected: &Hash, got: &Hash) -> Self {
        Self::at(index, rule, format_args!("{what}: expected {expected}, got {got}"))
    }

    /// What this breach makes of the whole.
    pub const fn verdict(&self) -> Verdict {
        self.rule.verdict()
    }

    /// Orders breaches by the leaf they are pinned on; those without one come last.
    pub(crate) fn place(&self) -> u64 {
        self.index.map_or(u64::MAX, LeafIndex::get)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(index) = self.index {
            write!(f, "event {index}: ")?;
        }
        write!(f, "{}: {}", self.rule, self.detail)
    }
}

impl std::error::Error for Finding {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_distinct_and_stable_words() {
        let names: BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.name()).collect();
        assert_eq!(names.len(), Rule::ALL.len());
        for name in names {
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
        }
    }

    #[test]
    fn a_breach_says_where_and_what() {
        let finding = Finding::expected(LeafIndex::new(7), Rule::Seq, 7, 8);
        assert_eq!(finding.to_string(), "event 7: seq: expected 7, got 8");
        assert_eq!(Finding::whole(Rule::Forked, "x").to_string(), "forked: x");
        assert!(finding.place() < Finding::whole(Rule::Forked, "x").place());
    }
}
