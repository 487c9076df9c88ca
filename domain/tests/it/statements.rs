//! Statements: what is signed has one spelling, one kind, one ledger and one author.

use crate::material::{ORIGIN, id, read, secret};
use crate::world::World;
use domain::authored::{self, PAYLOAD_TYPE, SeenHead, StatementKind};
use domain::command::{Command, Rejection};
use domain::event::proposal::Proposal;
use domain::limits;
use domain::reason::Reason;
use proof::dsse::Envelope;
use proof::index::TreeSize;
use proof::key::SecretKey;
use serde_json::{Value, json};

fn casey() -> SecretKey {
    secret(8)
}

fn submit(proposal: Proposal, authored: Envelope) -> Result<(), Rejection> {
    let mut world = World::dev();
    let by = crate::world::by_signature(&casey());
    let command =
        Command::SubmitProposal { by, proposal: Box::new(proposal), findings: Vec::new(), authored: Some(authored) };
    world.run(command).map(|_| ())
}

/// The statement as JSON.
fn said(body: &Proposal) -> Value {
    json!({"body": body, "checkpoint": SeenHead::empty(), "ledger": ORIGIN, "type": "proposal.submit"})
}

fn signed(statement: &Value) -> Envelope {
    Envelope::sign(PAYLOAD_TYPE, &proof::canonical::to_vec(statement).unwrap(), &casey())
}

#[test]
fn a_statement_is_read_strictly() {
    let good = said(&read("p"));
    assert_eq!(submit(read("p"), signed(&good)), Ok(()));
    let with = |place: &str, value: Value| {
        let mut changed = good.clone();
        changed[place] = value;
        signed(&changed)
    };
    let spaced = [b" ".to_vec(), proof::canonical::to_vec(&good).unwrap()].concat();
    let unsigned = Envelope { signatures: Vec::new(), ..signed(&good) };
    let mut twice = signed(&good);
    twice.signatures.extend(Envelope::sign(PAYLOAD_TYPE, &twice.payload, &secret(9)).signatures);
    let mut flipped = signed(&good);
    flipped.payload[0] ^= 1;
    let long = Proposal { summary: domain::content::Text::Inline("x".repeat(limits::COMMAND_BYTES)), ..read("p") };
    for (what, envelope, reason) in [
        ("another ledger", with("ledger", json!("ledger.example/other")), Reason::StatementMismatch),
        ("another kind", with("type", json!("intent.create")), Reason::StatementMismatch),
        ("no kind that is known", with("type", json!("proposal.adore")), Reason::Malformed),
        ("another body", signed(&said(&read("q"))), Reason::StatementMismatch),
        ("more than is understood", with("unless", json!("it rains")), Reason::Malformed),
        ("no head", with("checkpoint", Value::Null), Reason::Malformed),
        ("another type of payload", Envelope::sign("text/plain", &signed(&good).payload, &casey()), Reason::Malformed),
        ("another spelling", Envelope::sign(PAYLOAD_TYPE, &spaced, &casey()), Reason::Malformed),
        ("no JSON", Envelope::sign(PAYLOAD_TYPE, b"yes", &casey()), Reason::Malformed),
        ("no end", signed(&said(&long)), Reason::Malformed),
        ("no signature", unsigned, Reason::Malformed),
        ("two signatures", twice, Reason::Malformed),
        ("a flipped bit", flipped, Reason::Malformed),
        ("another's key", Envelope::sign(PAYLOAD_TYPE, &signed(&good).payload, &secret(9)), Reason::SignatureInvalid),
    ] {
        assert_eq!(submit(read("p"), envelope).unwrap_err().reason, reason, "{what}");
    }
}

#[test]
fn a_body_hides_nothing_from_whoever_records_it() {
    // What the event could not hold stands in no signed body either.
    let mut more = said(&read("p"));
    more["body"]["also"] = json!("delete everything");
    assert_eq!(submit(read("p"), signed(&more)).unwrap_err().reason, Reason::StatementMismatch);
    let mut null = said(&read("p"));
    null["body"]["rollback_proof"] = Value::Null;
    assert_eq!(submit(read("p"), signed(&null)).unwrap_err().reason, Reason::StatementMismatch);
}

#[test]
fn a_statement_names_the_head_its_author_saw() {
    let world = World::dev();
    let head = SeenHead { size: TreeSize::new(3), root: proof::hash::sha256(b"a root") };
    let proposal = read("p");
    let envelope = authored::sign(StatementKind::Proposal, ORIGIN, head, &proposal, &casey()).unwrap();
    let statement = authored::read::<Proposal>(&envelope, StatementKind::Proposal, ORIGIN).unwrap();
    assert_eq!((statement.body, statement.checkpoint), (proposal.clone(), head));
    let by = crate::world::by_signature(&casey());
    let command =
        Command::SubmitProposal { by, proposal: Box::new(proposal), findings: Vec::new(), authored: Some(envelope) };
    assert_eq!(domain::decide::check_signature(&world.state, &command).unwrap(), Some(head), "for who has the tree");
    let unsigned = Command::ExpireApproval { proposal_id: id("p") };
    assert_eq!(domain::decide::check_signature(&world.state, &unsigned).unwrap(), None);
}
