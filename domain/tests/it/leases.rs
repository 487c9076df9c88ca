//! Leasing: the oldest job that fits, to the runner that asks in its own name, one attempt at a time.

use crate::material::{id, patch, plain, read};
use crate::world::{World, leased, minted, types};
use domain::command::{Command, RejectionKind};
use domain::event::EventData;
use domain::id::JobId;
use domain::limits;
use domain::reason::Reason;
use domain::state::job::JobState;
use proof::index::TreeSize;

/// The job that a proposal mints.
fn job(world: &mut World, proposal: domain::event::proposal::Proposal) -> JobId {
    minted(&world.propose("key_ops", proposal).unwrap()).unwrap().job_id.clone()
}

fn expire(job: &JobId) -> Command {
    Command::ExpireLease { job_id: job.clone() }
}

#[test]
fn the_oldest_job_comes_first() {
    let mut world = World::dev();
    let jobs: Vec<_> = ["p-3", "p-1", "p-2"].into_iter().map(|name| job(&mut world, read(name))).collect();
    for expected in jobs {
        let (_, lease) = leased(&world.lease().unwrap());
        assert_eq!(lease.job_id, expected);
    }
    let no = world.lease().unwrap_err();
    assert_eq!((no.kind, no.reason), (RejectionKind::NotFound, Reason::NoJob));
}

#[test]
fn a_runner_gets_what_it_has_the_tools_for() {
    let mut world = World::dev();
    let (first, second) = (job(&mut world, patch("p-1")), job(&mut world, read("p-2")));
    let key = world.runner.clone();
    let mut reader = world.request("runner-1");
    reader.tools = [id("read_file"), id("search")].into();
    assert_eq!(leased(&world.lease_as(&key, reader.clone()).unwrap()).1.job_id, second, "the younger, since it fits");
    assert_eq!(world.lease_as(&key, reader).unwrap_err().reason, Reason::NoJob);
    let mut other = world.request("runner-1");
    other.manifest = world.policy.bundle_digest();
    assert_eq!(world.lease_as(&key, other).unwrap_err().reason, Reason::NoJob, "it has another manifest");
    assert_eq!(leased(&world.lease().unwrap()).1.job_id, first);
}

#[test]
fn a_lease_names_its_runner_and_its_time() {
    let mut world = World::dev();
    job(&mut world, read("p-1"));
    let (_, lease) = leased(&world.lease().unwrap());
    assert_eq!((lease.attempt, lease.key_id), (1, world.runner.public().key_id()));
    assert_eq!(lease.expires, world.now.plus_ms(10_000 + limits::LEASE_GRACE_MS), "the tool's time and the grace");
    assert_eq!(world.state.next_due().unwrap().0, lease.expires);
}

#[test]
fn nobody_leases_in_anothers_name() {
    let mut world = World::dev();
    job(&mut world, read("p-1"));
    let (one, two) = (world.runner.clone(), world.runner_2.clone());
    let request = world.request("runner-1");
    assert_eq!(world.lease_as(&two, request.clone()).unwrap_err().reason, Reason::RunnerUnknown);
    assert_eq!(world.lease_as(&one, world.request("runner-9")).unwrap_err().reason, Reason::RunnerUnknown);
    // The key's id is right, the signature is another's.
    let authored = world.signed(domain::authored::StatementKind::Lease, &request, &two);
    let seen = world.state.size();
    let forged = Command::LeaseJob { request: request.clone(), key_id: one.public().key_id(), seen, authored };
    assert_eq!(world.run(forged).unwrap_err().reason, Reason::SignatureInvalid);
    // The head that is claimed is not the one that was signed.
    let authored = world.signed(domain::authored::StatementKind::Lease, &request, &one);
    let claimed =
        Command::LeaseJob { request: request.clone(), key_id: one.public().key_id(), seen: TreeSize::new(1), authored };
    assert_eq!(world.run(claimed).unwrap_err().reason, Reason::StatementMismatch);
    // A head of a log that is longer than this one.
    let ahead = TreeSize::new(world.state.size().get() + 1);
    assert_eq!(world.lease_at(ahead, &one, request).unwrap_err().reason, Reason::Malformed);
}

