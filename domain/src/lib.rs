//! The pure core that answers *should this be allowed, and what is true now?*
//!
//! In scope: the vocabulary ([`id`], [`time`], [`effect`]), events as they stand in the log ([`event`]), commands
//! ([`command`]) and the statements authors sign ([`authored`]), the policy bundle and tool manifest ([`policy`],
//! [`manifest`]), the gates ([`gate`]), [`decide`](decide::decide), the state they read ([`state`]), the folds behind
//! the read models ([`view`]) and the replay an auditor runs ([`replay`]).
//!
//! Out of scope: storage (`ledger`), HTTP (`schemas`, `api`), the tree and its proofs (`proof`).
//!
//! **Invariant:** no I/O, no clock, no randomness, no async. Time and minted entropy arrive in
//! [`Context`](decide::Context); everything else `decide` reads comes from events. So the same log always yields the
//! same state, and re-running `decide` over it reproduces every payload byte for byte.

pub mod authored;
pub mod command;
pub mod content;
pub mod decide;
pub mod effect;
pub mod envelope;
pub mod event;
pub mod gate;
pub mod id;
pub mod limits;
pub mod manifest;
pub mod policy;
pub mod reason;
pub mod replay;
pub mod state;
pub mod time;
pub mod view;

/// The engine this build decides with. Its gates and default tables are frozen; a build that would rule differently
/// carries a new number and keeps the old engines for replay.
pub const ENGINE: u32 = 1;
