//! Every bound of the domain, in one table, each with its reason.

/// Text longer than this leaves the event for the content store: events stay small and personal data erasable.
pub const INLINE_TEXT_BYTES: usize = 1024;
/// A signed command without its bodies; it is carried inside a leaf of at most 65,535 bytes, in base64 and once more in clear.
pub const COMMAND_BYTES: usize = 16 * 1024;
/// The `data` of one event: a leaf has at most 65,535 bytes, of which the header and a signature need less than 3 KiB.
pub const EVENT_DATA_BYTES: usize = 60 * 1024;
/// Levels of arrays and objects in a command's own part of an event. Canonical JSON has 64, and events, statements and
/// read models wrap a command in a few of their own; without this bound a log could be written that nobody can read.
pub const COMMAND_DEPTH: usize = 32;
/// One body in the content store.
pub const BODY_BYTES: usize = 1024 * 1024;
/// Bodies of one command together.
pub const BODIES_BYTES: usize = 4 * 1024 * 1024;
/// Identifiers chosen by clients; long enough for a UUID with prefixes, short enough for a row key.
pub const ID_BYTES: usize = 128;
/// Effects on one proposal; a taxonomy has about a dozen, the rest are unknown ones worth recording.
pub const EFFECTS: usize = 32;
/// One effect tag.
pub const EFFECT_BYTES: usize = 64;
/// Actions of one proposal: what an approver can still read.
pub const ACTIONS: usize = 16;
/// Artifacts of one proposal.
pub const ARTIFACTS: usize = 32;
/// Observations, and claims, of one truth account.
pub const TRUTH_ITEMS: usize = 32;
/// Findings kept of one proposal: any one of them denies it, so more would add nothing.
pub const FINDINGS: usize = 32;
/// Longest text among a gate's facts: an error message may quote what the proposer wrote, escaped to several times its
/// length.
pub const FACT_BYTES: usize = 256;
/// Events that one observation may cite.
pub const CITES: usize = 32;
/// Artifacts that one result may list.
pub const RESULT_ARTIFACTS: usize = 64;
/// Lease attempts of a job that changes nothing.
pub const ATTEMPTS_MAX: u32 = 3;
/// Added to a job's own time limit before its lease lapses: time to report.
pub const LEASE_GRACE_MS: u64 = 30_000;
/// Longest lease whatever a job asks for.
pub const LEASE_MS_MAX: u64 = 3_600_000 + LEASE_GRACE_MS;
/// Approvals a policy may demand for one proposal.
pub const APPROVALS_MAX: u32 = 16;