#[test]
fn a_request_is_not_answered_twice() {
    let mut world = World::dev();
    for name in ["p-1", "p-2"] {
        job(&mut world, read(name));
    }
    let (key, seen) = (world.runner.clone(), world.state.size());
    let request = world.request("runner-1");
    world.lease_at(seen, &key, request.clone()).unwrap();
    let no = world.lease_at(seen, &key, request.clone()).unwrap_err();
    assert_eq!((no.kind, no.reason), (RejectionKind::Conflict, Reason::LeaseReplayed));
    // Another runner has its own memory.
    let (two, other) = (world.runner_2.clone(), world.request("runner-2"));
    world.lease_at(seen, &two, other).unwrap();
    let now = world.state.size();
    assert_eq!(world.lease_at(now, &key, request).unwrap_err().reason, Reason::NoJob);
}

#[test]
fn a_lapsed_lease_makes_harmless_work_ready_again_and_then_unknown() {
    let mut world = World::dev();
    let job = job(&mut world, read("p-1"));
    for attempt in 1..=limits::ATTEMPTS_MAX {
        let (_, lease) = leased(&world.lease().unwrap());
        assert_eq!(lease.attempt, attempt);
        let no = world.run(expire(&job)).unwrap_err();
        assert_eq!((no.kind, no.reason), (RejectionKind::Conflict, Reason::LeaseOpen));
        world.now = lease.expires;
        let group = world.run(expire(&job)).unwrap();
        if attempt < limits::ATTEMPTS_MAX {
            assert_eq!(types(&group), ["job.lease_expired"]);
            assert!(matches!(world.state.job(&job).unwrap().state, JobState::Ready(n) if n == attempt));
        } else {
            assert_eq!(types(&group), ["job.lease_expired", "job.unknown"]);
        }
    }
    assert_eq!(world.lease().unwrap_err().reason, Reason::NoJob);
    assert_eq!(world.run(expire(&job)).unwrap_err().reason, Reason::JobNotOpen);
}

#[test]
fn a_lapsed_lease_of_work_that_changes_something_is_unknown_at_once() {
    let mut world = World::dev();
    let job = job(&mut world, patch("p-1"));
    let (at, lease) = leased(&world.lease().unwrap());
    world.now = lease.expires;
    let group = world.run(expire(&job)).unwrap();
    assert_eq!(types(&group), ["job.lease_expired", "job.unknown"]);
    assert_eq!(group[0].event.header.causes, [at]);
    let EventData::JobUnknown(ended) = &group[1].event.data else { panic!() };
    assert_eq!((ended.attempt, ended.result, ended.reason), (1, None, Some(Reason::LeaseExpired)));
    assert!(world.state.next_due().is_none() && world.state.ready_jobs().next().is_none());
}

#[test]
fn effects_decide_what_is_harmless_not_what_was_declared() {
    // It declares that it only reads and names no action: echo, which has no effects, may be tried again.
    let mut world = World::dev();
    let group = world.propose("key_ops", plain("p-1", "Casey", &["READ_REPO"])).unwrap();
    assert_eq!(minted(&group).unwrap().attempts_max, limits::ATTEMPTS_MAX);
    let group = world.propose("key_ops", patch("p-2")).unwrap();
    assert_eq!(minted(&group).unwrap().attempts_max, 1);
}

#[test]
fn only_a_lease_lapses() {
    let mut world = World::dev();
    let ready = job(&mut world, read("p-1"));
    for (job, kind, reason) in [
        (ready, RejectionKind::Conflict, Reason::JobNotOpen),
        (id("job-9"), RejectionKind::NotFound, Reason::JobUnknown),
    ] {
        let no = world.run(expire(&job)).unwrap_err();
        assert_eq!((no.kind, no.reason), (kind, reason));
    }
}

#[test]
fn a_job_has_the_time_of_its_tools_within_its_envelope() {
    let mut world = World::dev();
    let mut tests = patch("p-1");
    tests.effects = crate::material::effects(&["WRITE_PATCH", "RUN_TESTS"]);
    tests.actions.push(crate::material::action("run_tests", &[]));
    let group = world.propose("key_casey", tests).unwrap();
    assert_eq!(minted(&group).unwrap().timeout_ms, 300_000, "630 seconds of tools, 300 of envelope");
    let group = world.propose("key_casey", patch("p-2")).unwrap();
    assert_eq!(minted(&group).unwrap().timeout_ms, 30_000);
}
