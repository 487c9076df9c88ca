//! The JSON Schemas of events against events that real commands made.
//!
//! The published schemas are open where the format is: members are only ever added to `data`. These
//! tests close them, so that a member which the code writes and no schema knows is found.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails says where by panicking"
)]

#[path = "../../projections/tests/it/history.rs"]
#[expect(dead_code, reason = "these tests use a part of what the read models' do")]
mod history;

use std::collections::{BTreeMap, BTreeSet};

use domain::command::KeyChange;
use domain::event::EventData;
use domain::event::approval::Verb;
use history::{History, Kind, Report};
use jsonschema::{Registry, Validator};
use proof::note::SignerKey;
use proof::{Checkpoint, KeyName, LeafIndex, Receipt, ReceiptEntry, SecretKey, merkle};
use serde_json::{Value, json};

/// Schemas that are no event's.
const OTHERS: [&str; 6] = ["event", "event-header", "leaf", "receipt", "statement", "types"];
const BASE: &str = "https://countersign.example/schemas/v1/";

fn load() -> BTreeMap<String, Value> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/json");
    let mut schemas = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let name = name.strip_suffix(".schema.json").unwrap_or_else(|| panic!("what is {name}?"));
        let schema = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        schemas.insert(name.to_owned(), schema);
    }
    schemas
}

/// Forbids members that a schema does not name.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            let closed = ["additionalProperties", "unevaluatedProperties"];
            let open = !closed.iter().any(|name| members.contains_key(*name));
            if open && members.get("type") == Some(&json!("object")) && members.contains_key("properties") {
                members.insert("additionalProperties".into(), json!(false));
            }
            members.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

struct Schemas {
    all: BTreeMap<String, Value>,
    registry: Registry<'static>,
}

impl Schemas {
    /// As they are published.
    fn published() -> Self {
        Self::of(load())
    }

    /// With every object closed.
    fn closed() -> Self {
        let mut all = load();
        for (name, schema) in &mut all {
            // These two are parts of others, which close them.
            if name != "event" && name != "event-header" {
                close(schema);
            }
        }
        Self::of(all)
    }

    fn of(all: BTreeMap<String, Value>) -> Self {
        let mut registry = Registry::new();
        for (name, schema) in &all {
            registry = registry.add(format!("{BASE}{name}.schema.json"), schema.clone()).unwrap();
        }
        Self { registry: registry.prepare().unwrap(), all }
    }

    fn validator(&self, name: &str) -> Validator {
        let schema = &self.all[name];
        let options = jsonschema::options().should_validate_formats(true);
        options.with_registry(&self.registry).build(schema).unwrap()
    }
}

