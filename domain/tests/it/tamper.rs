//! A log in which one field was changed, by somebody who holds the ledger's own keys: signatures and Merkle tree are no
//! obstacle to them, so what is left is what can be re-derived.

use crate::material::{ORIGIN, id, patch, plain, publish, read, report, secret};
use crate::world::{Group, World, by, by_signature, leased, minted};
use domain::authored::StatementKind;
use domain::command::{Caller, Command, KeyChange};
use domain::content::Text;
use domain::event::approval::Verb;
use domain::event::intent::Intent;
use domain::event::proposal::Proposal;
use domain::event::result::ResultStatus;
use domain::event::{Event, EventData};
use domain::replay::{MismatchRule, Recorded, rederive};
use domain::state::State;
use domain::time::Timestamp;
use proof::checkpoint::Checkpoint;
use proof::hash::sha256;
use proof::index::{LeafIndex, TreeSize};
use proof::key::KeyName;
use proof::note::SignerKey;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn change_key(world: &mut World, change: KeyChange) {
    world.run(Command::ChangeKey { by: by("key_ops"), key_id: id("key_max"), change }).unwrap();
}

fn report_signed(world: &mut World, name: &str, status: ResultStatus) {
    let job = minted(&world.propose_signed(Proposal { ..patch(name) }).unwrap()).unwrap().clone();
    let (at, _) = leased(&world.lease().unwrap());
    let result = report(&job, Some(at), 1, status);
    let authored = Some(world.signed(StatementKind::Result, &result, &world.runner));
    world.run(Command::RecordResult { by: by_signature(&world.runner), result, authored }).unwrap();
}

/// A log with every type of event, signed commands and unsigned ones.
fn story() -> World {
    let mut world = World::with(|bundle| bundle.approvals.required = 2);
    let intent = |name: &str| Intent {
        intent_id: id(name),
        from: None,
        mode: None,
        goal: Text::Inline("fix it".into()),
        constraints: None,
    };
    world.run(Command::CreateIntent { by: Caller::anonymous(), intent: intent("intent-0"), authored: None }).unwrap();
    let signed = Some(world.signed(StatementKind::Intent, &intent("intent-1"), &world.casey));
    let by_casey = by_signature(&world.casey);
    world.run(Command::CreateIntent { by: by_casey, intent: intent("intent-1"), authored: signed }).unwrap();
    world.propose("key_casey", plain("denied", "Casey", &["READ_SECRETS"])).unwrap();
    world.propose_signed(plain("denied-signed", "Casey", &["MERGE"])).unwrap();
    report_signed(&mut world, "completed", ResultStatus::Completed);
    report_signed(&mut world, "failed", ResultStatus::Failed);
    report_signed(&mut world, "rejected", ResultStatus::Rejected);
    for name in ["granted", "refused", "expired"] {
        world.now = world.now.plus_ms(1);
        world.propose("key_jordan", publish(name)).unwrap();
    }
    let sam = world.sam.clone();
    world.approve_signed(&sam, "granted").unwrap();
    world.says("key_lee", Verb::Grant, "granted").unwrap();
    world.says("key_max", Verb::Deny, "refused").unwrap();
    change_key(&mut world, KeyChange::Disable);
    change_key(&mut world, KeyChange::Enable);
    change_key(&mut world, KeyChange::Delete);
    let job = minted(&world.propose("key_casey", plain("echo", "Casey", &["READ_REPO"])).unwrap()).unwrap().clone();
    let result = report(&job, None, 0, ResultStatus::Completed);
    world.run(Command::RecordResult { by: by("key_legacy"), result, authored: None }).unwrap();
    let (_, lease) = leased(&world.lease().unwrap());
    world.now = lease.expires;
    world.run(Command::ExpireLease { job_id: lease.job_id }).unwrap();
    world.pass_minutes(61);
    world.run(Command::ExpireApproval { proposal_id: id("expired") }).unwrap();
    world.run(Command::EraseBlob { by: by("key_ops"), sha256: sha256(b"x"), why: "asked".into() }).unwrap();
    let projections = domain::view::ALL.map(|p| domain::view::Folded::new(p).attested()).to_vec();
    world.run(Command::AttestProjections { position: world.state.size(), projections }).unwrap();
    let reaches = TreeSize::new(world.state.size().get() + 5);
    let known = Checkpoint { origin: ORIGIN.into(), size: reaches, root: sha256(b"lost") };
    let signer = SignerKey::new(KeyName::new(ORIGIN).unwrap(), secret(3));
    let restoration = world.restoration(Some(known.sign(&signer)));
    world.run(world.restored(&restoration)).unwrap();
    world.run(Command::ConfirmClock { by: by("key_ops"), time: world.now }).unwrap();
    world.propose("key_casey", read("last")).unwrap();
    world
}

