//! Witnesses: being one, and asking them.
//!
//! A witness (C2SP tlog-witness) cosigns a head of a log only if it extends the one that it cosigned before, so a log that
//! shows different people different histories does not get both cosigned. [`Witness`] and [`serve`] are such a witness;
//! [`Cosigner`] asks those of a trust policy to cosign our own heads.
//!
//! Out of scope: whether something is cosigned (`proof::witness`), and the requests on the wire: the composition root hands
//! in a [`Transport`], because the HTTP client lies above this crate.

mod asking;
mod cosigner;
mod listener;
mod member;
mod memory;
mod round;
mod server;
mod status;
mod store;

pub use asking::{Answer, Answering, Transport};
pub use cosigner::{Cosigner, CosignerOptions};
pub use member::CosignerError;
pub use memory::remembered_mode;
pub use server::serve;
pub(crate) use status::age_ms;
pub use status::{Mode, Witnessing};
pub use store::{CosignError, Witness, WitnessError};
