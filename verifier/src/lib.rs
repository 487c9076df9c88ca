//! The auditor's verifier: it establishes from files and public keys what a log proves, and trusts nobody.
//!
//! # In scope
//!
//! * [`log`]: every signature, the chain, every tile, the root, the checkpoint; the journal too where there is one.
//! * [`replay`]: all of that, and every event derived again from the commands that the log records.
//! * [`story`]: the life of one proposal, each claim with its event and its proof.
//! * [`whatif`]: a verified history under another policy bundle.
//! * [`overview`]: every proof on one page, for people. [`watch`]: a monitor that resumes.
//! * [`diff`]: where two copies part, and evidence that convicts.
//! * [`receipt`], [`consistency`]: portable proofs, and whether two heads belong to one history.
//! * [`report`]: what was established, for people and for programs; [`rule`]: the stable name of everything that can
//!   be wrong.
//!
//! # Out of scope
//!
//! * Holding keys, signing, repairing: this crate reads, and that is all it does.
//! * Trust: it comes from a pinned key or a `tlog-policy` file ([`trust`]). Without either, a log is measured by the
//!   key that it names itself, and the report says so.
//! * Order, time and omission: a ledger's own keys can lie about these until a witness or an older receipt compares.
//!
//! **Invariant:** nothing here panics on any input, and every size is bounded before it is read. A fault is a
//! [`Finding`] with the lowest leaf index that it can be pinned on.
//!
//! **Invariant:** formats that the ledger writes are read by code of this crate's own (the journal) or of `proof` (the
//! rest), never by the ledger's: a shared mistake would be a shared blindness.

pub mod cli;
pub mod consistency;
pub mod diff;
mod journal;
pub mod log;
mod observe;
pub mod overview;
pub mod receipt;
pub mod replay;
pub mod report;
pub mod rule;
pub mod source;
pub mod story;
pub mod trust;
pub mod watch;
pub mod whatif;

pub use cli::run;
pub use consistency::verify_consistency;
pub use diff::{verify_diff, verify_evidence};
pub use log::{verify_log, verify_structure};
pub use overview::verify_overview;
pub use receipt::verify_receipts;
pub use replay::verify_replay;
pub use report::{Report, Verdict};
pub use rule::{Finding, Rule};
pub use source::{Location, Source};
pub use story::verify_story;
pub use trust::{Options, Trust};
pub use whatif::verify_whatif;
