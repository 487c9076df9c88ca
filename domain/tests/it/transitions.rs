//! Hand-made events that cannot follow: what `apply` refuses, whoever wrote it.

use crate::material::{id, patch, plain, publish, report};
use crate::world::{World, by, by_signature, leased, minted};
use domain::authored::StatementKind;
use domain::command::Command;
use domain::decide::Sealed;
use domain::event::approval::Verb;
use domain::event::decision::{Ruling, Stage};
use domain::event::job::JobEnded;
use domain::event::key::KeyChanged;
use domain::event::result::ResultStatus;
use domain::event::{Event, EventData, Header};
use domain::state::State;
use proof::hash::{Hash, sha256};
use proof::index::LeafIndex;

/// The state after a group's first events, and the events that would come next.
fn cut(before: &State, group: &[Sealed], keep: usize) -> (State, Vec<EventData>) {
    let mut state = before.clone();
    for sealed in &group[..keep] {
        state.apply(&sealed.event, sha256(&sealed.payload)).unwrap();
    }
    (state, group[keep..].iter().map(|sealed| sealed.event.data.clone()).collect())
}

/// An event with everything right but, perhaps, what it says.
fn next(state: &State, like: &Header, data: EventData) -> Event {
    let subject = data.subject();
    let header = Header {
        seq: state.size().next_index(),
        group: state.size().next_index(),
        time: state.time(),
        prev: state.prev(),
        version: state.next_version(&subject),
        causes: Vec::new(),
        subject,
        ..like.clone()
    };
    Event { header, data }
}

fn refused(state: &State, like: &Header, data: EventData) -> String {
    let event = next(state, like, data);
    let illegal = state.clone().apply(&event, Hash::ZERO).expect_err("it cannot follow");
    assert_eq!(illegal.seq, event.header.seq);
    illegal.rule
}

fn header(group: &[Sealed]) -> &Header {
    &group[0].event.header
}

#[test]
fn a_header_has_its_place() {
    let world = World::dev();
    let group = world.clone().propose("key_casey", patch("p")).unwrap();
    let rows: Vec<(&str, fn(&mut Header))> = vec![
        ("`seq` is", |h| h.seq = h.seq.next()),
        ("`seq` is", |h| h.seq = LeafIndex::new(0)),
        ("`prev` is", |h| h.prev = Hash::ZERO),
        ("`time` is", |h| h.time = domain::time::Timestamp::from_ms(h.time.as_ms() - 1)),
        ("`version` of", |h| h.version = 2),
        ("`version` of", |h| h.version = 0),
        ("`causes` points forward", |h| h.causes = vec![h.seq]),
        ("`group` is", |h| h.group = h.seq.next()),
        ("`group` is", |h| h.group = LeafIndex::new(0)),
        ("`ledger` is", |h| h.ledger = "other".into()),
        ("`subject` of", |h| h.subject = domain::event::Subject::of("proposal", "q")),
    ];
    for (rule, change) in rows {
        let mut event = next(&world.state, header(&group), group[0].event.data.clone());
        change(&mut event.header);
        let before = world.state.clone();
        let mut state = world.state.clone();
        let illegal = state.apply(&event, Hash::ZERO).unwrap_err();
        assert!(illegal.rule.starts_with(rule), "{illegal}, expected {rule}");
        assert_eq!(state, before, "a wrong header changes nothing");
    }
}

#[test]
fn the_genesis_is_first_and_only_first() {
    let world = World::dev();
    let group = world.clone().propose("key_casey", patch("p")).unwrap();
    let genesis = world.groups[0].events[0].event.clone();
    assert!(refused(&world.state, header(&group), genesis.data.clone()).contains("only the first"));
    let mut first = next(&State::new(), header(&group), group[0].event.data.clone());
    assert!(State::new().apply(&first, Hash::ZERO).unwrap_err().rule.contains("only the first"));
    first.header.seq = LeafIndex::new(1);
    assert!(State::new().apply(&first, Hash::ZERO).is_err());

    let broken = |change: fn(&mut domain::event::ledger::LedgerCreated)| {
        let mut event = genesis.clone();
        if let EventData::LedgerCreated(created) = &mut event.data {
            change(created);
        }
        State::new().apply(&event, Hash::ZERO).unwrap_err().rule
    };
    assert!(broken(|e| e.genesis.origin = "other".into()).contains("genesis names"));
    assert!(broken(|e| e.genesis.root = "x".into()).starts_with("root key"));
    assert!(broken(|e| e.genesis.event = "x".into()).starts_with("event key"));
    assert!(broken(|e| e.genesis.checkpoint = e.genesis.root.clone()).contains("not the origin"));
    assert!(broken(|e| e.genesis.keys.push(e.genesis.keys[0].clone())).contains("exists already"));
}

