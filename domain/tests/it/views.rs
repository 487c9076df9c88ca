//! The read models' folds: what they show is what the state holds. Checked after every command of every test.

use crate::material::{patch, publish, read};
use crate::world::World;
use domain::event::Subject;
use domain::event::approval::Verb;
use domain::event::{Event, EventData};
use domain::state::State;
use domain::state::closed::{Closed, End};
use domain::state::job::JobState;
use domain::state::proposal::ProposalState;
use domain::view::{ALL, Folded, RowChange, Rows, order_key};
use serde_json::{Value, json};

/// Every read model, folded along.
#[derive(Clone)]
pub(crate) struct Views {
    folds: Vec<Folded>,
    proposals: usize,
    jobs: usize,
}

impl Views {
    pub(crate) fn new() -> Self {
        Self { folds: ALL.map(Folded::new).to_vec(), proposals: 0, jobs: 0 }
    }

    pub(crate) fn apply(&mut self, event: &Event) {
        self.folds.iter_mut().for_each(|fold| fold.apply(event));
        match &event.data {
            EventData::ProposalSubmitted(_) => self.proposals += 1,
            EventData::JobCreated(_) => self.jobs += 1,
            _ => {}
        }
    }

    fn rows(&self, name: &str) -> &std::collections::BTreeMap<String, Value> {
        let found = self.folds.iter().find(|fold| fold.attested().name == name);
        found.expect("the read model exists").rows()
    }

    fn ids<'a>(&'a self, name: &'a str, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.rows(name).iter().filter_map(move |(key, row)| Some((key.strip_prefix(prefix)?, row)))
    }

    /// Checks each row against the state.
    pub(crate) fn agree_with(&self, state: &State) {
        let mut waiting = 0;
        for (id, row) in self.ids("proposals", "proposal/") {
            let Some(open) = state.proposal(&id.parse().unwrap()) else {
                let Some(Closed { end: End::Ruled(ruling), .. }) = over(state, "proposal", id) else { panic!("{id}") };
                assert_eq!(row["status"], json!(ruling), "{id}");
                continue;
            };
            match &open.state {
                ProposalState::Waiting(_, ask) => {
                    waiting += 1;
                    assert_eq!(row["status"], json!("REQUIRE_HUMAN"), "{id}");
                    let asked = &self.rows("approvals")[id];
                    assert_eq!(asked["challenge"], json!(ask.challenge));
                    assert_eq!(asked["grants"].as_array().unwrap().len(), ask.grants.len());
                }
                between => panic!("{id} is between two events of one command: {between:?}"),
            }
        }
        assert_eq!(self.rows("approvals").len(), waiting, "whoever is not waiting has no row");
        let mut ready = 0;
        for (id, row) in self.ids("jobs", "job/") {
            let expected = match state.job(&id.parse().unwrap()).map(|open| &open.state) {
                None => over(state, "job", id).unwrap().end.name().strip_prefix("job.").unwrap(),
                Some(JobState::Ready(_)) => {
                    ready += 1;
                    "ready"
                }
                Some(JobState::Leased(lease)) => {
                    assert_eq!((&row["attempt"], &row["lease"]), (&json!(lease.attempt), &json!(lease.at)));
                    "leased"
                }
                between => panic!("{id} is between two events of one command: {between:?}"),
            };
            assert_eq!(row["status"], json!(expected), "{id}");
        }
        assert_eq!(state.ready_jobs().count(), ready);
        for (name, kind, count) in [("proposals", "proposal/", self.proposals), ("jobs", "job/", self.jobs)] {
            assert_eq!(self.ids(name, kind).count(), count, "{name}");
            assert_eq!(self.ids(name, "order/").count(), count, "{name}, in order");
        }
    }

    /// The digests that the follower would attest.
    pub(crate) fn digests(&self) -> Vec<String> {
        self.folds.iter().map(|fold| fold.attested().digest.to_string()).collect()
    }
}

#[test]
fn another_history_has_another_digest() {
    let mut one = World::dev();
    one.propose("key_jordan", publish("p-1")).unwrap();
    let mut other = one.clone();
    assert_eq!(one.views.digests(), other.views.digests());
    one.says("key_lee", Verb::Grant, "p-1").unwrap();
    other.says("key_lee", Verb::Deny, "p-1").unwrap();
    for (a, b) in one.views.digests().iter().zip(other.views.digests()).take(2) {
        assert_ne!(*a, b);
    }
}

#[test]
fn rows_stand_in_the_order_of_the_log() {
    let mut world = World::dev();
    for name in ["z", "a", "m"] {
        world.propose("key_casey", read(name)).unwrap();
    }
    let order: Vec<_> = world.views.ids("proposals", "order/").map(|(_, id)| id.clone()).collect();
    assert_eq!(order, [json!("z"), json!("a"), json!("m")]);
    assert!(order_key(proof::index::LeafIndex::new(9)) < order_key(proof::index::LeafIndex::new(10)));
}

#[test]
fn a_digest_follows_from_the_changes_in_order() {
    use domain::view::Digest;
    let put = |key: &str, n: Value| RowChange::Put(key.into(), json!({"n": n}));
    let of = |changes: &[RowChange]| changes.iter().fold(Digest::default(), Digest::after).hash();
    let (a, b) = (put("a", json!(1)), put("b", json!(2)));
    assert_eq!(of(&[a.clone(), b.clone()]), of(&[put("a", json!(1.0)), b.clone()]), "however a number is kept");
    assert_ne!(of(&[a.clone(), b.clone()]), of(&[b.clone(), a.clone()]));
    assert_ne!(of(&[a.clone(), RowChange::Delete("a".into())]), of(&[]));
    assert_eq!(Digest::resume(of(std::slice::from_ref(&a))).after(&b).hash(), of(&[a, b]));
    assert_eq!(
        of(&[put("a", json!(1)), RowChange::Delete("a".into())]).to_string(),
        "b4bc387c16cd848d2df9ca748f37223d653abbf8d867af1d25efcf5a4219ed33",
        "followers of every build attest the same"
    );
}

#[test]
fn an_event_about_an_unknown_row_changes_none() {
    let mut world = World::dev();
    let group = world.propose("key_casey", patch("p")).unwrap();
    let rows = std::collections::BTreeMap::<String, Value>::new();
    assert_eq!(rows.row("proposal/p"), None);
    for projection in ALL {
        let changes = (projection.fold)(&rows, &group[1].event);
        assert!(changes.iter().all(|change| matches!(change, RowChange::Delete(_))), "{projection:?}");
    }
}

/// What became of something that is over.
fn over(state: &State, kind: &str, id: &str) -> Option<Closed> {
    state.closed(&Subject::of(kind, id)).unwrap()
}
