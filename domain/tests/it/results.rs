//! Results: no proof, no completion; under the lease that is in force, once.

use crate::material::{id, patch, plain, read, report, secret};
use crate::world::{World, by, by_signature, leased, minted, types};
use domain::authored::StatementKind;
use domain::command::{Caller, Command, Rejection, RejectionKind};
use domain::decide::Sealed;
use domain::event::job::{Job, JobLeased};
use domain::event::result::{Artifact, Evidence, JobResult, ResultStatus};
use domain::event::{EventData, PrincipalKind, Subject};
use domain::reason::Reason;
use proof::index::LeafIndex;
use proof::key::SecretKey;

/// A world with a patch that `runner-1` has leased.
struct Leased {
    world: World,
    job: Job,
    at: LeafIndex,
    lease: JobLeased,
}

fn leased_patch() -> Leased {
    let mut world = World::dev();
    let job = minted(&world.propose("key_casey", patch("p-1")).unwrap()).unwrap().clone();
    let (at, lease) = leased(&world.lease().unwrap());
    Leased { world, job, at, lease }
}

impl Leased {
    fn completed(&self) -> JobResult {
        report(&self.job, Some(self.at), 1, ResultStatus::Completed)
    }
}

fn signed(world: &mut World, key: &SecretKey, result: JobResult) -> Result<Vec<Sealed>, Rejection> {
    let authored = Some(world.signed(StatementKind::Result, &result, key));
    world.run(Command::RecordResult { by: by_signature(key), result, authored })
}

fn unsigned(world: &mut World, key: &str, result: JobResult) -> Result<Vec<Sealed>, Rejection> {
    world.run(Command::RecordResult { by: by(key), result, authored: None })
}

#[test]
fn a_result_ends_the_job() {
    for (status, ended) in [
        (ResultStatus::Completed, "job.completed"),
        (ResultStatus::Failed, "job.failed"),
        (ResultStatus::Rejected, "job.rejected"),
    ] {
        let Leased { mut world, job, at, .. } = leased_patch();
        let key = world.runner.clone();
        let group = signed(&mut world, &key, report(&job, Some(at), 1, status)).unwrap();
        assert_eq!(types(&group), ["result.recorded", ended]);
        let EventData::ResultRecorded(recorded) = &group[0].event.data else { panic!() };
        assert_eq!((recorded.evidence, recorded.authored.is_some()), (Evidence::Warrant, true));
        assert_eq!(group[0].event.header.actor.kind, PrincipalKind::Runner);
        assert!(world.state.job(&job.job_id).is_none(), "the work is forgotten, the log has it");
        let closed = world.state.closed(&Subject::of("job", &job.job_id)).unwrap().unwrap();
        assert_eq!(closed.end.name(), ended);
        assert!(world.state.next_due().is_none());
        // A second result, the same or another, comes too late.
        for status in [status, ResultStatus::Completed] {
            let no = signed(&mut world, &key, report(&job, Some(at), 1, status)).unwrap_err();
            assert_eq!((no.kind, no.reason), (RejectionKind::Conflict, Reason::JobNotOpen));
        }
    }
}

#[test]
fn a_result_is_under_the_lease_in_force() {
    let made = leased_patch();
    let (one, two) = (made.world.runner.clone(), made.world.runner_2.clone());
    let rows: [(&str, &SecretKey, fn(&mut JobResult), Reason); 5] = [
        ("another runner", &two, |_| {}, Reason::LeaseForeign),
        ("another attempt", &one, |r| r.attempt = 2, Reason::LeaseForeign),
        ("no attempt", &one, |r| r.attempt = 0, Reason::LeaseForeign),
        ("another lease", &one, |r| r.lease = r.lease.map(LeafIndex::next), Reason::LeaseForeign),
        ("no lease", &one, |r| r.lease = None, Reason::LeaseForeign),
    ];
    for (what, key, change, reason) in rows {
        let mut result = made.completed();
        change(&mut result);
        let no = signed(&mut made.world.clone(), key, result).unwrap_err();
        assert_eq!((no.kind, no.reason), (RejectionKind::Conflict, reason), "{what}");
    }
    let stranger = secret(70);
    let no = signed(&mut made.world.clone(), &stranger, made.completed()).unwrap_err();
    assert_eq!((no.kind, no.reason), (RejectionKind::Unauthenticated, Reason::RunnerUnknown));
    let sam = made.world.sam.clone();
    assert_eq!(signed(&mut made.world.clone(), &sam, made.completed()).unwrap_err().reason, Reason::RunnerUnknown);
    // In runner-1's name, with another's signature.
    let mut world = made.world.clone();
    let authored = Some(world.signed(StatementKind::Result, &made.completed(), &two));
    let forged = Command::RecordResult { by: by_signature(&one), result: made.completed(), authored };
    assert_eq!(world.run(forged).unwrap_err().reason, Reason::SignatureInvalid);
}

