//! Forgery with the ledger's own keys: `log` passes, `replay` does not, and names the very event.

use crate::damage::assert_invalid;
use crate::ledger::{Ledger, Story, casey, event_key, leaf_of};
use crate::material::{ORIGIN, publish, read, secret};
use crate::site::{forge, forge_as, log, publish as publish_site, renumber, replay};
use countersign_verifier::{Rule, Verdict};
use domain::authored::{self, SeenHead, StatementKind};
use proof::{Hash, TreeSize, sha256};
use serde_json::{Value, json};

fn at(index: u64) -> usize {
    usize::try_from(index).unwrap()
}

/// Forges a story's log; `log` must let it pass, `replay` must not.
fn assert_caught(edit: impl FnOnce(&mut Vec<Value>, &Story), expected: impl FnOnce(&Story) -> u64, rule: Rule) {
    let (ledger, story) = Ledger::story();
    let leaves = forge(&ledger, |payloads| edit(payloads, &story));
    assert_ne!(leaves, ledger.leaves);
    let site = publish_site(&leaves, &ledger.policy);
    let passed = log(site.clone());
    assert_eq!(passed.verdict, Verdict::Valid, "{passed:?}");
    let report = replay(site);
    assert_invalid(&report, Some(expected(&story)), rule);
}

/// Forges what `log` alone finds already.
fn assert_caught_by_log(edit: impl FnOnce(&mut Vec<Value>, &Story), expected: impl FnOnce(&Story) -> u64, rule: Rule) {
    let (ledger, story) = Ledger::story();
    let leaves = forge(&ledger, |payloads| edit(payloads, &story));
    assert_invalid(&log(publish_site(&leaves, &ledger.policy)), Some(expected(&story)), rule);
}

fn allow(decision: &mut Value) {
    let data = &mut decision["data"];
    data["ruling"] = json!("ALLOW");
    data["reasons"] = json!([]);
    data["allowed_effects"] = json!(["READ_REPO", "READ_SECRETS"]);
    for gate in data["gates"].as_array_mut().unwrap() {
        gate["ruling"] = json!("ALLOW");
        gate["reasons"] = json!([]);
    }
}

#[test]
fn a_forged_log_without_a_change_is_the_log_itself() {
    let (ledger, _) = Ledger::story();
    assert_eq!(forge(&ledger, |_| ()), ledger.leaves);
}

#[test]
fn a_deny_that_became_an_allow() {
    assert_caught(
        |payloads, story| allow(&mut payloads[at(story.secrets) + 1]),
        |story| story.secrets + 1,
        Rule::PayloadDiffers,
    );
    let only_the_word =
        |payloads: &mut Vec<Value>, story: &Story| payloads[at(story.secrets) + 1]["data"]["ruling"] = json!("ALLOW");
    assert_caught(only_the_word, |story| story.secrets + 1, Rule::PayloadDiffers);
}

#[test]
fn a_deny_that_became_an_allow_as_the_last_event_of_all() {
    // No later signed statement gives it away, and its group has no other end than the log's.
    let mut ledger = Ledger::new();
    ledger.intend("intent-1");
    let group = ledger.propose("key_lee", crate::material::secrets("p-1"));
    let decision = group[1].event.header.seq.get();
    assert_eq!(ledger.tree.size().get(), decision + 1);
    let leaves = forge(&ledger, |payloads| allow(&mut payloads[at(decision)]));
    let site = publish_site(&leaves, &ledger.policy);
    assert_eq!(log(site.clone()).verdict, Verdict::Valid);
    let report = replay(site);
    assert_invalid(&report, Some(decision), Rule::PayloadDiffers);
    assert_eq!(report.decisions.unwrap().mismatched, 1);
    let detail = report.first_bad.unwrap().detail;
    assert!(detail.starts_with("`decision.recorded` of proposal/p-1: "), "{detail}");
}

#[test]
fn a_deny_that_became_an_allow_with_a_job() {
    let with_job = |payloads: &mut Vec<Value>, story: &Story| {
        allow(&mut payloads[at(story.secrets) + 1]);
        insert_job(payloads, story, story.secrets + 2, story.secrets);
    };
    assert_caught(with_job, |story| story.secrets + 1, Rule::PayloadDiffers);
}