#[test]
fn a_proposal_is_ruled_once_at_each_stage() {
    let mut world = World::dev();
    let before = world.state.clone();
    let group = world.propose("key_jordan", publish("p")).unwrap();
    let (submitted, coming) = cut(&before, &group, 1);
    let (decided, asked) = (coming[0].clone(), coming[1].clone());
    let ruled = |stage, ruling| {
        let EventData::DecisionRecorded(mut ruled) = decided.clone() else { panic!() };
        (ruled.stage, ruled.ruling) = (stage, ruling);
        EventData::DecisionRecorded(ruled)
    };
    let h = header(&group);
    assert!(refused(&submitted, h, asked.clone()).contains("nobody can be asked while the proposal is submitted"));
    for (stage, ruling) in [
        (Stage::Approval, Ruling::Allow),
        (Stage::Approval, Ruling::Deny),
        (Stage::Expiry, Ruling::Deny),
        (Stage::Expiry, Ruling::Allow),
    ] {
        assert!(refused(&submitted, h, ruled(stage, ruling)).contains("cannot follow while the proposal is submitted"));
    }
    let (escalated, _) = cut(&before, &group, 2);
    assert!(refused(&escalated, h, decided.clone()).contains("is escalated"));
    let EventData::ApprovalRequested(mut other) = asked.clone() else { panic!() };
    other.decision = LeafIndex::new(0);
    assert!(refused(&escalated, h, EventData::ApprovalRequested(other)).contains("is escalated"));
    // Waiting: nothing but answers and the deadline.
    let waiting = world.state.clone();
    assert!(refused(&waiting, h, asked).contains("waiting for a human"));
    assert!(refused(&waiting, h, group[0].event.data.clone()).contains("exists already"));
    for (stage, ruling) in [
        (Stage::Submission, Ruling::Allow),
        (Stage::Approval, Ruling::Allow),
        (Stage::Approval, Ruling::Deny),
        (Stage::Expiry, Ruling::Deny),
    ] {
        assert!(refused(&waiting, h, ruled(stage, ruling)).contains("waiting for a human"), "{stage:?} {ruling:?}");
    }
    let lapse = |nonce: &str| {
        EventData::ApprovalExpired(domain::event::approval::ApprovalExpired {
            proposal_id: id("p"),
            nonce: nonce.into(),
        })
    };
    assert!(refused(&waiting, h, lapse("0")).contains("can lapse while the proposal is waiting"));
    // Answered: only the decision that follows from it.
    let granted = world.says("key_lee", Verb::Grant, "p").unwrap();
    let (satisfied, rest) = cut(&waiting, &granted, 1);
    assert!(refused(&satisfied, h, granted[0].event.data.clone()).contains("not to the open challenge"));
    assert!(refused(&satisfied, h, ruled(Stage::Approval, Ruling::Deny)).contains("DENY at stage Approval"));
    assert!(refused(&satisfied, h, rest[1].clone()).contains("no job can be minted"), "no decision, no job");
    // Over: nothing.
    for data in [
        granted[0].event.data.clone(),
        rest[0].clone(),
        rest[1].clone(),
        lapse("0"),
        ruled(Stage::Expiry, Ruling::Deny),
    ] {
        assert!(refused(&world.state, h, data).contains("closed"));
    }
}