#[test]
fn a_result_comes_in_time() {
    let made = leased_patch();
    let key = made.world.runner.clone();
    let mut late = made.world.clone();
    late.now = made.lease.expires;
    let no = signed(&mut late, &key, made.completed()).unwrap_err();
    assert_eq!((no.kind, no.reason), (RejectionKind::Conflict, Reason::LeaseExpired));
    let mut in_time = made.world.clone();
    in_time.now = domain::time::Timestamp::from_ms(made.lease.expires.as_ms() - 1);
    assert!(signed(&mut in_time, &key, made.completed()).is_ok());
    // After the expiry is recorded the job is unknown, and stays so.
    late.run(Command::ExpireLease { job_id: made.job.job_id.clone() }).unwrap();
    assert_eq!(signed(&mut late, &key, made.completed()).unwrap_err().reason, Reason::JobNotOpen);
}

#[test]
fn an_earlier_attempt_reports_too_late() {
    let mut world = World::dev();
    let job = minted(&world.propose("key_casey", read("p-1")).unwrap()).unwrap().clone();
    let (first, lease) = leased(&world.lease().unwrap());
    let key = world.runner.clone();
    world.now = lease.expires;
    world.run(Command::ExpireLease { job_id: job.job_id.clone() }).unwrap();
    let old = report(&job, Some(first), 1, ResultStatus::Completed);
    assert_eq!(signed(&mut world, &key, old.clone()).unwrap_err().reason, Reason::LeaseExpired, "nobody has it");
    let (second, _) = leased(&world.lease().unwrap());
    assert_eq!(signed(&mut world, &key, old).unwrap_err().reason, Reason::LeaseForeign, "a later attempt has it");
    assert!(signed(&mut world, &key, report(&job, Some(second), 2, ResultStatus::Completed)).is_ok());
}

#[test]
fn no_proof_no_completion() {
    let made = leased_patch();
    let artifact = |n: usize| Artifact { path: format!("f-{n}"), ..made.completed().artifacts[0].clone() };
    let rows: Vec<(&str, JobResult, Reason)> = vec![
        ("nothing to show", JobResult { artifacts: Vec::new(), ..made.completed() }, Reason::ArtifactsMissing),
        ("nothing done", JobResult { actions: Vec::new(), ..made.completed() }, Reason::Malformed),
        (
            "more than asked",
            JobResult { actions: vec![made.completed().actions[0].clone(); 2], ..made.completed() },
            Reason::Malformed,
        ),
        (
            "too much to show",
            JobResult { artifacts: (0..65).map(artifact).collect(), ..made.completed() },
            Reason::Malformed,
        ),
        (
            "another tool",
            {
                let mut result = made.completed();
                result.actions[0].tool = id("publish");
                result
            },
            Reason::Malformed,
        ),
        (
            "completed, but not all of it",
            {
                let mut result = made.completed();
                result.actions[0].completed = false;
                result
            },
            Reason::Malformed,
        ),
        (
            "another tool, and failed",
            {
                let mut result = report(&made.job, Some(made.at), 1, ResultStatus::Failed);
                result.actions[0].tool = id("echo");
                result
            },
            Reason::Malformed,
        ),
        ("of another job", JobResult { job_id: id("job-9"), ..made.completed() }, Reason::JobUnknown),
    ];
    let key = made.world.runner.clone();
    for (what, result, reason) in rows {
        assert_eq!(signed(&mut made.world.clone(), &key, result).unwrap_err().reason, reason, "{what}");
    }
    let stopped = JobResult { actions: Vec::new(), ..report(&made.job, Some(made.at), 1, ResultStatus::Failed) };
    assert!(signed(&mut made.world.clone(), &key, stopped).is_ok(), "a failure may have done nothing");
}