/// Mints a job where there was none, after the model of the story's first one.
fn insert_job(payloads: &mut Vec<Value>, story: &Story, place: u64, group: u64) {
    let mut job = payloads[at(story.read) + 2].clone();
    job["seq"] = json!(place);
    job["group"] = json!(group);
    job["causes"] = json!([place - 1]);
    job["subject"] = json!("job/00000000-0000-8000-a000-000000000000");
    job["data"]["job"]["job_id"] = json!("00000000-0000-8000-a000-000000000000");
    job["data"]["job"]["proposal_id"] = json!("p-secrets");
    job["data"]["decision"] = json!(place - 1);
    job["time"] = payloads[at(place) - 1]["time"].clone();
    payloads.insert(at(place), job);
    renumber(payloads, at(place) + 1, 1);
}

#[test]
fn a_job_without_a_decision_that_allows_it() {
    let behind_the_deny =
        |payloads: &mut Vec<Value>, story: &Story| insert_job(payloads, story, story.secrets + 2, story.secrets);
    assert_caught(behind_the_deny, |story| story.secrets + 2, Rule::EventCountDiffers);
    let by_itself =
        |payloads: &mut Vec<Value>, story: &Story| insert_job(payloads, story, story.attested, story.attested);
    assert_caught(by_itself, |story| story.attested, Rule::GroupHasNoCommand);
    let left_out = |payloads: &mut Vec<Value>, story: &Story| {
        payloads.remove(at(story.patch) + 2);
        renumber(payloads, at(story.patch) + 2, -1);
    };
    assert_caught(left_out, |story| story.patch + 2, Rule::EventCountDiffers);
}

#[test]
fn a_fact_that_a_gate_read() {
    let risk = |payloads: &mut Vec<Value>, story: &Story| {
        let gates = payloads[at(story.patch) + 1]["data"]["gates"].as_array_mut().unwrap();
        let facts = gates.iter_mut().find(|gate| gate["gate"] == "risk").unwrap();
        facts["facts"]["floor"] = json!(0.1);
    };
    assert_caught(risk, |story| story.patch + 1, Rule::PayloadDiffers);
    let whole_job = |payloads: &mut Vec<Value>, story: &Story| {
        payloads[at(story.read) + 2]["data"]["job"]["actions"][0]["inputs"]["path"] = json!("/etc/shadow");
    };
    assert_caught(whole_job, |story| story.read + 2, Rule::PayloadDiffers);
}

#[test]
fn an_attested_fact_that_other_facts_follow_from() {
    // Job ids and nonces follow from the seed.
    let seed = |payloads: &mut Vec<Value>, story: &Story| {
        payloads[at(story.patch)]["data"]["seed"] = json!(sha256(b"another"));
    };
    assert_caught(seed, |story| story.patch + 2, Rule::PayloadDiffers);
    // A sensor's report denies.
    let finding = |payloads: &mut Vec<Value>, story: &Story| {
        payloads[at(story.patch)]["data"]["findings"] = json!([{"place": "/summary", "kind": "jwt"}]);
    };
    assert_caught(finding, |story| story.patch + 1, Rule::PayloadDiffers);
    // The events of a group have one time.
    let clock = |payloads: &mut Vec<Value>, story: &Story| {
        payloads[at(story.patch) + 2]["time"] = payloads[at(story.attested)]["time"].clone();
    };
    assert_caught(clock, |story| story.patch + 2, Rule::PayloadDiffers);
}

#[test]
fn an_approval_that_nobody_gave() {
    let by_another_key = |payloads: &mut Vec<Value>, story: &Story| {
        let answered = &mut payloads[at(story.approval)]["data"];
        let head = SeenHead { size: TreeSize::ZERO, root: SeenHead::empty().root };
        let envelope = authored::sign(StatementKind::Answer, ORIGIN, head, &answered["answer"], &secret(9)).unwrap();
        answered["authored"] = json!(envelope);
    };
    assert_caught(by_another_key, |story| story.approval, Rule::Authorship);
    let with_another_answer = |payloads: &mut Vec<Value>, story: &Story| {
        payloads[at(story.approval)]["data"]["answer"]["reason"] = json!("go ahead");
    };
    assert_caught(with_another_answer, |story| story.approval, Rule::Authorship);
    let without_a_signature = |payloads: &mut Vec<Value>, story: &Story| {
        payloads[at(story.approval)]["data"].as_object_mut().unwrap().remove("authored");
    };
    assert_caught(without_a_signature, |story| story.approval, Rule::CommandRefused);
}