#[test]
fn the_story_has_every_type_of_event() {
    let world = story();
    let types: BTreeSet<_> = world.events().map(|event| event.data.type_name()).collect();
    let missing: Vec<_> = domain::event::EventData::TYPES.iter().filter(|t| !types.contains(*t)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    world.replay();
}

/// Every place of a tree, as JSON pointers, containers included.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let place = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                places(member, &place, found);
                found.push(place);
            }
        }
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                places(item, &format!("{at}/{i}"), found);
                found.push(format!("{at}/{i}"));
            }
        }
        _ => {}
    }
}

/// Other values for a place; those that make sense there first.
fn other_values(value: &Value) -> Vec<Value> {
    const WORDS: [&[&str]; 5] = [
        &["ALLOW", "DENY", "REQUIRE_HUMAN", "NEED_MORE_EVIDENCE"],
        &["agent", "human", "admin", "ledger", "anonymous"],
        &["dev", "prod"],
        &["completed", "failed", "rejected", "grant", "deny", "warrant", "none", "api_key", "signed"],
        &["job.completed", "job.failed", "approval.granted", "approval.denied", "key.enabled", "key.disabled"],
    ];
    match value {
        Value::String(text) => {
            let mut others = vec![json!(format!("{text}x"))];
            if let Ok(time) = text.parse::<Timestamp>() {
                others.push(json!(time.plus_ms(1)));
            }
            let (head, tail) = text.split_at(text.len().min(1));
            if head.chars().all(|c| c.is_ascii_hexdigit()) && !tail.is_empty() {
                others.push(json!(format!("{}{tail}", if head == "0" { "1" } else { "0" })));
            }
            for words in WORDS.iter().filter(|words| words.contains(&text.as_str())) {
                others.extend(words.iter().filter(|word| *word != text).map(|word| json!(word)));
            }
            others
        }
        Value::Number(number) => vec![json!(number.as_f64().unwrap() + 1.0), json!(0), json!(null)],
        Value::Bool(yes) => vec![json!(!yes)],
        Value::Null => vec![json!(true)],
        Value::Array(items) => {
            let mut doubled = items.clone();
            doubled.extend(items.first().cloned().or(Some(json!("x"))));
            vec![json!(items.iter().skip(1).collect::<Vec<_>>()), json!(doubled)]
        }
        Value::Object(members) => {
            let mut fewer = members.clone();
            fewer.retain(|name, _| Some(name) != members.keys().next());
            vec![Value::Object(fewer)]
        }
    }
}

/// The payload with one place changed, wherever that makes a difference.
fn forgeries(payload: &[u8]) -> Vec<(String, Vec<u8>)> {
    let tree: Value = serde_json::from_slice(payload).unwrap();
    let mut found = Vec::new();
    places(&tree, "", &mut found);
    let mut forged = Vec::new();
    for place in found {
        for other in other_values(tree.pointer(&place).unwrap()) {
            let mut tree = tree.clone();
            *tree.pointer_mut(&place).unwrap() = other;
            if let Ok(bytes) = proof::canonical::to_vec(&tree)
                && bytes != payload
            {
                forged.push((place.clone(), bytes));
            }
        }
    }
    forged
}