/// A world in which Casey's `echo` waits.
fn echo() -> (World, Job) {
    let mut world = World::dev();
    let job = minted(&world.propose("key_casey", plain("p-1", "Casey", &["READ_REPO"])).unwrap()).unwrap().clone();
    (world, job)
}

#[test]
fn without_a_warrant_only_what_has_no_effects() {
    let (mut world, job) = echo();
    let done = report(&job, None, 0, ResultStatus::Completed);
    let group = unsigned(&mut world, "key_legacy", done.clone()).unwrap();
    assert_eq!(types(&group), ["result.recorded", "job.completed"]);
    let EventData::ResultRecorded(recorded) = &group[0].event.data else { panic!() };
    assert_eq!((recorded.evidence, recorded.authored.is_some()), (Evidence::None, false));
    assert_eq!(unsigned(&mut world, "key_legacy", done).unwrap_err().reason, Reason::JobNotOpen);

    for proposal in [patch("p-2"), read("p-3")] {
        let mut world = World::dev();
        let job = minted(&world.propose("key_casey", proposal).unwrap()).unwrap().clone();
        let no = unsigned(&mut world, "key_legacy", report(&job, None, 0, ResultStatus::Completed)).unwrap_err();
        assert_eq!((no.kind, no.reason), (RejectionKind::Forbidden, Reason::WarrantRequired));
    }
}

#[test]
fn without_a_warrant_only_what_nobody_leased() {
    let (mut world, job) = echo();
    let (at, lease) = leased(&world.lease().unwrap());
    for (attempt, named) in [(0, None), (1, None), (1, Some(at))] {
        let no = unsigned(&mut world, "key_legacy", report(&job, named, attempt, ResultStatus::Completed)).unwrap_err();
        assert_eq!(no.reason, Reason::JobNotOpen);
    }
    // Not even after the lease lapsed: the runner may have done it.
    world.now = lease.expires;
    world.run(Command::ExpireLease { job_id: job.job_id.clone() }).unwrap();
    let no = unsigned(&mut world, "key_legacy", report(&job, None, 0, ResultStatus::Completed)).unwrap_err();
    assert_eq!(no.reason, Reason::JobNotOpen);
}

#[test]
fn a_later_manifest_does_not_make_an_older_tool_harmless() {
    let mut world = World::dev();
    let job = minted(&world.propose("key_casey", patch("p-1")).unwrap()).unwrap().clone();
    let mut manifest = crate::material::manifest();
    manifest.tools.get_mut("apply_patch").unwrap().effects.clear();
    world.policy = domain::policy::Policy::new(world.policy.bundle().clone(), manifest);
    let no = unsigned(&mut world, "key_legacy", report(&job, None, 0, ResultStatus::Completed)).unwrap_err();
    assert_eq!(no.reason, Reason::WarrantRequired);
}

#[test]
fn without_a_warrant_the_key_comes_first() {
    let (mut world, job) = echo();
    let done = report(&job, None, 0, ResultStatus::Completed);
    let other = JobResult { job_id: id("job-9"), ..done.clone() };
    for result in [done, other] {
        assert_eq!(unsigned(&mut world, "key_casey", result.clone()).unwrap_err().reason, Reason::ScopeMissing);
        assert_eq!(unsigned(&mut world, "key_nobody", result.clone()).unwrap_err().reason, Reason::KeyUnknown);
        let nobody = Command::RecordResult { by: Caller::anonymous(), result: result.clone(), authored: None };
        assert_eq!(world.run(nobody).unwrap_err().reason, Reason::KeyRequired);
        let runner = Command::RecordResult { by: by_signature(&world.runner), result, authored: None };
        assert_eq!(world.run(runner).unwrap_err().reason, Reason::KeyUnknown, "a runner's key only signs");
    }
}
