//! What was established: a verdict, what it rests on, and the first thing that is wrong.

mod html;
mod proofs;
pub(crate) mod tell;
pub(crate) mod text;

use std::process::ExitCode;

use proof::{Checkpoint, Hash, LeafIndex, TreeSize};
use serde::Serialize;

use crate::diff::Fork;
use crate::overview::{Exception, Overview};
use crate::rule::{Finding, Rule};
use crate::story::Story;
use crate::whatif::WhatIf;

/// Problems that a report lists; the first bad index is always among them.
pub(crate) const MAX_PROBLEMS: usize = 20;

/// The verifier's word. From mild to severe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Everything that was asked about holds.
    Valid,
    /// Something that is needed is not there: nothing is refuted, nor is it proven.
    Insufficient,
    /// The verifier could not do its work.
    Error,
    /// Something is proven to be wrong.
    Invalid,
}

impl Verdict {
    /// As it is spelt in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::Insufficient => "insufficient",
            Self::Error => "error",
        }
    }

    /// The exit code: 0 valid, 1 could not run, 2 invalid, 3 not enough evidence.
    pub const fn code(self) -> u8 {
        match self {
            Self::Valid => 0,
            Self::Error => 1,
            Self::Invalid => 2,
            Self::Insufficient => 3,
        }
    }
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> Self {
        Self::from(verdict.code())
    }
}

/// Which command a report answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CommandName {
    /// `log`.
    Log,
    /// `log --structure-only`.
    Structure,
    /// `replay`.
    Replay,
    /// `receipt`.
    Receipt,
    /// `consistency`.
    Consistency,
    /// `story`.
    Story,
    /// `whatif`.
    Whatif,
    /// `audit`.
    Audit,
    /// `watch`.
    Watch,
    /// `diff`.
    Diff,
    /// `evidence`.
    Evidence,
}

impl CommandName {
    /// As it is typed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Structure => "structure",
            Self::Replay => "replay",
            Self::Receipt => "receipt",
            Self::Consistency => "consistency",
            Self::Story => "story",
            Self::Whatif => "whatif",
            Self::Audit => "audit",
            Self::Watch => "watch",
            Self::Diff => "diff",
            Self::Evidence => "evidence",
        }
    }

    /// Whether every event is derived again for it.
    pub const fn replays(self) -> bool {
        matches!(self, Self::Replay | Self::Story | Self::Whatif | Self::Audit)
    }

    /// Whether a whole log is gone through for it.
    pub const fn walks(self) -> bool {
        matches!(self, Self::Log | Self::Structure) || self.replays()
    }
}

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Events under the published head whose form and place in the chain hold.
    pub events: u64,
    /// Those of them whose signature and content were checked too: all, unless only the structure was asked for.
    pub signatures: u64,
    /// Groups: commands and what they led to.
    pub groups: u64,
    /// Decisions among the events.
    pub decisions: u64,
    /// Tiles that agree with the entries.
    pub tiles: u64,
}

/// How the decisions came out when they were made again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Decisions {
    /// From facts that stand in the log.
    pub re_derived: u64,
    /// From what the server recorded about content that does not stand in the log, such as a sensor's report about a
    /// body.
    pub from_recorded_facts: u64,
    /// Not as recorded.
    pub mismatched: u64,
}

/// Whose word a kind of statement is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Authors {
    /// Signed by its author: nobody else could have said it.
    pub signed: u64,
    /// Asserted by the server, for the holder of an API key.
    pub asserted: u64,
}

/// Who said what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Statements {
    /// Proposals.
    pub proposals: Authors,
    /// Approvals and refusals by humans.
    pub approvals: Authors,
    /// Results of jobs.
    pub results: Authors,
}

/// Facts that cannot be derived: recorded, and believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Attested {
    /// Readings of the clock, one a group.
    pub clock: u64,
    /// Minted entropy, from which job ids and nonces follow.
    pub seeds: u64,
    /// Sensors' reports about a proposal's content.
    pub sensor_reports: u64,
    /// Digests of read models, each reproduced.
    pub projections: u64,
}

/// The journal of a data folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Journal {
    /// The first leaf that it has: those before it were given up, and are in the site's bundles only.
    pub first: LeafIndex,
    /// Its leaves from there on, each equal to the published one.
    pub events: u64,
    /// Leaves that were committed after the published head: a valid chain, but under no signed head yet.
    pub beyond_published_head: u64,
    /// A frame cut short at its end: it was never acknowledged.
    pub torn: Option<String>,
}

/// A head that was compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeadReport {
    /// Where it was read.
    pub source: String,
    /// Leaves.
    pub size: TreeSize,
    /// The root over them.
    pub root: Hash,
}