/// A group in which one event has another payload; `None` when that is no event at all. With `chained`, the events
/// after it name it as `prev`.
fn forged_group(group: &Group, at: usize, payload: &[u8], chained: bool) -> Option<Vec<Recorded>> {
    let mut events = group.events.clone();
    events[at] = Recorded { event: Event::parse(payload).ok()?, payload: payload.to_vec() };
    for next in at + 1..events.len() {
        if chained {
            let mut event = events[next].event.clone();
            event.header.prev = sha256(&events[next - 1].payload);
            let payload = event.to_payload(&event.data.to_canonical().unwrap()).unwrap();
            events[next] = Recorded { event, payload };
        }
    }
    Some(events)
}

/// Calls `check` with each group, the state before it, and the group after it.
fn each_group(world: &World, mut check: impl FnMut(&State, &Group, Option<&Group>)) {
    let mut state = State::new();
    for (i, group) in world.groups.iter().enumerate() {
        check(&state, group, world.groups.get(i + 1));
        rederive(&mut state, &group.events, &group.policy).unwrap();
    }
}

#[test]
fn a_changed_field_breaks_the_log_at_once() {
    let world = story();
    let mut tried = 0;
    each_group(&world, |before, group, after| {
        for (at, recorded) in group.events.iter().enumerate() {
            let seq = recorded.event.header.seq;
            for (place, payload) in forgeries(&recorded.payload) {
                tried += 1;
                let Some(events) = forged_group(group, at, &payload, false) else {
                    continue;
                };
                let mut state = before.clone();
                let what = || format!("{place} of event {seq}, `{}`", recorded.event.data.type_name());
                match rederive(&mut state, &events, &group.policy) {
                    Err(found) if at > 0 => assert!(found.seq <= seq, "{}: {found}", what()),
                    // What a command says when nobody signed it is the server's word; the next event gives it away.
                    Err(found) => assert!(found.seq <= seq.next(), "{}: {found}", what()),
                    Ok(()) => {
                        assert_eq!(at, 0, "{} is derived", what());
                        let Some(after) = after else { panic!("{}: not found", what()) };
                        let found = rederive(&mut state, &after.events, &after.policy).expect_err(&what());
                        assert!(found.seq <= seq.next(), "{}: {found}", what());
                    }
                }
            }
        }
    });
    assert!(tried > 4_000, "{tried}");
}

#[test]
fn what_the_server_can_assert_is_a_short_list() {
    let mut asserted = BTreeSet::new();
    each_group(&story(), |before, group, _| {
        let recorded = &group.events[0];
        for (place, payload) in forgeries(&recorded.payload) {
            let Some(events) = forged_group(group, 0, &payload, true) else {
                continue;
            };
            if rederive(&mut before.clone(), &events, &group.policy).is_ok() {
                asserted.insert(format!("{} {place}", events[0].event.data.type_name()));
            }
        }
    });
    let expected: BTreeSet<String> = ASSERTED.iter().map(|s| (*s).to_owned()).collect();
    assert_eq!(asserted, expected);
}

/// Places of a group's first event that one who holds the ledger's keys can change unseen, if they chain and sign again
/// what comes after: the clock, minted entropy that nothing was minted from, and what unsigned commands say.
const ASSERTED: &[&str] = &[
    "approval.denied /data/seed",
    "approval.granted /data/seed",
    "approval.granted /time",
    "blob.erased /data/why",
    "blob.erased /time",
    "clock.confirmed /data/time",
    "clock.confirmed /time",
    "intent.created /data/intent/goal",
    "intent.created /time",
    "key.created /time",
    "key.deleted /time",
    "key.disabled /time",
    "key.enabled /time",
    "ledger.created /time",
    "ledger.restored /time",
    "projection.attested /data/position",
    "projection.attested /data/projections",
    "projection.attested /data/projections/0/digest",
    "projection.attested /data/projections/0/name",
    "projection.attested /data/projections/0/version",
    "projection.attested /data/projections/1/digest",
    "projection.attested /data/projections/1/name",
    "projection.attested /data/projections/1/version",
    "projection.attested /data/projections/2/digest",
    "projection.attested /data/projections/2/name",
    "projection.attested /data/projections/2/version",
    "projection.attested /time",
    "proposal.submitted /data/seed",
    "result.recorded /data/result/actions/0/duration_ms",
    "result.recorded /data/result/actions/0/exit_code",
    "result.recorded /data/result/actions/0/output",
    "result.recorded /data/result/artifacts",
    "result.recorded /data/result/artifacts/0/kind",
    "result.recorded /data/result/artifacts/0/length",
    "result.recorded /data/result/artifacts/0/path",
    "result.recorded /data/result/artifacts/0/sha256",
    "runner.registered /time",
];