#[test]
fn a_refusal_cannot_become_a_job() {
    let mut world = World::dev();
    world.propose("key_jordan", publish("p")).unwrap();
    let before = world.state.clone();
    let refusal = world.says("key_lee", Verb::Deny, "p").unwrap();
    let (refused_state, _) = cut(&before, &refusal, 1);
    let other = world.propose("key_casey", patch("q")).unwrap();
    let EventData::JobCreated(mut job) = other[2].event.data.clone() else { panic!() };
    job.job.proposal_id = id("p");
    job.job.job_id = id("job-9");
    let mint = EventData::JobCreated(job.clone());
    let h = header(&refusal);
    assert!(refused(&refused_state, h, mint.clone()).contains("no job can be minted while the proposal is refused"));
    assert!(refused(&world.state, h, mint).contains("closed"));
    let EventData::DecisionRecorded(mut allow) = refusal[1].event.data.clone() else { panic!() };
    allow.ruling = Ruling::Allow;
    assert!(refused(&refused_state, h, EventData::DecisionRecorded(allow)).contains("is refused"));
    job.job.proposal_id = id("nobody's");
    assert!(refused(&world.state, h, EventData::JobCreated(job)).contains("there is no proposal"));
}

#[test]
fn a_job_is_minted_from_its_own_decision() {
    let mut world = World::dev();
    let before = world.state.clone();
    let group = world.propose("key_casey", patch("p")).unwrap();
    let (allowed, rest) = cut(&before, &group, 2);
    let EventData::JobCreated(mut job) = rest[0].clone() else { panic!() };
    job.decision = LeafIndex::new(0);
    assert!(refused(&allowed, header(&group), EventData::JobCreated(job.clone())).contains("no job can be minted"));
    job.decision = group[1].event.header.seq;
    job.approvals = vec![LeafIndex::new(0)];
    assert!(refused(&allowed, header(&group), EventData::JobCreated(job)).contains("no job can be minted"));
}

/// A job's end.
fn end(of: &domain::event::job::Job, attempt: u32, result: Option<LeafIndex>) -> JobEnded {
    JobEnded { job_id: of.job_id.clone(), proposal_id: of.proposal_id.clone(), attempt, result, reason: None }
}

#[test]
fn a_job_goes_its_way() {
    let mut world = World::dev();
    let group = world.propose("key_casey", patch("p")).unwrap();
    let job = minted(&group).unwrap().clone();
    let h = header(&group);
    let ready = world.state.clone();
    let leasing = world.lease().unwrap();
    let (at, lease) = leased(&leasing);
    let leased_state = world.state.clone();
    let result = report(&job, Some(at), 1, ResultStatus::Completed);
    let authored = Some(world.signed(StatementKind::Result, &result, &world.runner));
    let done = world.run(Command::RecordResult { by: by_signature(&world.runner), result, authored }).unwrap();
    let (reported, _) = cut(&leased_state, &done, 1);
    let (recorded, completed) = (done[0].event.data.clone(), done[1].event.data.clone());
    let lapse = |attempt| {
        EventData::JobLeaseExpired(domain::event::job::JobLeaseExpired { job_id: job.job_id.clone(), attempt })
    };

    // Ready: nothing to report, nothing to end, and attempts are counted.
    for data in [recorded.clone(), completed.clone(), lapse(1), EventData::JobUnknown(end(&job, 0, None))] {
        assert!(refused(&ready, h, data).contains("while it is ready"));
    }
    let mut second = lease.clone();
    second.attempt = 2;
    assert!(refused(&ready, h, EventData::JobLeased(second)).contains("attempt 2 cannot follow 0 of 1"));
    let mut foreign = lease.clone();
    foreign.key_id = world.runner_2.public().key_id();
    assert!(refused(&ready, h, EventData::JobLeased(foreign)).contains("not the runner's"));
    let mut stranger = lease.clone();
    stranger.lease.runner_id = id("runner-9");
    assert!(refused(&ready, h, EventData::JobLeased(stranger)).contains("not registered"));

    // Leased: to one runner, until it reports or its time has come.
    assert!(
        refused(&leased_state, h, EventData::JobLeased(lease.clone()))
            .contains("it cannot be leased while it is leased")
    );
    assert!(refused(&leased_state, h, lapse(1)).contains("cannot lapse"), "it is not late yet");
    assert!(refused(&leased_state, h, completed.clone()).contains("`job.completed` cannot follow while it is leased"));
    let EventData::ResultRecorded(mut other) = recorded.clone() else { panic!() };
    other.result.attempt = 2;
    assert!(refused(&leased_state, h, EventData::ResultRecorded(other.clone())).contains("cannot be reported"));
    (other.result.attempt, other.result.lease, other.authored) = (0, None, None);
    assert!(refused(&leased_state, h, EventData::ResultRecorded(other)).contains("cannot be reported"));

    // Reported: it ends as was reported.
    let seq = done[0].event.header.seq;
    for data in [
        EventData::JobFailed(end(&job, 1, Some(seq))),
        EventData::JobRejected(end(&job, 1, Some(seq))),
        EventData::JobUnknown(end(&job, 1, None)),
        EventData::JobCompleted(end(&job, 2, Some(seq))),
        EventData::JobCompleted(end(&job, 1, None)),
        recorded.clone(),
        EventData::JobLeased(lease.clone()),
    ] {
        assert!(refused(&reported, h, data).contains("while it is reported"));
    }
    // Ended: nothing.
    for data in [recorded, completed, EventData::JobLeased(lease), lapse(1)] {
        assert!(refused(&world.state, h, data).contains("while it is job.completed"));
    }
}

