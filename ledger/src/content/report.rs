//! What the store holds, and what of it may go: for whoever decides about erasing. Nothing here removes anything.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use domain::event::{Event, EventData, Subject};
use domain::state::closed::End;
use domain::time::Timestamp;
use proof::{Hash, Leaf, LeafIndex};
use serde::Serialize;

use super::named::named;
use super::sweep::{SweepError, strike_named};
use crate::handle::Ledger;
use crate::site::TreeError;
use crate::width::on_disk;

/// Files whose names are held at once.
const NAMES_MAX: usize = 1 << 20;
/// Leaves of one read.
const READ: usize = 1024;

/// So many files, of so many bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Files.
    pub count: u64,
    /// Their bytes, salts included.
    pub bytes: u64,
}

/// A body that may be erased: whatever it was for is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Erasable {
    /// The first event that names it.
    pub seq: LeafIndex,
    /// Its commitment's digest, as `blob.erased` takes it.
    pub sha256: Hash,
    /// The event's type.
    pub kind: &'static str,
    /// What the event is about.
    pub subject: String,
    /// On whose limits it was.
    pub agent: Option<String>,
    /// When it was recorded.
    pub time: Timestamp,
    /// Its bytes, salt included.
    pub bytes: u64,
}

/// What a store holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// All files.
    pub stored: Tally,
    /// Bodies whose erasure is in the log.
    pub erased: u64,
    /// Files that no event names.
    pub orphaned: Tally,
    /// All that [`erasable`](Self::erasable) lists.
    pub erasable_total: Tally,
    /// Bodies of proposals and jobs that are over.
    pub erasable: Vec<Erasable>,
}

impl Tally {
    fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// Looks at every file and every event. Bodies that were recorded at least `older_than` before `now`, for a proposal or
/// a job that is over, are listed as erasable; a proposal is over when its job is.
pub fn report(ledger: &Ledger, now: Timestamp, older_than: Duration) -> Result<Report, SweepError> {
    let store = ledger.content();
    let size = ledger.head().size;
    let mut report = Report { erased: on_disk(ledger.with_state(|state| state.erased().count())), ..Report::default() };
    let mut names = HashMap::new();
    for shard in 0..=u8::MAX {
        for name in store.shard(shard)? {
            let Some(length) = store.length(&name)? else { continue };
            report.stored.add(length);
            names.insert(name, length);
        }
        if names.len() >= NAMES_MAX || shard == u8::MAX {
            strike_named(ledger, size, &mut names, &|| false)?;
            for (_, length) in names.drain() {
                report.orphaned.add(length);
            }
        }
    }
    report.erasable = erasable(ledger, Timestamp::from_ms(now.as_ms().saturating_sub(ms(older_than))))?;
    for body in &report.erasable {
        report.erasable_total.add(body.bytes);
    }
    Ok(report)
}

fn erasable(ledger: &Ledger, until: Timestamp) -> Result<Vec<Erasable>, SweepError> {
    let size = ledger.head().size;
    let (mut found, mut seen, mut busy) = (Vec::new(), HashSet::new(), HashSet::new());
    let mut at = LeafIndex::new(0);
    while size.contains(at) {
        let leaves = ledger.read(at, READ)?;
        if leaves.is_empty() {
            return Err(TreeError::Missing { index: at }.into());
        }
        for leaf in leaves {
            let here = at;
            at = at.next();
            let is_job = leaf.windows(JOB_CREATED.len()).any(|window| window == JOB_CREATED);
            if !is_job && named(&leaf).next().is_none() {
                continue;
            }
            let missing = || SweepError::Log(TreeError::Missing { index: here });
            let payload = Leaf::parse(&leaf).map_err(|_| missing())?.payload;
            let event = Event::parse(payload).map_err(|_| missing())?;
            if let EventData::JobCreated(created) = &event.data
                && ledger.with_state(|state| state.job(&created.job.job_id).is_some())
            {
                busy.insert(Subject::of("proposal", &created.job.proposal_id));
            }
            if event.header.time <= until && is_over(ledger, &event)? {
                bodies(ledger, &event, &leaf, &mut seen, &mut found)?;
            }
        }
    }
    // A job comes after its proposal, and needs the proposal's bodies until it is over.
    found.retain(|(subject, _)| !busy.contains(subject));
    Ok(found.into_iter().map(|(_, body)| body).collect())
}

/// How the type of an event that makes a job is spelt in its leaf.
const JOB_CREATED: &[u8] = b"\"type\":\"job.created\"";

/// Whether the proposal or the job that an event is about is over.
fn is_over(ledger: &Ledger, event: &Event) -> Result<bool, SweepError> {
    if matches!(event.data, EventData::BlobErased(_)) {
        return Ok(false);
    }
    let closed = ledger.with_state(|state| state.closed(&event.header.subject));
    let closed = closed.map_err(|error| SweepError::Writer(domain::command::Rejection::from(error).into()))?;
    // An intent is over once it is stated, which says nothing about what it says.
    Ok(closed.is_some_and(|closed| closed.end != End::Stated))
}

/// Lists the bodies of an event that are still there, each once.
fn bodies(
    ledger: &Ledger,
    event: &Event,
    leaf: &[u8],
    seen: &mut HashSet<Hash>,
    found: &mut Vec<(Subject, Erasable)>,
) -> Result<(), SweepError> {
    for name in named(leaf) {
        let Some(bytes) = ledger.content().length(&name)? else { continue };
        if !seen.insert(name) {
            continue;
        }
        let header = &event.header;
        let body = Erasable {
            seq: header.seq,
            sha256: name,
            kind: event.data.type_name(),
            subject: header.subject.as_str().to_owned(),
            agent: agent(ledger, event)?,
            time: header.time,
            bytes,
        };
        found.push((header.subject.clone(), body));
    }
    Ok(())
}

/// On whose limits something was proposed or run.
fn agent(ledger: &Ledger, event: &Event) -> Result<Option<String>, SweepError> {
    let of = |event: &Event| match &event.data {
        EventData::ProposalSubmitted(submitted) => Some(submitted.proposal.agent.to_string()),
        EventData::JobCreated(created) => Some(created.job.agent.to_string()),
        _ => None,
    };
    if let Some(agent) = of(event) {
        return Ok(Some(agent));
    }
    // What it is about began with an event that says it.
    let closed = ledger.with_state(|state| state.closed(&event.header.subject)).ok().flatten();
    match closed {
        Some(closed) => Ok(of(&ledger.event(closed.begun)?)),
        None => Ok(None),
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
