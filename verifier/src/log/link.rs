//! What the chain looks at in an event: its header, and whether more of its subject can follow.

use std::str::FromStr;

use domain::event::decision::Ruling;
use domain::event::{Event, EventData, SCHEMA_VERSION};
use domain::state::closed::{ClosedKey, KEY_BYTES};
use domain::time::Timestamp;
use proof::{Hash, LeafIndex, sha256};

use super::scan;
use crate::rule::{Finding, Rule};

/// One event's place in the chain, as its header states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) seq: LeafIndex,
    pub(crate) prev: Hash,
    pub(crate) time: Timestamp,
    pub(crate) group: LeafIndex,
    pub(crate) subject: String,
    /// The subject's name in short.
    pub(crate) name: ClosedKey,
    pub(crate) version: u64,
    /// The log it says it belongs to, if that is not this one.
    pub(crate) other_ledger: Option<String>,
    /// The first cause that is not earlier than the event.
    pub(crate) bad_cause: Option<LeafIndex>,
    pub(crate) is_genesis: bool,
    pub(crate) is_decision: bool,
    /// Whether the event is the last of its subject.
    pub(crate) is_final: bool,
}

impl Link {
    /// Of an event that was read whole.
    pub(crate) fn of(event: &Event, at: LeafIndex, origin: &str) -> Self {
        let header = &event.header;
        let subject = header.subject.as_str();
        Self {
            seq: header.seq,
            prev: header.prev,
            time: header.time,
            group: header.group,
            subject: subject.to_owned(),
            name: name(subject),
            version: header.version,
            other_ledger: (header.ledger != origin).then(|| header.ledger.clone()),
            bad_cause: header.causes.iter().copied().find(|cause| *cause >= at),
            is_genesis: matches!(event.data, EventData::LedgerCreated(_)),
            is_decision: matches!(event.data, EventData::DecisionRecorded(_)),
            is_final: is_final(&event.data),
        }
    }

    /// Of a payload that is only scanned: canonical form and header, nothing of what the event says. A type that is not
    /// known here has a header like any other.
    pub(crate) fn scan(payload: &[u8], at: LeafIndex, origin: &str) -> Result<Self, Finding> {
        let mut members = Members::default();
        let malformed = |what: &str| Finding::at(at, Rule::Event, format_args!("payload is not an event: {what}"));
        scan::object(payload, |name, value| members.put(name, value))
            .ok_or_else(|| Finding::at(at, Rule::LeafSpelling, "the payload is not a canonical JSON object"))?;
        let version = members.v.and_then(scan::number).ok_or_else(|| malformed("`v`"))?;
        if version != u64::from(SCHEMA_VERSION) {
            let detail = format!("payload has schema version {version}, expected {SCHEMA_VERSION}");
            return Err(Finding::at(at, Rule::EventUnknown, detail));
        }
        let type_name = members.type_name.and_then(scan::text).ok_or_else(|| malformed("`type`"))?;
        let subject = members.subject.and_then(scan::text).ok_or_else(|| malformed("`subject`"))?;
        let ledger = members.ledger.and_then(scan::text).ok_or_else(|| malformed("`ledger`"))?;
        let causes = members.causes.and_then(causes).ok_or_else(|| malformed("`causes`"))?;
        let ends = is_final_by_name(&type_name, members.data.unwrap_or_default());
        Ok(Self {
            seq: members.seq.and_then(index).ok_or_else(|| malformed("`seq`"))?,
            prev: members.prev.and_then(parsed).ok_or_else(|| malformed("`prev`"))?,
            time: members.time.and_then(parsed).ok_or_else(|| malformed("`time`"))?,
            group: members.group.and_then(index).ok_or_else(|| malformed("`group`"))?,
            name: name(&subject),
            subject: subject.into_owned(),
            version: members.version.and_then(scan::number).ok_or_else(|| malformed("`version`"))?,
            other_ledger: (ledger != origin).then(|| ledger.into_owned()),
            bad_cause: causes.into_iter().find(|cause| *cause >= at),
            is_genesis: type_name == "ledger.created",
            is_decision: type_name == "decision.recorded",
            is_final: ends.ok_or_else(|| malformed("`data`"))?,
        })
    }
}

/// The members of a payload that matter here, as they are spelt.
#[derive(Default)]
struct Members<'a> {
    v: Option<&'a [u8]>,
    type_name: Option<&'a [u8]>,
    subject: Option<&'a [u8]>,
    version: Option<&'a [u8]>,
    ledger: Option<&'a [u8]>,
    seq: Option<&'a [u8]>,
    prev: Option<&'a [u8]>,
    time: Option<&'a [u8]>,
    group: Option<&'a [u8]>,
    causes: Option<&'a [u8]>,
    data: Option<&'a [u8]>,
}

impl<'a> Members<'a> {
    fn put(&mut self, name: &[u8], value: &'a [u8]) {
        let place = match name {
            b"v" => &mut self.v,
            b"type" => &mut self.type_name,
            b"subject" => &mut self.subject,
            b"version" => &mut self.version,
            b"ledger" => &mut self.ledger,
            b"seq" => &mut self.seq,
            b"prev" => &mut self.prev,
            b"time" => &mut self.time,
            b"group" => &mut self.group,
            b"causes" => &mut self.causes,
            b"data" => &mut self.data,
            _ => return,
        };
        *place = Some(value);
    }
}

fn name(subject: &str) -> ClosedKey {
    let hash = sha256(subject.as_bytes());
    ClosedKey::new(hash.as_bytes().first_chunk().copied().unwrap_or([0; KEY_BYTES]))
}

fn index(digits: &[u8]) -> Option<LeafIndex> {
    scan::number(digits).map(LeafIndex::new)
}