/// What one receipt proves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReceiptReport {
    /// The file.
    pub file: String,
    /// What became of it.
    pub verdict: Verdict,
    /// The log.
    pub origin: Option<String>,
    /// Leaves of the tree that the entries are in.
    pub size: Option<TreeSize>,
    /// That tree's root.
    pub root: Option<Hash>,
    /// The events that are in it.
    pub entries: Vec<EntryReport>,
    /// What is wrong.
    pub problem: Option<Finding>,
}

/// One event that a receipt proves to be in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EntryReport {
    /// Its leaf index.
    pub index: LeafIndex,
    /// Its type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// What it is about.
    pub subject: String,
    /// When it was sequenced, by the ledger's clock.
    pub time: String,
    /// Who caused it, as the ledger says.
    pub actor: String,
    /// What governance said, if the event is a decision.
    pub ruling: Option<&'static str>,
    /// Whether the event's own signature was checked, and by which key it holds.
    pub event_signature: Option<String>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The verdict.
    pub verdict: Verdict,
    /// What was asked.
    pub command: CommandName,
    /// What it was asked about.
    pub source: String,
    /// The log's name.
    pub origin: Option<String>,
    /// Events under the head.
    pub size: Option<TreeSize>,
    /// The head's root.
    pub root: Option<Hash>,
    /// What was looked at.
    pub checked: Checked,
    /// The first breach, by leaf index, of the rules whose breach makes the verdict.
    pub first_bad: Option<Finding>,
    /// Every breach that was found; the search ends where nothing after it could be judged.
    pub problems: Vec<Finding>,
    /// The journal, where there is one.
    pub journal: Option<Journal>,
    /// Only after a replay.
    pub decisions: Option<Decisions>,
    /// Only after a replay.
    pub statements: Option<Statements>,
    /// Only after a replay.
    pub attested: Option<Attested>,
    /// The receipts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub receipts: Vec<ReceiptReport>,
    /// Only after `story`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub story: Option<Story>,
    /// Only after `whatif`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub whatif: Option<WhatIf>,
    /// Only after `audit`, and where an HTML page was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overview: Option<Box<Overview>>,
    /// Only after `watch`: new events that concern what is watched.
    #[serde(skip_serializing_if = "is_zero")]
    pub watched: u64,
    /// The first of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<Exception>,
    /// Where two copies part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fork: Option<Fork>,
    /// The older and the newer head.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub heads: Vec<HeadReport>,
    /// Whether enough witnesses of the trust policy signed the head.
    pub witnessed: bool,
    /// Their names.
    pub witnesses: Vec<String>,
    /// Whether the checkpoint key was the user's, rather than the log's own.
    pub key_pinned: bool,
    /// Whether the root key was the user's, rather than the log's own.
    pub root_pinned: bool,
    /// How long it took.
    pub duration_ms: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Report {
    /// A report that has established nothing yet.
    pub(crate) fn new(command: CommandName, source: &str) -> Self {
        Self {
            verdict: Verdict::Error,
            command,
            source: source.to_owned(),
            origin: None,
            size: None,
            root: None,
            checked: Checked::default(),
            first_bad: None,
            problems: Vec::new(),
            journal: None,
            decisions: None,
            statements: None,
            attested: None,
            receipts: Vec::new(),
            story: None,
            whatif: None,
            overview: None,
            watched: 0,
            notices: Vec::new(),
            fork: None,
            heads: Vec::new(),
            witnessed: false,
            witnesses: Vec::new(),
            key_pinned: false,
            root_pinned: false,
            duration_ms: 0,
        }
    }

    /// A report that says why there is none.
    pub fn error(command: CommandName, source: &str, detail: impl std::fmt::Display) -> Self {
        let mut report = Self::new(command, source);
        report.conclude(vec![Finding::whole(Rule::Unreadable, detail)]);
        report
    }

    /// The head that everything is measured by.
    pub(crate) fn set_head(&mut self, checkpoint: &Checkpoint) {
        self.origin = Some(checkpoint.origin.clone());
        self.size = Some(checkpoint.size);
        self.root = Some(checkpoint.root);
    }

    /// Draws the verdict: the most severe breach decides, and of those the one with the lowest leaf index comes first.
    pub(crate) fn conclude(&mut self, mut findings: Vec<Finding>) {
        findings.sort_by_key(|finding| (std::cmp::Reverse(finding.verdict()), finding.place()));
        findings.truncate(MAX_PROBLEMS);
        self.verdict = findings.first().map_or(Verdict::Valid, Finding::verdict);
        self.first_bad = findings.first().cloned();
        self.problems = findings;
    }

    /// The report as one JSON object.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The report as one page of HTML, for people who are no engineers.
    pub fn to_html(&self) -> String {
        html::write(self)
    }

    /// The report for people; `colour` marks the verdict with it.
    pub fn to_text(&self, colour: bool) -> String {
        text::write(self, colour)
    }
}
