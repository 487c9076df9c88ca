//! Bundles and manifests as data: what is refused when they are read, and digests that must not move by accident.

use crate::material::{DEFAULT_POLICY, action, default_bundle, effects, id, manifest};
use domain::event::proposal::{Action, Seed};
use domain::id::SessionId;
use domain::manifest::Manifest;
use domain::policy::Bundle;
use proof::commitment::{Commitment, Salt};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn refused(bundle: &Bundle) -> String {
    Bundle::parse(&bundle.to_bytes()).expect_err("it is refused").to_string()
}

#[test]
fn each_check_of_a_bundle_refuses() {
    let rows: Vec<(&str, fn(&mut Bundle))> = vec![
        ("version 2 is not known here", |b| b.v = 2),
        ("no effects", |b| b.effects.clear()),
        ("risk_floor of `MERGE` is not between 0 and 1", |b| b.effects.get_mut("MERGE").unwrap().risk_floor = 1.5),
        ("risk_floor of `MERGE` is not between 0 and 1", |b| b.effects.get_mut("MERGE").unwrap().risk_floor = -0.1),
        ("approvals of `MERGE` is not between 1 and 16", |b| b.effects.get_mut("MERGE").unwrap().approvals = Some(0)),
        ("approvals of `MERGE` is not between 1 and 16", |b| b.effects.get_mut("MERGE").unwrap().approvals = Some(17)),
        ("a risk addition is not between 0 and 1", |b| b.risk_irreversible = 1.1),
        ("a risk addition is not between 0 and 1", |b| b.risk_partially_reversible = -0.1),
        ("agent `Casey` stands twice", |b| b.agents.push(b.agents[0].clone())),
        ("agent `Casey` stands twice", |b| b.restricted.name = id("Casey")),
        ("max_risk of `Casey` is not between 0 and 1", |b| b.agents[0].max_risk = 2.0),
        ("max_risk of `restricted` is not between 0 and 1", |b| b.restricted.max_risk = -1.0),
        ("agent `Casey` is allowed the unknown effect `TELEPORT`", |b| {
            b.agents[0].allowed_effects = effects(&["TELEPORT"]);
        }),
        ("agent `restricted` is allowed the unknown effect", |b| b.restricted.allowed_effects = effects(&["TELEPORT"])),
        ("approvals.required is not between 1 and 16", |b| b.approvals.required = 0),
        ("approvals.required is not between 1 and 16", |b| b.approvals.required = 17),
        ("approvals.expire_minutes is 0", |b| b.approvals.expire_minutes = 0),
    ];
    for (problem, change) in rows {
        let mut bundle = default_bundle();
        change(&mut bundle);
        let error = refused(&bundle);
        assert!(error.starts_with("policy bundle: ") && error.contains(problem), "`{error}` is not about: {problem}");
    }
}

#[test]
fn the_bounds_of_a_bundle_are_inclusive() {
    let mut bundle = default_bundle();
    bundle.effects.get_mut("MERGE").unwrap().approvals = Some(16);
    bundle.effects.get_mut("DEPLOY").unwrap().risk_floor = 0.0;
    bundle.risk_irreversible = 1.0;
    bundle.approvals.required = 16;
    assert_eq!(Bundle::parse(&bundle.to_bytes()).unwrap(), bundle);
}