#[test]
fn an_approval_by_the_proposer_or_for_another_challenge() {
    let by_the_proposer = |payloads: &mut Vec<Value>, story: &Story| {
        let approval = &mut payloads[at(story.approval)];
        approval["actor"] = json!({"id": "Jordan", "key_id": "key_jordan", "kind": "agent"});
        approval["data"].as_object_mut().unwrap().remove("authored");
        approval["data"]["strength"] = json!("api_key");
    };
    assert_caught(by_the_proposer, |story| story.approval, Rule::CommandRefused);
    let another_challenge = |payloads: &mut Vec<Value>, story: &Story| {
        let approval = &mut payloads[at(story.approval)];
        approval["actor"] = json!({"id": "lee", "key_id": "key_lee", "kind": "human"});
        approval["data"].as_object_mut().unwrap().remove("authored");
        approval["data"]["strength"] = json!("api_key");
        approval["data"]["answer"]["challenge"]["nonce"] = json!("00000000000000000000000000000000");
    };
    assert_caught(another_challenge, |story| story.approval, Rule::CommandRefused);
}

#[test]
fn a_result_that_the_runner_did_not_report() {
    let artifact = |payloads: &mut Vec<Value>, story: &Story| {
        payloads[at(story.result)]["data"]["result"]["artifacts"][0]["sha256"] = json!(sha256(b"another file"));
    };
    assert_caught(artifact, |story| story.result, Rule::Authorship);
    let ending =
        |payloads: &mut Vec<Value>, story: &Story| payloads[at(story.result) + 1]["type"] = json!("job.failed");
    assert_caught(ending, |story| story.result + 1, Rule::PayloadDiffers);
    let lease = |payloads: &mut Vec<Value>, story: &Story| payloads[at(story.lease)]["data"]["attempt"] = json!(2);
    assert_caught(lease, |story| story.lease, Rule::PayloadDiffers);
}

#[test]
fn a_key_that_root_did_not_enrol() {
    let without = |payloads: &mut Vec<Value>, _: &Story| {
        payloads[2]["data"].as_object_mut().unwrap().remove("authored");
    };
    assert_caught(without, |_| 2, Rule::CommandRefused);
    let by_the_event_key = |payloads: &mut Vec<Value>, _: &Story| {
        let data = &mut payloads[2]["data"];
        let envelope =
            authored::sign(StatementKind::Key, ORIGIN, SeenHead::empty(), &data["key"], &event_key()).unwrap();
        data["authored"] = json!(envelope);
    };
    assert_caught(by_the_event_key, |_| 2, Rule::Authorship);
    let wider = |payloads: &mut Vec<Value>, _: &Story| payloads[2]["data"]["key"]["max_risk"] = json!(0.9);
    assert_caught(wider, |_| 2, Rule::Authorship);
}

#[test]
fn a_genesis_that_root_did_not_sign() {
    for (member, value) in [("policy", json!(Hash::ZERO)), ("profile", json!("prod"))] {
        let edit = |payloads: &mut Vec<Value>, _: &Story| payloads[0]["data"]["genesis"][member] = value;
        assert_caught_by_log(edit, |_| 0, Rule::RootStatement);
    }
    let (ledger, _) = Ledger::story();
    let other = forge_as(&ledger, &secret(9), |_| ());
    assert_invalid(&log(publish_site(&other, &ledger.policy)), Some(0), Rule::EventKey);
}

#[test]
fn a_history_that_was_rewritten_before_somebody_signed() {
    // An unsigned intent can be rewritten without a trace in what follows from it; but Casey had seen the old one.
    let intent = |payloads: &mut Vec<Value>, _: &Story| payloads[4]["data"]["intent"]["goal"] = json!("sell the house");
    assert_caught(intent, |story| story.read, Rule::ForkedHead);
}

