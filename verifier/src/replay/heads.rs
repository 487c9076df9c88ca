//! Signed statements name the head that their author had seen. A history that was forked since convicts itself.

use domain::authored::SeenHead;
use domain::event::Event;
use serde::Deserialize;

use crate::log::history::History;
use crate::report::tell::statement;
use crate::rule::{Finding, Rule};

/// The one member of a statement that is looked at here.
#[derive(Deserialize)]
struct Seen {
    checkpoint: SeenHead,
}

/// Compares the head that the author of an event had seen with the one that this log had at that size.
pub(super) fn check(event: &Event, history: &History<'_>) -> Result<(), Finding> {
    let at = event.header.seq;
    // A statement that cannot be read is a matter of authorship, and was judged as such.
    let Some(seen) = statement(&event.data).and_then(|envelope| serde_json::from_slice::<Seen>(&envelope.payload).ok())
    else {
        return Ok(());
    };
    let SeenHead { size, root } = seen.checkpoint;
    if size.get() > at.get() {
        let detail = format!("the author had seen a head of {size} events before there were so many");
        return Err(Finding::at(at, Rule::ForkedHead, detail));
    }
    match history.root_at(size)? {
        Some(ours) if ours == root => Ok(()),
        Some(ours) => {
            let detail = format!("the author had seen root {root} at size {size}, this log had {ours}");
            Err(Finding::at(at, Rule::ForkedHead, detail))
        }
        None => Err(Finding::at(at, Rule::ForkedHead, format_args!("there is no root at size {size}"))),
    }
}