fn parsed<T: FromStr>(literal: &[u8]) -> Option<T> {
    scan::text(literal)?.parse().ok()
}

/// The causes, as they are spelt in an array of numbers.
fn causes(array: &[u8]) -> Option<Vec<LeafIndex>> {
    let inner = array.strip_prefix(b"[")?.strip_suffix(b"]")?;
    let numbers = inner.split(|byte| *byte == b',').filter(|_| !inner.is_empty());
    numbers.map(index).collect()
}

fn is_final_by_name(type_name: &str, data: &[u8]) -> Option<bool> {
    match type_name {
        "intent.created" | "job.completed" | "job.failed" | "job.rejected" | "job.unknown" => Some(true),
        "decision.recorded" => {
            let mut ruling = None;
            scan::object(data, |name, value| ruling = if name == b"ruling" { Some(value) } else { ruling })?;
            Some(ruling? != b"\"REQUIRE_HUMAN\"")
        }
        _ => Some(false),
    }
}

/// Whether an event is the last of its subject.
const fn is_final(data: &EventData) -> bool {
    match data {
        EventData::IntentCreated(_)
        | EventData::JobCompleted(_)
        | EventData::JobFailed(_)
        | EventData::JobRejected(_)
        | EventData::JobUnknown(_) => true,
        EventData::DecisionRecorded(decision) => !matches!(decision.ruling, Ruling::RequireHuman),
        EventData::LedgerCreated(_)
        | EventData::KeyCreated(_)
        | EventData::KeyDisabled(_)
        | EventData::KeyEnabled(_)
        | EventData::KeyDeleted(_)
        | EventData::RunnerRegistered(_)
        | EventData::ProposalSubmitted(_)
        | EventData::ApprovalRequested(_)
        | EventData::ApprovalGranted(_)
        | EventData::ApprovalDenied(_)
        | EventData::ApprovalExpired(_)
        | EventData::JobCreated(_)
        | EventData::JobLeased(_)
        | EventData::JobLeaseExpired(_)
        | EventData::ResultRecorded(_)
        | EventData::BlobErased(_)
        | EventData::ProjectionAttested(_)
        | EventData::LedgerRestored(_)
        | EventData::ClockConfirmed(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "ledger.example/test";

    fn payload(type_name: &str, data: &str, causes: &str) -> String {
        let prev = Hash::ZERO;
        format!(
            "{{\"actor\":{{\"id\":\"a\",\"key_id\":\"none\",\"kind\":\"anonymous\"}},\"causes\":{causes},\"data\":{data},\
             \"group\":7,\"ledger\":\"{ORIGIN}\",\"prev\":\"{prev}\",\"seq\":8,\"subject\":\"intent/x\",\
             \"time\":\"2026-01-02T03:04:05.678Z\",\"type\":\"{type_name}\",\"v\":1,\"version\":3}}"
        )
    }

    fn scanned(text: &str) -> Result<Link, Rule> {
        Link::scan(text.as_bytes(), LeafIndex::new(8), ORIGIN).map_err(|finding| finding.rule)
    }

    #[test]
    fn a_scanned_header_says_what_the_event_says() {
        let data = r#"{"intent":{"goal":"g","intent_id":"x"}}"#;
        let text = payload("intent.created", data, "[1,7]");
        let event = Event::parse(text.as_bytes()).unwrap();
        assert_eq!(scanned(&text), Ok(Link::of(&event, LeafIndex::new(8), ORIGIN)));
        let late = payload("intent.created", data, "[1,8,9]");
        let event = Event::parse(late.as_bytes()).unwrap();
        assert_eq!(scanned(&late), Ok(Link::of(&event, LeafIndex::new(8), ORIGIN)));
        assert_eq!(scanned(&late).unwrap().bad_cause, Some(LeafIndex::new(8)));
        let other = Link::scan(text.as_bytes(), LeafIndex::new(8), "elsewhere").unwrap();
        assert_eq!(other.other_ledger.as_deref(), Some(ORIGIN));
    }

    #[test]
    fn rulings_and_types_tell_what_is_over() {
        for (ruling, over) in [("ALLOW", true), ("DENY", true), ("REQUIRE_HUMAN", false), ("NEED_MORE_EVIDENCE", true)]
        {
            let text = payload("decision.recorded", &format!("{{\"a\":1,\"ruling\":\"{ruling}\"}}"), "[]");
            let link = scanned(&text).unwrap();
            assert_eq!((link.is_final, link.is_decision), (over, true));
        }
        assert!(!scanned(&payload("job.leased", "{}", "[]")).unwrap().is_final);
        assert_eq!(scanned(&payload("decision.recorded", "{}", "[]")), Err(Rule::Event));
    }

    #[test]
    fn a_header_that_lacks_something_is_refused() {
        let good = payload("job.leased", "{}", "[]");
        assert!(scanned(&good).is_ok() && scanned(&good.replace("job.leased", "job.lost")).is_ok());
        for (from, to, rule) in [
            ("\"seq\":8", "\"seq\":\"8\"", Rule::Event),
            ("\"group\":7,", "", Rule::Event),
            ("\"v\":1", "\"v\":2", Rule::EventUnknown),
            ("03:04", "33:04", Rule::Event),
            ("\"causes\":[]", "\"causes\":[\"1\"]", Rule::Event),
            ("\"causes\":[]", "\"causes\":7", Rule::Event),
            ("\"data\":{}", "\"data\": {}", Rule::LeafSpelling),
            ("\"prev\":\"00", "\"prev\":\"0x", Rule::Event),
        ] {
            assert_eq!(scanned(&good.replace(from, to)), Err(rule), "{from} -> {to}");
        }
    }
}