#[test]
fn a_lapsed_job_is_unknown_and_nothing_else() {
    let mut world = World::dev();
    let group = world.propose("key_casey", patch("p")).unwrap();
    let job = minted(&group).unwrap().clone();
    let (_, lease) = leased(&world.lease().unwrap());
    world.now = lease.expires;
    let before = world.state.clone();
    let lapse = world.run(Command::ExpireLease { job_id: job.job_id.clone() }).unwrap();
    let (lapsed, _) = cut(&before, &lapse, 1);
    let h = header(&group);
    for data in [
        EventData::JobCompleted(end(&job, 1, None)),
        EventData::JobUnknown(end(&job, 2, None)),
        EventData::JobLeased(lease),
    ] {
        assert!(refused(&lapsed, h, data).contains("lapsed"));
    }
}

#[test]
fn names_are_used_once_and_keys_change_in_turn() {
    let mut world = World::dev();
    let group = world.propose("key_casey", plain("p", "Casey", &["MERGE"])).unwrap();
    let h = header(&group);
    let changed = |key: &str| KeyChanged { key_id: id(key) };
    let state = &world.state;
    let registered = world.events().find(|e| matches!(e.data, EventData::RunnerRegistered(_))).unwrap().data.clone();
    assert!(refused(state, h, registered).contains("registered already"));
    let created = world.events().find(|e| matches!(e.data, EventData::KeyCreated(_))).unwrap().data.clone();
    assert!(refused(state, h, created.clone()).contains("exists already"));
    assert!(refused(state, h, EventData::KeyEnabled(changed("key_lee"))).contains("expected Disabled"));
    assert!(refused(state, h, EventData::KeyDisabled(changed("key_nobody"))).contains("there is no key"));
    assert!(refused(state, h, EventData::KeyDeleted(changed("key_nobody"))).contains("no key"));
    let EventData::KeyCreated(mut alias) = created else { panic!() };
    alias.key = domain::event::key::NewKey { key_id: id("key_alias"), ..crate::world::genesis_keys()[0].clone() };
    assert!(refused(state, h, EventData::KeyCreated(alias)).contains("the same API key"));

    let delete =
        Command::ChangeKey { by: by("key_ops"), key_id: id("key_lee"), change: domain::command::KeyChange::Delete };
    world.run(delete).unwrap();
    for data in [
        EventData::KeyEnabled(changed("key_lee")),
        EventData::KeyDisabled(changed("key_lee")),
        EventData::KeyDeleted(changed("key_lee")),
    ] {
        assert!(refused(&world.state, h, data).contains("key_lee"));
    }
}