#[test]
fn files_are_merged_and_never_override_each_other() {
    let [agents, approvals, effects] = DEFAULT_POLICY;
    let compiled = Bundle::compile(&[effects, approvals, agents]).unwrap();
    assert_eq!(compiled.digest(), default_bundle().digest(), "the order of files says nothing");
    let again = ("more.toml", "[approvals]\nrequired = 1\nexpire_minutes = 1\n");
    let error = Bundle::compile(&[agents, approvals, effects, again]).unwrap_err().to_string();
    assert_eq!(error, "policy bundle: more.toml: `approvals` stands in another file already");
    for (name, text) in [
        ("broken.toml", "v = "),
        ("unknown.toml", "kill_switch = true"),
        ("unknown.toml", "[effects.X]\nrisk_floor = 0.1\nallow = true"),
    ] {
        assert!(Bundle::compile(&[agents, approvals, effects, (name, text)]).is_err(), "{text}");
    }
    assert!(Bundle::compile(&[agents, effects]).is_err(), "a part is missing");
    assert!(Bundle::compile(&[]).is_err(), "an empty policy");
    let nan = effects.1.replace("risk_floor = 0.7", "risk_floor = nan");
    assert!(Bundle::compile(&[agents, approvals, ("effects.toml", &nan)]).is_err(), "NaN is between nothing");
}

#[test]
fn a_bundle_has_one_spelling() {
    let bytes = default_bundle().to_bytes();
    let mut spaced = bytes.clone();
    spaced.insert(1, b' ');
    assert!(Bundle::parse(&spaced).is_err());
    let mut more: Value = serde_json::from_slice(&bytes).unwrap();
    more["override"] = json!(true);
    assert!(Bundle::parse(&proof::canonical::value_to_vec(&more)).is_err(), "nothing unknown is ignored in a policy");
}

#[test]
fn a_stranger_gets_the_restricted_profile() {
    let bundle = default_bundle();
    assert_eq!(bundle.profile(&id("Jordan")).name.as_str(), "Jordan");
    for name in ["jordan", "Jordan.", "Mallory", "restricted"] {
        assert_eq!(bundle.profile(&id(name)).name.as_str(), "restricted", "{name}");
    }
    assert!(bundle.read_only(&effects(&["READ_REPO", "COMPUTE"])));
    assert!(!bundle.read_only(&effects(&["READ_REPO", "RUN_TESTS"])) && !bundle.read_only(&effects(&["OTHER"])));
}

fn problem(tool: &str, action: &Action) -> Option<String> {
    manifest().tools.get(tool).unwrap().check_inputs(action).err()
}

#[test]
fn inputs_fit_the_manifest() {
    let rows: Vec<(&str, &[(&str, Value)], Option<&str>)> = vec![
        ("read_file", &[("path", Value::Null)], Some("input `path` is not of type string")),
        ("read_file", &[], Some("input `path` is missing")),
        ("run_tests", &[], None),
    ];
    for (tool, inputs, expected) in rows {
        assert_eq!(problem(tool, &action(tool, inputs)).as_deref(), expected, "{tool} {inputs:?}");
    }
    let one = |tool: &str, name: &str, value: Value| problem(tool, &action(tool, &[(name, value)]));
    let path = |value: Value| one("read_file", "path", value);
    assert_eq!(path(json!("a")), None);
    assert_eq!(path(json!("x".repeat(512))), None);
    assert_eq!(path(json!("x".repeat(513))).unwrap(), "input `path` is 513 bytes, at most 512");
    assert_eq!(path(json!("é".repeat(300))).unwrap(), "input `path` is 600 bytes, at most 512");
    assert_eq!(path(json!("")).unwrap(), "input `path` is an empty string");
    assert_eq!(path(json!(["a"])).unwrap(), "input `path` is not of type string");
    assert_eq!(one("run_tests", "quick", json!(true)), None);
    assert_eq!(one("run_tests", "quick", json!("true")).unwrap(), "input `quick` is not of type boolean");
    assert_eq!(one("run_tests", "options", json!({})), None);
    assert_eq!(one("run_tests", "options", json!([])).unwrap(), "input `options` is not of type object");
    assert_eq!(one("run_tests", "shell", json!("rm")).unwrap(), "unexpected input `shell`");
    let lines = |value: Value| problem("read_file", &action("read_file", &[("path", json!("a")), ("lines", value)]));
    for (value, fits) in [(json!(3), true), (json!(-3), true), (json!(3.5), false), (json!("3"), false)] {
        assert_eq!(lines(value.clone()).is_none(), fits, "{value}");
    }
}