#[test]
fn a_statement_that_names_a_head_of_another_history() {
    for (size, root) in [(3, sha256(b"another history")), (40, sha256(b"")), (0, sha256(b"not empty"))] {
        let mut ledger = Ledger::new();
        ledger.intend("intent-1");
        let group = ledger.propose_seen(SeenHead { size: TreeSize::new(size), root }, read("p-1"));
        ledger.intend("intent-2");
        let site = crate::site::site(&ledger);
        assert_eq!(log(site.clone()).verdict, Verdict::Valid);
        assert_invalid(&replay(site), Some(group[0].event.header.seq.get()), Rule::ForkedHead);
    }
    let mut honest = Ledger::new();
    honest.intend("intent-1");
    honest.propose_seen(honest.head_at(2), read("p-1"));
    assert_eq!(replay(crate::site::site(&honest)).verdict, Verdict::Valid);
}

#[test]
fn a_read_model_that_lies() {
    let digest = |payloads: &mut Vec<Value>, story: &Story| {
        payloads[at(story.attested)]["data"]["projections"][1]["digest"] = json!(sha256(b"lie"));
    };
    assert_caught(digest, |story| story.attested, Rule::ProjectionDigest);
    let position =
        |payloads: &mut Vec<Value>, story: &Story| payloads[at(story.attested)]["data"]["position"] = json!(6);
    assert_caught(position, |story| story.attested, Rule::ProjectionDigest);
    let future =
        |payloads: &mut Vec<Value>, story: &Story| payloads[at(story.attested)]["data"]["position"] = json!(20);
    assert_caught(future, |story| story.attested, Rule::CommandRefused);
    // Of a read model that nobody here knows, nothing can be said; what follows is judged nevertheless.
    let mut ledger = Ledger::new();
    ledger.attest(ledger.head().size);
    let last = ledger.leaves.len() - 1;
    let unknown = |payloads: &mut Vec<Value>| payloads[last]["data"]["projections"][1]["version"] = json!(99);
    let site = publish_site(&forge(&ledger, unknown), &ledger.policy);
    assert_invalid(&replay(site), Some(last.try_into().unwrap()), Rule::ProjectionUnknown);
}

#[test]
fn an_engine_that_this_build_does_not_have() {
    let decision =
        |payloads: &mut Vec<Value>, story: &Story| payloads[at(story.patch) + 1]["data"]["engine"] = json!(99);
    assert_caught(decision, |story| story.patch + 1, Rule::EngineUnknown);
    assert_caught(|payloads, _| payloads[0]["data"]["engine"] = json!(0), |_| 0, Rule::EngineUnknown);
}

#[test]
fn headers_that_do_not_chain() {
    assert_caught_by_log(|payloads, _| payloads[9]["seq"] = json!(10), |_| 9, Rule::Seq);
    assert_caught_by_log(|payloads, _| payloads[9]["ledger"] = json!("other.example"), |_| 9, Rule::Ledger);
    assert_caught_by_log(|payloads, _| payloads[9]["time"] = json!("2020-01-01T00:00:00.000Z"), |_| 9, Rule::Time);
    assert_caught_by_log(|payloads, _| payloads[9]["group"] = json!(3), |_| 9, Rule::Group);
    assert_caught_by_log(|payloads, _| payloads[9]["group"] = json!(10), |_| 9, Rule::Group);
    assert_caught_by_log(|payloads, _| payloads[9]["causes"] = json!([9]), |_| 9, Rule::Causes);
    assert_caught_by_log(|payloads, _| payloads[9]["version"] = json!(3), |_| 9, Rule::SubjectVersion);
    assert_caught_by_log(|payloads, _| payloads[9]["type"] = json!("later.invented"), |_| 9, Rule::EventUnknown);
    assert_caught_by_log(|payloads, _| payloads[9]["v"] = json!(2), |_| 9, Rule::EventUnknown);
    assert_caught_by_log(|payloads, _| payloads[9]["data"] = json!(7), |_| 9, Rule::Event);
    assert_caught_by_log(|payloads, _| payloads[4] = payloads[0].clone(), |_| 4, Rule::Seq);
    let second = |payloads: &mut Vec<Value>, _: &Story| {
        payloads[4] = payloads[0].clone();
        payloads[4]["seq"] = json!(4);
        payloads[4]["group"] = json!(4);
        payloads[4]["time"] = payloads[5]["time"].clone();
    };
    assert_caught_by_log(second, |_| 4, Rule::Genesis);
    // An event that claims another one to be before it.
    let (ledger, _) = Ledger::story();
    let mut leaves = ledger.leaves.clone();
    let mut payload = ledger.payloads()[9].clone();
    payload["prev"] = json!(sha256(b"another"));
    leaves[9] = leaf_of(&proof::canonical::value_to_vec(&payload), &event_key());
    assert_invalid(&log(publish_site(&leaves, &ledger.policy)), Some(9), Rule::Prev);
}

