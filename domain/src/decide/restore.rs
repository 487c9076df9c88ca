//! Going on from an older copy of the log.

use super::{Draft, form, ledger_of, root_actor};
use crate::command::Rejection;
use crate::event::ledger::{LedgerRestored, Restoration};
use crate::event::{EventData, Subject};
use crate::limits;
use crate::reason::Reason;
use crate::state::State;
use proof::checkpoint::Checkpoint;
use proof::dsse::Envelope;

pub(super) fn restore(state: &State, restoration: &Restoration, authored: &Envelope) -> Result<Vec<Draft>, Rejection> {
    let info = ledger_of(state)?;
    form::check("the restoration", restoration)?;
    if restoration.why.trim().is_empty() || restoration.why.len() > limits::INLINE_TEXT_BYTES {
        return Err(Rejection::malformed("`why` must say why, in at most 1 KiB".into()));
    }
    // Whatever was appended in between would not be covered by what root has seen.
    if restoration.size != state.size() {
        let detail = format!("the copy had {} events, the log has {}", restoration.size, state.size());
        return Err(Rejection::conflict(Reason::StatementMismatch, detail));
    }
    if let Some(note) = &restoration.known {
        // One signature in the life of a log, so it is looked at here, where every verifier looks at it again.
        let known = Checkpoint::open(note, &info.checkpoint)
            .map_err(|e| Rejection::malformed(format!("`known` is no checkpoint of this log: {e}")))?;
        if known.size <= restoration.size {
            let (known, size) = (known.size, restoration.size);
            let detail = format!("`known` has {known} events, the copy {size}: nothing of it is lost, so leave it out");
            return Err(Rejection::malformed(detail));
        }
    }
    Ok(vec![Draft {
        subject: Subject::ledger(),
        actor: root_actor(&info.root, &info.genesis.origin)?,
        session: None,
        causes: Vec::new(),
        data: EventData::LedgerRestored(LedgerRestored {
            restoration: restoration.clone(),
            authored: authored.clone(),
        }),
    }])
}
