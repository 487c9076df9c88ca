//! A runner does nothing without a warrant that holds, whoever signed what is wrong with it.
//!
//! The warrants here are honest ones of a real server, with a human's yes in them, changed afterwards. Where a change
//! needs the ledger's own keys, they are used: events are signed again, the tree is made again, and the head too.

use countersign_tests::forge::{History, StolenKeys, payloads};
use countersign_tests::people::{Author, asked, new_key, new_salt, seen};
use countersign_tests::server::Server;
use countersign_tests::{data, founding, proposals};
use domain::authored::{SeenHead, StatementKind};
use domain::event::approval::Verb;
use domain::event::job::LeaseRequest;
use domain::event::key::Scope;
use domain::event::{Event, EventData, PrincipalKind};
use domain::manifest::Manifest;
use domain::policy::Policy;
use domain::time::Timestamp;
use ledger::keys::KeyRole;
use proof::{Leaf, LeafIndex};
use runner::warrant::{Pins, Refusal, VerifiedWarrant, verify};
use schemas::body::Body;
use schemas::job::Warrant;
use serde_json::{Value, json};
use std::time::Duration;
use tempfile::TempDir;

/// A warrant that holds, and everything to make others of it.
struct Case {
    _dir: TempDir,
    server: Server,
    warrant: Warrant,
    pins: Pins,
    runner: Author,
    seen: SeenHead,
    keys: StolenKeys,
    payloads: Vec<Value>,
}

fn manifest() -> Manifest {
    Manifest::parse(founding::MANIFEST.as_bytes()).unwrap()
}

fn policy() -> Policy {
    founding::policy()
}

fn with_manifest(manifest: Manifest) -> Policy {
    Policy::new(founding::policy().bundle().clone(), manifest)
}

fn request(runner: &str) -> LeaseRequest {
    let manifest = manifest();
    LeaseRequest {
        runner_id: runner.parse().unwrap(),
        tools: manifest.tools.keys().cloned().collect(),
        manifest: manifest.digest(),
    }
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_ms(since.as_millis().try_into().unwrap())
}

async fn lease(server: &Server, runner: &Author, id: &str, seen: SeenHead) -> Warrant {
    let envelope = runner.sign(StatementKind::Lease, seen, &request(id));
    server.anonymous().lease(envelope, Duration::from_secs(20)).await.unwrap().expect("there is a job")
}