#[test]
fn other_spellings_of_the_same_json() {
    let (ledger, _) = Ledger::story();
    let payload = String::from_utf8(proof::Leaf::parse(&ledger.leaves[9]).unwrap().payload.to_vec()).unwrap();
    let twins = [
        payload.replacen("\"version\":2", "\"version\": 2", 1),
        payload.replacen("\"version\":2", "\"version\":2.0", 1),
        payload.replacen("\"type\"", "\"\\u0074ype\"", 1),
        payload.replacen("{\"actor\"", "{\"\":0,\"actor\"", 1).replacen("\"\":0,", "", 1).replacen(
            "proposal/",
            "proposal\\/",
            1,
        ),
    ];
    for twin in twins {
        assert_ne!(twin, payload);
        let same: Value = serde_json::from_str(&twin).unwrap();
        assert_eq!(same, {
            let mut expected = ledger.payloads()[9].clone();
            if twin.contains("2.0") {
                expected["version"] = json!(2.0);
            }
            expected
        });
        let mut leaves = ledger.leaves.clone();
        leaves[9] = leaf_of(twin.as_bytes(), &event_key());
        assert_invalid(&log(publish_site(&leaves, &ledger.policy)), Some(9), Rule::LeafSpelling);
    }
}

#[test]
fn a_second_signature_is_no_second_spelling() {
    let (ledger, _) = Ledger::story();
    let text = String::from_utf8(ledger.leaves[9].clone()).unwrap();
    let start = text.rfind("[{\"keyid\"").unwrap() + 1;
    let one = text[start..text.len() - 2].to_owned();
    let other = String::from_utf8(leaf_of(proof::Leaf::parse(&ledger.leaves[9]).unwrap().payload, &casey())).unwrap();
    let other = other[other.rfind("[{\"keyid\"").unwrap() + 1..other.len() - 2].to_owned();
    for signatures in [format!("{one},{one}"), format!("{one},{other}"), other] {
        let mut leaves = ledger.leaves.clone();
        leaves[9] = format!("{}{signatures}]}}", &text[..start]).into_bytes();
        assert_invalid(&log(publish_site(&leaves, &ledger.policy)), Some(9), Rule::EventKey);
    }
}

#[test]
fn another_head_for_the_same_entries() {
    // The checkpoint key signs a root that the entries do not lead to.
    let (ledger, _) = Ledger::story();
    let mut site = crate::site::site(&ledger);
    site.files.insert(
        "checkpoint".into(),
        crate::site::checkpoint(&forge(&ledger, |payloads| allow(&mut payloads[9]))).into(),
    );
    assert_invalid(&log(site), None, Rule::CheckpointRoot);
}

#[test]
fn a_proposal_in_another_name() {
    let actor = |payloads: &mut Vec<Value>, story: &Story| {
        payloads[at(story.publish)]["actor"] = json!({"id": "lee", "key_id": "key_lee", "kind": "human"});
    };
    assert_caught(actor, |story| story.publish, Rule::PayloadDiffers);
    let unknown_key = |payloads: &mut Vec<Value>, story: &Story| {
        payloads[at(story.publish)]["actor"]["key_id"] = json!("key_nobody");
    };
    assert_caught(unknown_key, |story| story.publish, Rule::CommandRefused);
    // The same proposal may not be put forward twice.
    let mut ledger = Ledger::new();
    ledger.intend("intent-1");
    ledger.propose("key_jordan", publish("p-1"));
    ledger.propose("key_jordan", publish("p-2"));
    let group = ledger.leaves.len() - 3;
    let leaves = forge(&ledger, |payloads| {
        for payload in &mut payloads[group..] {
            *payload = serde_json::from_str(&payload.to_string().replace("p-2", "p-1")).unwrap();
        }
        for (payload, version) in payloads[group..].iter_mut().zip(4..) {
            payload["version"] = json!(version);
        }
    });
    let site = publish_site(&leaves, &ledger.policy);
    assert_eq!(log(site.clone()).verdict, Verdict::Valid);
    assert_invalid(&replay(site), Some(group.try_into().unwrap()), Rule::CommandRefused);
}