#[test]
fn only_strings_stand_beside_the_log() {
    let body = |length: usize| Commitment::new(&Salt::new([1; 32]), &vec![b'x'; length], "text/plain");
    let with = |tool: &str, name: &str, length: usize| {
        let mut action = action(tool, &[]);
        action.bodies = BTreeMap::from([(name.to_owned(), body(length))]);
        problem(tool, &action)
    };
    assert_eq!(with("apply_patch", "patch", 100_000), None);
    assert_eq!(with("apply_patch", "patch", 0).unwrap(), "input `patch` is an empty string");
    assert_eq!(with("read_file", "path", 513).unwrap(), "input `path` is 513 bytes, at most 512");
    assert_eq!(with("run_tests", "shell", 1).unwrap(), "unexpected input `shell`");
    for name in ["quick", "options"] {
        assert_eq!(
            with("run_tests", name, 4).unwrap(),
            format!("input `{name}` is not of type string, so it cannot be a body")
        );
    }
    let mut twice = action("apply_patch", &[("patch", json!("x"))]);
    twice.bodies = BTreeMap::from([("patch".to_owned(), body(1))]);
    assert_eq!(problem("apply_patch", &twice).unwrap(), "input `patch` is given twice");
}

#[test]
fn a_manifest_has_no_unknown_members() {
    let text = String::from_utf8(manifest().to_bytes()).unwrap();
    assert_eq!(Manifest::parse(text.as_bytes()).unwrap().digest(), manifest().digest());
    assert!(Manifest::parse(text.replace("\"labels\"", "\"sudo\"").as_bytes()).is_err());
    assert!(Manifest::parse(text.replace("\"sandbox\"", "\"everywhere\"").as_bytes()).is_err());
    assert!(Manifest::parse(b"{\"tools\":{},\"tools\":{},\"version\":\"1\"}").is_err(), "a member twice");
}

#[test]
fn minted_ids_and_nonces_follow_from_the_seed() {
    let seed = Seed::new([7; 32]);
    assert_eq!(seed.uuid("job"), "b9667651-9e1a-8a09-acfd-361838e39fe2");
    assert_eq!(seed.nonce("challenge"), "15c2cd01b877a0facb657cb94eb5a2e6");
    for byte in 0..=255 {
        let uuid = Seed::new([byte; 32]).uuid("job");
        let parts: Vec<_> = uuid.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!((uuid.as_bytes()[14], uuid.as_bytes()[19]), (b'8', b'a'), "version and variant of RFC 9562");
        assert!(uuid.bytes().all(|b| b == b'-' || b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
    }
    assert_ne!(seed.nonce("a"), seed.nonce("b"));
}

#[test]
fn sessions_follow_from_who_acts_as_whom_for_what() {
    let session = |kind: &str, principal: &str, agent: &str, intent: &str| {
        SessionId::derive(kind, &id(principal), &id(agent), &id(intent)).as_str().to_owned()
    };
    let first = session("agent", "Casey", "Casey", "intent-1");
    assert_eq!(first, "56129216263e0ef4dd9e736d63b385f6");
    for other in [
        session("human", "Casey", "Casey", "intent-1"),
        session("agent", "Jordan", "Casey", "intent-1"),
        session("agent", "Casey", "Jordan", "intent-1"),
        session("agent", "Casey", "Casey", "intent-2"),
    ] {
        assert_ne!(first, other);
    }
}

#[test]
fn an_effect_is_a_short_printable_word() {
    use domain::effect::Effect;
    assert!(Effect::new("X".repeat(64)).is_some());
    for bad in ["", "A B", "É", "A\n", "A\u{0}", &"X".repeat(65)] {
        assert!(Effect::new(bad).is_none(), "{bad:?}");
        assert!(serde_json::from_value::<Effect>(json!(bad)).is_err(), "{bad:?}");
    }
}