#[test]
fn a_denial_turned_into_an_allowance_is_found_there() {
    // The forger does it well: a ruling without reasons, gates that are content, a job to go with it, all chained.
    let mut world = World::dev();
    let allowed = world.propose("key_casey", plain("p-1", "Casey", &["READ_REPO"])).unwrap();
    let before = world.state.clone();
    let denied = world.propose("key_casey", plain("p-2", "Casey", &["READ_SECRETS"])).unwrap();
    let mut events =
        vec![Event::clone(&denied[0].event), Event::clone(&denied[1].event), Event::clone(&allowed[2].event)];
    let mut state = before.clone();
    state.apply(&events[0], sha256(&denied[0].payload)).unwrap();
    if let (EventData::DecisionRecorded(forged), EventData::DecisionRecorded(honest)) =
        (&mut events[1].data, &allowed[1].event.data)
    {
        (forged.ruling, forged.reasons, forged.gates) = (honest.ruling, Vec::new(), honest.gates.clone());
        forged.allowed_effects = crate::material::effects(&["READ_SECRETS"]);
    }
    let decided = events[1].header.seq;
    if let EventData::JobCreated(created) = &mut events[2].data {
        created.decision = decided;
        created.job.proposal_id = id("p-2");
        created.job.job_id = id("00000000-0000-8000-a000-000000000000");
        created.job.effects = crate::material::effects(&["READ_SECRETS"]);
    }
    let mut recorded: Vec<Recorded> = Vec::new();
    for (n, mut event) in events.into_iter().enumerate() {
        event.header.group = denied[0].event.header.seq;
        event.header.subject = event.data.subject();
        event.header.seq = LeafIndex::new(denied[0].event.header.seq.get() + u64::try_from(n).unwrap());
        event.header.prev = recorded.last().map_or(before.prev(), |last| sha256(&last.payload));
        let payload = event.to_payload(&event.data.to_canonical().unwrap()).unwrap();
        recorded.push(Recorded { event, payload });
    }
    // It is a log in good order, as far as order goes.
    let mut folded = before.clone();
    for one in &recorded {
        folded.apply(&one.event, sha256(&one.payload)).unwrap();
    }
    let found = rederive(&mut before.clone(), &recorded, &world.policy).unwrap_err();
    assert_eq!((found.seq, found.rule), (decided, MismatchRule::Payload), "{found}");
}

#[test]
fn a_group_is_all_or_nothing() {
    each_group(&story(), |before, group, after| {
        let seq = group.events[0].event.header.seq.get();
        for keep in 1..group.events.len() {
            let found = rederive(&mut before.clone(), &group.events[..keep], &group.policy).unwrap_err();
            assert_eq!(found.seq.get(), seq + u64::try_from(keep).unwrap());
        }
        for skip in 1..group.events.len() {
            let found = rederive(&mut before.clone(), &group.events[skip..], &group.policy).unwrap_err();
            assert!(found.seq.get() <= seq);
        }
        if let Some(after) = after {
            assert!(rederive(&mut before.clone(), &after.events, &after.policy).is_err(), "a group was left out");
            let joined: Vec<_> = group.events.iter().chain(&after.events).cloned().collect();
            assert!(rederive(&mut before.clone(), &joined, &group.policy).is_err(), "two commands are not one");
        }
    });
}

#[test]
fn another_policy_does_not_explain_the_log() {
    let world = story();
    let other = World::dev().policy;
    let mut state = State::new();
    let found = rederive(&mut state, &world.groups[0].events, &other).unwrap_err();
    assert_eq!(found.rule, MismatchRule::Refused, "{found}");
}