fn check(validator: &Validator, value: &Value, what: &str) {
    let errors: Vec<String> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{what}: {errors:#?}\n{value:#}");
}

/// A history in which every type of event happens, and every member of every type occurs.
fn story() -> History {
    let mut history = History::new();
    history.intent("i1");
    history.create_key("key_riley");
    for change in [KeyChange::Disable, KeyChange::Enable, KeyChange::Delete] {
        history.change_key("key_riley", change);
    }
    let kinds =
        [Kind::Read, Kind::Write, Kind::Plain, Kind::Publish, Kind::Merge, Kind::Secrets, Kind::Blind, Kind::Leaky];
    for kind in kinds {
        history.propose(&format!("{kind:?}"), kind);
    }
    history.propose_instead("seen", "Blind");
    history.answer(&"Publish".parse().unwrap(), Verb::Grant, true);
    history.answer(&"Merge".parse().unwrap(), Verb::Grant, false);
    for (name, verb) in [("no", Some(Verb::Deny)), ("silence", None)] {
        history.propose(name, Kind::Publish);
        match verb {
            Some(verb) => history.answer(&name.parse().unwrap(), verb, true),
            None => history.expire(&name.parse().unwrap()),
        }
    }
    // read, write, plain, superseding, published, merged.
    let jobs = history.jobs.clone();
    assert_eq!(jobs.len(), 6);
    history.lease();
    history.lapse(&jobs[0]);
    history.lease();
    history.report(&jobs[0], Report::Completed);
    history.lease();
    history.lapse(&jobs[1]);
    history.report_without_warrant(&jobs[2]);
    history.lease();
    history.report(&jobs[3], Report::Failed);
    history.lease();
    history.report(&jobs[4], Report::Rejected);
    history.erase(b"body");
    history.pass_ms(1_000);
    history.restore();
    history.confirm_clock();
    history.attest(history.size(), domain::view::ALL.map(|p| domain::view::Folded::new(p).attested()).to_vec());
    history
}

fn payloads(history: &History) -> Vec<Value> {
    history.payloads.iter().map(|bytes| serde_json::from_slice(bytes).unwrap()).collect()
}

#[test]
fn there_is_a_schema_for_every_type_of_event_and_no_other() {
    let wanted: BTreeSet<&str> = EventData::TYPES.iter().copied().chain(OTHERS).collect();
    let schemas = load();
    let found: BTreeSet<&str> = schemas.keys().map(String::as_str).collect();
    assert_eq!(found, wanted);
    for (name, schema) in &schemas {
        assert_eq!(schema["$id"], format!("{BASE}{name}.schema.json"));
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        jsonschema::meta::validate(schema).unwrap();
    }
    for name in EventData::TYPES {
        assert_eq!(schemas[*name]["properties"]["type"]["const"], *name);
    }
}

#[test]
fn every_type_of_event_is_as_its_schema_says_to_the_last_member() {
    let schemas = Schemas::closed();
    let mut seen = BTreeSet::new();
    for payload in payloads(&story()) {
        let name = payload["type"].as_str().unwrap().to_owned();
        let validator = schemas.validator(&name);
        check(&validator, &payload, &name);
        let mut more = payload;
        more["data"]["unheard_of"] = json!(1);
        assert!(!validator.is_valid(&more), "{name} is not closed");
        seen.insert(name);
    }
    let all: BTreeSet<String> = EventData::TYPES.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(seen, all);
}

#[test]
fn no_schema_names_a_member_that_never_occurs() {
    fn names(schema: &Value, found: &mut BTreeSet<String>) {
        match schema {
            Value::Object(members) => {
                if let Some(Value::Object(properties)) = members.get("properties") {
                    found.extend(properties.keys().cloned());
                }
                members.values().for_each(|value| names(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| names(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    fn members(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(object) => {
                found.extend(object.keys().cloned());
                object.values().for_each(|value| members(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| members(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let (mut named, mut occurring) = (BTreeSet::new(), BTreeSet::new());
    let schemas = load();
    for name in EventData::TYPES.iter().copied().chain(["types", "event-header"]) {
        names(&schemas[name], &mut named);
    }
    for payload in payloads(&story()) {
        members(&payload, &mut occurring);
    }
    let idle: Vec<_> = named.difference(&occurring).collect();
    assert!(idle.is_empty(), "{idle:?}");
}

#[test]
fn events_of_random_histories_are_as_their_schemas_say() {
    let schemas = Schemas::closed();
    let validators: BTreeMap<&str, Validator> =
        EventData::TYPES.iter().map(|name| (*name, schemas.validator(name))).collect();
    let any = schemas.validator("event");
    let mut history = History::new();
    (0..500_u32).for_each(|n| history.act(u8::try_from(n * 89 % 251).unwrap()));
    for payload in payloads(&history) {
        let name = payload["type"].as_str().unwrap();
        check(&validators[name], &payload, name);
        check(&any, &payload, "event");
    }
}

#[test]
fn members_may_be_added_to_data_but_not_to_the_header() {
    let schemas = Schemas::published();
    for mut payload in payloads(&story()) {
        let name = payload["type"].as_str().unwrap().to_owned();
        let validator = schemas.validator(&name);
        payload["data"]["added_later"] = json!(1);
        check(&validator, &payload, &name);
        payload["added_later"] = json!(1);
        assert!(!validator.is_valid(&payload), "{name}");
    }
}

#[test]
fn a_header_with_something_missing_or_out_of_shape_is_refused() {
    let schemas = Schemas::published();
    let header = schemas.all["event-header"]["required"].as_array().unwrap();
    assert_eq!(header.len(), 12);
    let other = [
        ("actor", json!({"kind": "robot", "id": "x", "key_id": "none"})),
        ("causes", json!([-1])),
        ("group", json!(1.5)),
        ("ledger", json!("")),
        ("prev", json!("AB")),
        ("seq", json!("1")),
        ("session", json!("no session")),
        ("subject", json!(7)),
        ("time", json!("2026-01-31T23:59:59Z")),
        ("type", json!("something.else")),
        ("v", json!(2)),
        ("version", json!(0)),
    ];
    for payload in payloads(&story()) {
        let name = payload["type"].as_str().unwrap();
        let validator = schemas.validator(name);
        for member in header {
            let mut without = payload.clone();
            without.as_object_mut().unwrap().remove(member.as_str().unwrap()).unwrap();
            assert!(!validator.is_valid(&without), "{name} without {member}");
        }
        for (member, value) in &other {
            let mut spoilt = payload.clone();
            spoilt[*member] = value.clone();
            assert!(!validator.is_valid(&spoilt), "{name} with {member} {value}");
        }
    }
}

#[test]
fn an_event_of_one_type_is_none_of_another() {
    let schemas = Schemas::published();
    let validators: Vec<_> = EventData::TYPES.iter().map(|name| schemas.validator(name)).collect();
    for payload in payloads(&story()) {
        let fitting = validators.iter().filter(|validator| validator.is_valid(&payload)).count();
        assert_eq!(fitting, 1, "{}", payload["type"]);
    }
}

#[test]
fn leaves_and_statements_are_as_their_schemas_say() {
    let schemas = Schemas::closed();
    let (leaf, statement) = (schemas.validator("leaf"), schemas.validator("statement"));
    let mut kinds = BTreeSet::new();
    for bytes in &story().leaves {
        let value: Value = serde_json::from_slice(bytes).unwrap();
        check(&leaf, &value, "leaf");
        let authored = &value["payload"]["data"]["authored"];
        if let Some(payload) = authored["payload"].as_str() {
            let said: Value = serde_json::from_slice(&proof::base64::decode(payload).unwrap()).unwrap();
            check(&statement, &said, "statement");
            kinds.insert(said["type"].as_str().unwrap().to_owned());
        }
    }
    // An intent is signed by nobody in the story: its statement is like any other.
    assert_eq!(kinds.len(), 8, "{kinds:?}");
}

#[test]
fn receipts_are_as_their_schema_says() {
    let schemas = Schemas::closed();
    let validator = schemas.validator("receipt");
    let history = story();
    let mut tree = merkle::MemoryTree::new();
    history.leaves.iter().for_each(|leaf| tree.push(merkle::leaf_hash(leaf)));
    let signer = SignerKey::new(KeyName::new(history::ORIGIN).unwrap(), SecretKey::from_seed([3; 32]));
    let head = Checkpoint { origin: history::ORIGIN.into(), size: tree.size(), root: tree.root() };
    let entries = [2, 9].map(|index| ReceiptEntry {
        index: LeafIndex::new(index),
        leaf: String::from_utf8(history.leaves[usize::try_from(index).unwrap()].to_vec()).unwrap(),
        path: merkle::inclusion_proof(&tree, LeafIndex::new(index), tree.size()).unwrap(),
    });
    let receipt = Receipt { checkpoint: head.sign(&signer), entries: entries.to_vec() };
    receipt.verify(&signer.verifier()).unwrap();
    let json: Value = serde_json::from_slice(&receipt.to_json()).unwrap();
    check(&validator, &json, "receipt");
    for (pointer, value) in [("/v", json!(2)), ("/entries", json!([])), ("/more", json!(1))] {
        let mut spoilt = json.clone();
        spoilt[pointer.trim_start_matches('/')] = value;
        assert!(!validator.is_valid(&spoilt), "{pointer}");
    }
}

#[test]
fn every_member_is_described() {
    fn walk(place: &str, schema: &Value, bare: &mut Vec<String>) {
        if let Some(Value::Object(properties)) = schema.get("properties") {
            for (name, member) in properties {
                let described = ["description", "const", "$ref"].iter().any(|key| member.get(*key).is_some());
                if !described {
                    bare.push(format!("{place}/{name}"));
                }
            }
        }
        match schema {
            Value::Object(members) => {
                for (name, value) in members {
                    walk(&format!("{place}/{name}"), value, bare);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| walk(place, item, bare)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut bare = Vec::new();
    for (name, schema) in load() {
        assert!(schema["description"].is_string(), "{name}");
        if name != "event" {
            walk(&name, &schema, &mut bare);
        }
    }
    assert!(bare.is_empty(), "{bare:#?}");
}