impl Case {
    /// The runner saw the head before anything of the job happened, so that all of the job's story can be forged without
    /// contradicting what it saw.
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::serve(dir.path()).await;
        let casey = server.agent("Casey").await;
        let bob = server.author(PrincipalKind::Human, "bob", &[Scope::ProposalApprove]).await;
        let runner = server.runner("runner-1").await;
        server.admin().submit_intent(&proposals::intent("the-intent", "Write")).await.unwrap();
        let seen = seen(&server.anonymous()).await;
        let long = "a line of the file\n".repeat(100);
        let ruled = casey.submit_proposal(&proposals::irreversible("w-1", "a.txt", &long)).await.unwrap();
        let pending = asked(&server.admin(), &ruled.proposal_id).await;
        bob.answer(&pending, Verb::Grant).await.unwrap();
        let warrant = lease(&server, &runner, "runner-1", seen).await;
        let pins = Pins {
            root: server.key(KeyRole::Root).verifier(),
            runner_id: "runner-1".parse().unwrap(),
            key: *runner.key.verifier().key(),
        };
        let keys = StolenKeys::export(dir.path());
        let payloads = payloads(&data::leaves(dir.path()));
        Self { _dir: dir, server, warrant, pins, runner, seen, keys, payloads }
    }

    fn check(&self, warrant: &Warrant) -> Result<VerifiedWarrant, Refusal> {
        verify(warrant, &self.pins, self.seen, &policy(), now())
    }

    /// The warrant that a server would hand out whose history was edited, with every signature and proof made again.
    fn forged(&self, edit: impl FnOnce(&mut Vec<Value>)) -> Warrant {
        let mut payloads = self.payloads.clone();
        edit(&mut payloads);
        let history = History::new(&self.keys, self.keys.chain(payloads));
        self.from(&history, self.warrant.receipt.entries.iter().map(|entry| entry.index))
    }

    fn from(&self, history: &History, indices: impl IntoIterator<Item = LeafIndex>) -> Warrant {
        let mut warrant = self.warrant.clone();
        warrant.receipt = history.receipt(indices);
        warrant.consistency.new = history.head().size;
        warrant.consistency.path = history.consistency(self.seen.size);
        warrant
    }

    /// The index of the one event of this type.
    fn at(&self, kind: &str) -> usize {
        let mut found = (0..self.payloads.len()).filter(|index| self.payloads[*index]["type"] == kind);
        let index = found.next().unwrap();
        if kind == "decision.recorded" { found.next().unwrap() } else { index }
    }

    fn assert_refused(&self, warrant: &Warrant, condition: &str, what: &str) {
        match self.check(warrant) {
            Ok(_) => panic!("{what}: the runner would act"),
            Err(refusal) => assert_eq!(refusal.condition, condition, "{what}: {refusal}"),
        }
    }

    /// The honest warrant without the entries of this type.
    fn without(&self, kind: &str) -> Warrant {
        let mut warrant = self.warrant.clone();
        let before = warrant.receipt.entries.len();
        warrant.receipt.entries.retain(|entry| {
            let event = Event::parse(Leaf::parse(entry.leaf.as_bytes()).unwrap().payload).unwrap();
            event.data.type_name() != kind
        });
        assert!(warrant.receipt.entries.len() < before, "there is no {kind}");
        warrant
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_warrant_is_accepted_and_so_is_the_forgers_copy_of_it() {
    let case = Case::new().await;
    let verified = case.check(&case.warrant).unwrap();
    assert_eq!(verified.actions()[0].inputs["content"], "a line of the file\n".repeat(100));
    assert!(verified.job().human_approved);
    // So whatever is refused below is refused for what was changed, and not for how it was made.
    assert_eq!(case.forged(|_| ()), case.warrant);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warrant_that_lacks_a_part_is_refused() {
    let case = Case::new().await;
    for (kind, condition) in [
        ("job.leased", "lease_in_this_name"),
        ("job.created", "complete"),
        ("approval.granted", "complete"),
        ("proposal.submitted", "complete"),
        ("decision.recorded", "complete"),
        ("runner.registered", "runner_registered_by_root"),
        ("ledger.created", "genesis_under_pinned_root"),
        ("key.created", "ruling_rederived"),
    ] {
        case.assert_refused(&case.without(kind), condition, kind);
    }
    // The proposer's key alone does not do: who said yes must have had one too.
    let bobs = case.payloads.iter().rposition(|payload| payload["type"] == "key.created").unwrap();
    let mut without_bob = case.warrant.clone();
    without_bob.receipt.entries.retain(|entry| entry.index.get() != u64::try_from(bobs).unwrap());
    case.assert_refused(&without_bob, "approvals", "the approver's key");
    let mut bodies = case.warrant.clone();
    bodies.bodies.clear();
    case.assert_refused(&bodies, "bodies_open_commitments", "no body");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_for_another_runner_or_key_is_refused() {
    let case = Case::new().await;
    let leased = case.at("job.leased");
    let stranger = new_key("runner/runner-1");
    let key_id = stranger.verifier().key().key_id().to_string();
    let other_runner = case.forged(|p| p[leased]["data"]["lease"]["runner_id"] = json!("runner-2"));
    case.assert_refused(&other_runner, "lease_in_this_name", "another runner");
    let other_key = case.forged(|p| p[leased]["data"]["key_id"] = json!(key_id));
    case.assert_refused(&other_key, "lease_in_this_name", "another key");
    // In this runner's name, but by a request that it never signed.
    let invented = case.runner.sign(StatementKind::Answer, case.seen, &request("runner-1"));
    let unsigned = case.forged(|p| p[leased]["data"]["authored"] = serde_json::to_value(&invented).unwrap());
    case.assert_refused(&unsigned, "lease_in_this_name", "a statement of another kind");
    let mut forger = case.runner.clone();
    forger.key = stranger.clone();
    let invented = forger.sign(StatementKind::Lease, case.seen, &request("runner-1"));
    let unsigned = case.forged(|p| p[leased]["data"]["authored"] = serde_json::to_value(&invented).unwrap());
    case.assert_refused(&unsigned, "lease_in_this_name", "a stranger's signature");
    let asked = case.forged(|p| p[leased]["data"]["lease"]["tools"] = json!(["echo"]));
    case.assert_refused(&asked, "lease_in_this_name", "other tools than were asked for");
    // The same warrant in the hands of another runner, registered or not.
    let second = case.server.runner("runner-2").await;
    for (id, key) in
        [("runner-2", second.key.verifier()), ("runner-1", second.key.verifier()), ("runner-1", stranger.verifier())]
    {
        let pins = Pins { runner_id: id.parse().unwrap(), key: *key.key(), root: case.pins.root.clone() };
        let refusal = verify(&case.warrant, &pins, case.seen, &policy(), now()).unwrap_err();
        assert_eq!(refusal.condition, "runner_registered_by_root", "{refusal}");
    }
    // The server registers a key of its own under the runner's name. Even a runner that has seen nothing yet will not have
    // it: root did not sign for that key.
    let registered = case.at("runner.registered");
    let public = serde_json::to_value(stranger.verifier().key()).unwrap();
    let mut registered = case.forged(|p| p[registered]["data"]["runner"]["public_key"] = public);
    registered.consistency.old = proof::TreeSize::ZERO;
    registered.consistency.path = Vec::new();
    let pins = Pins { key: *stranger.verifier().key(), ..case.pins.clone() };
    let refusal = verify(&registered, &pins, SeenHead::empty(), &policy(), now()).unwrap_err();
    assert_eq!(refusal.condition, "runner_registered_by_root", "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_of_another_history_is_refused() {
    let case = Case::new().await;
    let before_seen = case.at("intent.created");
    assert!(case.seen.size.get() > u64::try_from(before_seen).unwrap());
    let forked = case.forged(|p| p[before_seen]["data"]["intent"]["goal"] = json!("Another intent"));
    case.assert_refused(&forked, "consistent_with_last_head", "a history that forks before what was seen");
    // The fork with the honest history's proof.
    let mut mixed = forked.clone();
    mixed.consistency = case.warrant.consistency.clone();
    case.assert_refused(&mixed, "consistent_with_last_head", "another proof");
    // Another starting point than what was seen.
    let mut elsewhere = forked.clone();
    elsewhere.consistency.old = proof::TreeSize::ZERO;
    elsewhere.consistency.path = Vec::new();
    case.assert_refused(&elsewhere, "consistent_with_last_head", "from nothing");
    for change in 0..case.warrant.consistency.path.len() {
        let mut wrong = case.warrant.clone();
        let mut hash = *wrong.consistency.path[change].as_bytes();
        hash[0] ^= 1;
        wrong.consistency.path[change] = proof::Hash::new(hash);
        case.assert_refused(&wrong, "consistent_with_last_head", "one bit of the proof");
    }
    // A smaller history than the one that was seen.
    let size = usize::try_from(case.seen.size.get()).unwrap() - 1;
    let shorter = History::new(&case.keys, case.keys.chain(case.payloads[..size].to_vec()));
    let mut shrunk = case.warrant.clone();
    shrunk.receipt = shorter.receipt([LeafIndex::new(0)]);
    shrunk.consistency.new = shorter.head().size;
    case.assert_refused(&shrunk, "consistent_with_last_head", "a history that lost events");
    // An inclusion that is not one.
    let mut misplaced = case.warrant.clone();
    let paths: Vec<_> = misplaced.receipt.entries.iter().map(|entry| entry.path.clone()).collect();
    misplaced.receipt.entries[1].path.clone_from(&paths[2]);
    case.assert_refused(&misplaced, "inclusion", "another entry's path");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_has_lapsed_is_refused() {
    let case = Case::new().await;
    let expires = case.check(&case.warrant).unwrap().expires();
    let at = |now| verify(&case.warrant, &case.pins, case.seen, &policy(), now);
    assert!(at(Timestamp::from_ms(expires.as_ms() - 1)).is_ok());
    for late in [expires, expires.plus_ms(1), expires.plus_ms(86_400_000)] {
        let refusal = at(late).unwrap_err();
        assert_eq!(refusal.condition, "lease_in_this_name", "{refusal}");
        assert!(refusal.detail.contains("lapsed"), "{refusal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_root_is_refused_whatever_it_signed() {
    let (case, other) = (Case::new().await, Case::new().await);
    case.assert_refused(&other.warrant, "genesis_under_pinned_root", "another ledger's");
    let pins = Pins { root: other.pins.root.clone(), ..case.pins.clone() };
    let refusal = verify(&case.warrant, &pins, case.seen, &policy(), now()).unwrap_err();
    assert_eq!(refusal.condition, "genesis_under_pinned_root", "{refusal}");
    // A genesis that names the right root, which never signed it.
    let named = case.forged(|p| p[0]["data"]["genesis"]["profile"] = json!("prod"));
    case.assert_refused(&named, "genesis_under_pinned_root", "a genesis that root did not sign");
    // Events or heads by other keys than those that root named.
    let with = |event: &StolenKeys| {
        let history = History::new(event, event.chain(case.payloads.clone()));
        case.from(&history, case.warrant.receipt.entries.iter().map(|entry| entry.index))
    };
    let name = case.keys.event.name().as_str();
    let event = StolenKeys { event: new_key(name), ..case.keys.clone() };
    // The root of what was seen rests on the old signatures, so even the heads do not fit.
    let refusal = case.check(&with(&event)).unwrap_err();
    assert_eq!(refusal.condition, "event_signatures", "{refusal}");
    let head = StolenKeys { checkpoint: new_key(case.keys.checkpoint.name().as_str()), ..case.keys.clone() };
    let refusal = case.check(&with(&head)).unwrap_err();
    assert_eq!(refusal.condition, "inclusion", "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_nobody_approved_is_refused() {
    let case = Case::new().await;
    let (granted, decision, job) = (case.at("approval.granted"), case.at("decision.recorded"), case.at("job.created"));
    let none = case.forged(|p| {
        p[decision]["data"].as_object_mut().unwrap().remove("approvals");
        p[job]["data"]["approvals"] = json!([]);
        p[job]["data"]["job"]["human_approved"] = json!(false);
    });
    case.assert_refused(&none, "approvals", "no approval, and it is said so");
    let claimed = case.forged(|p| {
        p[decision]["data"].as_object_mut().unwrap().remove("approvals");
        p[job]["data"]["approvals"] = json!([]);
    });
    case.assert_refused(&claimed, "approvals", "no approval, but it is claimed");
    let elsewhere = case.forged(|p| {
        p[decision]["data"]["approvals"] = json!([granted - 1]);
        p[job]["data"]["approvals"] = json!([granted - 1]);
    });
    case.assert_refused(&elsewhere, "approvals", "something else in its place");
    let at_once = case.forged(|p| {
        // As if it had been allowed when it came in.
        let first = granted - 2;
        assert_eq!(p[first]["type"], "decision.recorded");
        p[job]["data"]["decision"] = json!(first);
        p[job]["data"]["approvals"] = json!([]);
        p[job]["data"]["job"]["human_approved"] = json!(false);
        p[first]["data"]["allowed_effects"] = json!(["WRITE_PATCH"]);
    });
    case.assert_refused(&at_once, "decision_allows_job", "the decision that asked for a human");
    let by_key = case.forged(|p| {
        p[granted]["data"].as_object_mut().unwrap().remove("authored");
        p[granted]["data"]["strength"] = json!("api_key");
    });
    case.assert_refused(&by_key, "approvals", "a yes that bob's key did not sign");
    let no = case.forged(|p| p[granted]["data"]["answer"]["verb"] = json!("deny"));
    case.assert_refused(&no, "approvals", "a no");
    let to_another =
        case.forged(|p| p[granted]["data"]["answer"]["challenge"]["action_digest"] = json!("7".repeat(64)));
    case.assert_refused(&to_another, "approvals", "a yes to something else");
    let by_agent = case.forged(|p| p[granted]["actor"]["kind"] = json!("agent"));
    case.assert_refused(&by_agent, "approvals", "an agent's yes");
    let twice = case.forged(|p| {
        let first = granted - 2;
        p[first]["data"]["required"]["count"] = json!(2);
    });
    case.assert_refused(&twice, "ruling_rederived", "one yes where two were asked for");
    let none_asked = case.forged(|p| {
        let first = granted - 2;
        p[first]["data"]["required"]["count"] = json!(0);
    });
    case.assert_refused(&none_asked, "ruling_rederived", "no yes is asked for");
    let denied = case.forged(|p| p[decision]["data"]["ruling"] = json!("DENY"));
    case.assert_refused(&denied, "decision_allows_job", "a denial");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_work_than_was_decided_on_is_refused() {
    let case = Case::new().await;
    let (submitted, job) = (case.at("proposal.submitted"), case.at("job.created"));
    let change = |pointer: &'static str, value: Value| {
        case.forged(move |p| *p[job]["data"]["job"].pointer_mut(pointer).unwrap() = value)
    };
    let salt = new_salt();
    let body = Body::new(salt.clone(), "text/plain; charset=utf-8", b"something else");
    let commitment = serde_json::to_value(body.commitment().unwrap()).unwrap();
    for (pointer, value, condition) in [
        ("/actions/0/inputs/path", json!("b.txt"), "decision_allows_job"),
        ("/actions/0/bodies/content", commitment.clone(), "decision_allows_job"),
        ("/actions/0/tool", json!("echo"), "decision_allows_job"),
        ("/actions", json!([]), "decision_allows_job"),
        ("/effects", json!(["BUILD_ARTIFACT", "WRITE_PATCH"]), "decision_allows_job"),
        ("/agent", json!("Jordan"), "decision_allows_job"),
        ("/execution_mode", json!("preview"), "decision_allows_job"),
        ("/action_digest", json!("7".repeat(64)), "decision_allows_job"),
        ("/policy", json!("7".repeat(64)), "decision_allows_job"),
        ("/manifest", json!("7".repeat(64)), "decision_allows_job"),
        ("/deployment_envelope/autonomy_budget/max_write_scope", json!("prod"), "deployment_envelope"),
        ("/envelope_hash", json!("7".repeat(64)), "deployment_envelope"),
    ] {
        case.assert_refused(&change(pointer, value), condition, pointer);
    }
    // The proposal changed as well, and every digest of it with it: then the yes was to something else.
    let mut swapped = case.forged(|p| {
        p[submitted]["data"]["proposal"]["actions"][0]["bodies"]["content"] = commitment.clone();
        let event = Event::from_value(p[submitted].clone()).unwrap();
        let EventData::ProposalSubmitted(data) = event.data else { panic!("no proposal") };
        let digest = json!(data.proposal.action_digest());
        for decision in [submitted + 1, case.at("decision.recorded")] {
            p[decision]["data"]["action_digest"] = digest.clone();
        }
        p[job]["data"]["job"]["action_digest"] = digest;
        p[job]["data"]["job"]["actions"][0]["bodies"]["content"] = commitment.clone();
    });
    swapped.bodies = vec![body];
    case.assert_refused(&swapped, "approvals", "another proposal under the same yes");
    // The right commitment, and another body.
    for bytes in [b"a line of the file\n".repeat(99), b"a line of the file\n".repeat(101), Vec::new()] {
        let mut other = case.warrant.clone();
        other.bodies = vec![Body::new(other.bodies[0].salt.clone(), &other.bodies[0].media_type, &bytes)];
        case.assert_refused(&other, "bodies_open_commitments", "another body");
    }
    let mut other = case.warrant.clone();
    let bytes = other.bodies[0].bytes().unwrap();
    other.bodies = vec![Body::new(salt, &other.bodies[0].media_type, &bytes)];
    case.assert_refused(&other, "bodies_open_commitments", "another salt");
}

/// A proposal by API key is the server's word, so a server with its keys can invent one; and it can write that it was
/// allowed, with whatever digests belong to it. Makes such a warrant of an honest one.
fn invented(case: &Case, edit: impl Fn(&mut Value)) -> Warrant {
    case.forged(|p| {
        let submitted = p.iter().position(|payload| payload["type"] == "proposal.submitted").unwrap();
        edit(&mut p[submitted]["data"]);
        let event = Event::from_value(p[submitted].clone()).unwrap();
        let EventData::ProposalSubmitted(data) = event.data else { panic!("no proposal") };
        let (proposal, digest) = (p[submitted]["data"]["proposal"].clone(), json!(data.proposal.action_digest()));
        let (decision, job) = (submitted + 1, submitted + 2);
        p[decision]["data"]["action_digest"] = digest.clone();
        p[decision]["data"]["allowed_effects"] = proposal["effects"].clone();
        let minted = &mut p[job]["data"]["job"];
        minted["action_digest"] = digest;
        for member in ["effects", "actions", "agent"] {
            minted[member] = proposal[member].clone();
        }
        if let Some(class) = proposal.get("reversibility_class") {
            minted["reversibility_class"] = class.clone();
        }
    })
}

/// A warrant for something that Casey, by API key, may do alone.
async fn harmless() -> Case {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::serve(dir.path()).await;
    let casey = server.agent("Casey").await;
    let runner = server.runner("runner-1").await;
    let seen = seen(&server.anonymous()).await;
    casey.submit_proposal(&proposals::echo("s-1", "the secrets")).await.unwrap();
    let warrant = lease(&server, &runner, "runner-1", seen).await;
    let keys = StolenKeys::export(dir.path());
    let payloads = payloads(&data::leaves(dir.path()));
    let pins = Pins {
        root: server.key(KeyRole::Root).verifier(),
        runner_id: "runner-1".parse().unwrap(),
        key: *runner.key.verifier().key(),
    };
    Case { _dir: dir, server, warrant, pins, runner, seen, keys, payloads }
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_secrets_is_refused_even_if_all_else_allows_it() {
    let case = harmless().await;
    let secrets = invented(&case, |data| data["proposal"]["effects"] = json!(["READ_REPO", "READ_SECRETS"]));
    case.assert_refused(&secrets, "ruling_rederived", "a decision that allows it");
}

type Lie = fn(&mut Value);

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_the_gates_do_not_make_is_refused_whoever_signed_it() {
    let case = harmless().await;
    // What would have been allowed anyway may be invented; nothing else.
    case.check(&invented(&case, |data| data["proposal"]["summary"] = json!("another summary"))).unwrap();
    let lies: [(&str, Lie); 7] = [
        ("an effect that nobody knows", |data| data["proposal"]["effects"] = json!(["READ_REPO", "TELEPORT"])),
        ("an effect out of scope", |data| data["proposal"]["effects"] = json!(["DEPLOY", "READ_REPO"])),
        ("no effect", |data| data["proposal"]["effects"] = json!([])),
        ("a change without a way back", |data| data["proposal"]["effects"] = json!(["READ_REPO", "WRITE_PATCH"])),
        ("more risk than the agent may take", |data| data["proposal"]["risk_score"] = json!(0.9)),
        ("an irreversible act", |data| data["proposal"]["reversibility_class"] = json!("IRREVERSIBLE")),
        ("a secret that a sensor found", |data| data["findings"] = json!([{"kind": "jwt", "place": "/summary"}])),
    ];
    for (what, lie) in lies {
        case.assert_refused(&invented(&case, lie), "ruling_rederived", what);
    }
    // Nor does it help to forge what the gates said.
    let mut forged = case.payloads.clone();
    let decision = forged.iter().position(|payload| payload["type"] == "decision.recorded").unwrap();
    forged[decision]["data"]["gates"][4]["facts"]["max"] = json!(1);
    let history = History::new(&case.keys, case.keys.chain(forged));
    let warrant = case.from(&history, case.warrant.receipt.entries.iter().map(|entry| entry.index));
    case.assert_refused(&warrant, "ruling_rederived", "a gate's report");
    // By another policy than the one that the runner knows.
    let policy = case.forged(|p| {
        p[decision]["data"]["policy"] = json!("7".repeat(64));
        p[decision + 1]["data"]["job"]["policy"] = json!("7".repeat(64));
    });
    case.assert_refused(&policy, "ruling_rederived", "another policy");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_with_another_manifest_refuses() {
    let case = Case::new().await;
    let mut other: Value = serde_json::from_str(founding::MANIFEST).unwrap();
    other["tools"]["file_write"]["timeout_seconds"] = json!(31);
    let other = Manifest::parse(other.to_string().as_bytes()).unwrap();
    let refusal = verify(&case.warrant, &case.pins, case.seen, &with_manifest(other), now()).unwrap_err();
    assert_eq!(refusal.condition, "manifest", "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warrant_is_good_for_one_run() {
    let case = Case::new().await;
    let verified = case.check(&case.warrant).unwrap();
    // What the runner remembers before it runs anything.
    let after = verified.head();
    assert!(after.size > case.seen.size);
    let refusal = verify(&case.warrant, &case.pins, after, &policy(), now()).unwrap_err();
    assert_eq!(refusal.condition, "consistent_with_last_head", "{refusal}");
    // The same lease once more under a newer head, which does extend what the runner has seen, while it has not lapsed.
    case.server.admin().submit_intent(&proposals::intent("later", "Time goes by")).await.unwrap();
    let history = History::new(&case.keys, data::leaves(case.server.dir()));
    let mut again = case.from(&history, case.warrant.receipt.entries.iter().map(|entry| entry.index));
    again.consistency.old = after.size;
    again.consistency.path = history.consistency(after.size);
    let refusal = verify(&again, &case.pins, after, &policy(), now()).expect_err("the runner would act twice");
    assert_eq!(refusal.condition, "lease_answers_request", "{refusal}");
}
