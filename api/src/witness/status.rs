//! How it stands with the witnesses, for `/health`.

use super::asking::Outcome;
use ledger::{Ledger, Publish};
use proof::index::TreeSize;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// What happens when witnesses do not cosign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Heads are published nevertheless; the cosigned ones lie beside.
    #[default]
    Open,
    /// No head is published but those that enough witnesses cosigned.
    Closed,
}

impl Mode {
    /// Which heads a ledger publishes by itself.
    pub const fn publish(self) -> Publish {
        match self {
            Self::Open => Publish::Heads,
            Self::Closed => Publish::Witnessed,
        }
    }
}

/// How it stands with the witnesses of a log. Clones share it.
#[derive(Clone, Debug)]
pub struct Witnessing(Arc<Mutex<Status>>);

#[derive(Debug)]
pub(super) struct Status {
    pub(super) mode: Mode,
    /// Cosignatures on the witnessed checkpoint.
    pub(super) witnesses: usize,
    /// Whether the last head that witnesses were asked about reached its quorum.
    pub(super) quorum: bool,
    /// Each witness of the policy.
    pub(super) each: Vec<Standing>,
}

/// One witness.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Standing {
    pub(super) name: String,
    /// The size that it cosigned last.
    pub(super) size: u64,
    /// What went wrong last, since it last cosigned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fault: Option<String>,
    /// Whether that was that it knows another history.
    pub(super) contradicts: bool,
}

impl Standing {
    /// Takes what came of asking; `reached` is the size that the witness is known to have cosigned.
    pub(super) fn learn(&mut self, outcome: &Outcome, reached: Option<TreeSize>) {
        self.size = reached.map_or(self.size, TreeSize::get);
        match outcome {
            Outcome::Cosigned(_) => (self.fault, self.contradicts) = (None, false),
            Outcome::IsAhead(_) => self.fault = None,
            Outcome::Contradicted(why) => (self.fault, self.contradicts) = (Some(why.clone()), true),
            Outcome::Failed(why) => self.fault = Some(why.clone()),
        }
    }
}

impl Witnessing {
    pub(super) fn new(status: Status) -> Self {
        Self(Arc::new(Mutex::new(status)))
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What `/health` says.
    pub(crate) fn health(&self, ledger: &Ledger) -> Value {
        let witnessed = ledger.witnessed().borrow().clone();
        let status = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        json!({
            "size": witnessed.as_ref().map_or(0, |head| head.size.get()),
            "age_ms": witnessed.as_ref().map(|head| age_ms(head.at)),
            "witnesses": status.witnesses,
            "quorum": status.quorum,
            "mode": status.mode,
            "fork_suspected": status.each.iter().any(|witness| witness.contradicts),
            "each": status.each,
        })
    }
}

/// Milliseconds since then; none if the clock has gone back.
pub(crate) fn age_ms(then: SystemTime) -> u64 {
    let age = SystemTime::now().duration_since(then).unwrap_or_default();
    u64::try_from(age.as_millis()).unwrap_or(u64::MAX)
}
