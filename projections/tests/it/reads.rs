//! The questions that the edges ask.

use countersign_projections::{Order, ReadError, rebuild};
use domain::event::EventData;
use domain::event::approval::Verb;
use domain::event::decision::Ruling;
use proof::LeafIndex;

use crate::history::{History, Kind, Report};
use crate::log::{Log, fold, open, put_aside};

/// Three proposals in three states, and their jobs.
fn story() -> History {
    let mut history = History::new();
    history.intent("i1");
    history.propose("read", Kind::Read);
    history.propose("release", Kind::Publish);
    history.propose("secrets", Kind::Secrets);
    history.lease();
    let job = history.jobs[0].clone();
    history.report(&job, Report::Completed);
    history
}

#[test]
fn proposals_come_newest_first_and_in_pages() {
    let home = tempfile::tempdir().unwrap();
    let log = Log::of(story());
    let (store, mut writer, _) = open(&home.path().join("views"), &log);
    fold(&mut writer, &log, 100);
    let names = |page: &countersign_projections::ProposalPage| -> Vec<String> {
        page.proposals.iter().map(|row| row.proposal_id.to_string()).collect()
    };
    let page = store.proposals(2, None).unwrap();
    assert_eq!(names(&page), ["secrets", "release"]);
    let next = store.proposals(2, page.next).unwrap();
    assert_eq!(names(&next), ["read"]);
    assert_eq!(next.next, None);
    assert_eq!(store.proposals(0, None).unwrap().proposals, []);
    assert_eq!(store.proposals(5, Some(LeafIndex::new(0))).unwrap().proposals, []);

    let read = store.proposal(&"read".parse().unwrap()).unwrap().unwrap();
    assert_eq!(read.ruling, Some(Ruling::Allow));
    assert_eq!(read.job.as_deref(), Some("job.completed"));
    assert!(read.job_id.is_some());
    let secrets = store.proposal(&"secrets".parse().unwrap()).unwrap().unwrap();
    assert_eq!((secrets.ruling, secrets.job_id), (Some(Ruling::Deny), None));
    assert_eq!(store.proposal(&"nobody".parse().unwrap()).unwrap(), None);
}

#[test]
fn approvals_wait_until_they_are_answered() {
    let home = tempfile::tempdir().unwrap();
    let log = Log::of(story());
    let (store, mut writer, _) = open(&home.path().join("views"), &log);
    fold(&mut writer, &log, 100);
    let waiting = store.pending_approvals(10).unwrap();
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].proposal_id.as_str(), "release");
    assert!(waiting[0].grants.is_empty());
    log.write(|history| history.answer(&"release".parse().unwrap(), Verb::Grant, true));
    fold(&mut writer, &log, 100);
    assert_eq!(store.pending_approvals(10).unwrap(), []);
    assert_eq!(store.pending_approval(&"release".parse().unwrap()).unwrap(), None);
    let release = store.proposal(&"release".parse().unwrap()).unwrap().unwrap();
    assert_eq!(release.ruling, Some(Ruling::Allow));
}

#[test]
fn jobs_are_found_by_status() {
    let home = tempfile::tempdir().unwrap();
    let log = Log::of(story());
    log.write(|history| (0..5).for_each(|n| history.propose(&format!("more-{n}"), Kind::Read)));
    log.write(History::lease);
    let (store, mut writer, _) = open(&home.path().join("views"), &log);
    fold(&mut writer, &log, 100);
    let count = |status: Option<&str>| store.jobs(100, None, status).unwrap().jobs.len();
    assert_eq!(count(None), 6);
    assert_eq!(count(Some("ready")), 4);
    assert_eq!(count(Some("leased")), 1);
    assert_eq!(count(Some("completed")), 1);
    assert_eq!(count(Some("unknown")), 0);
    let mut before = None;
    let mut seen = Vec::new();
    loop {
        let page = store.jobs(2, before, Some("ready")).unwrap();
        seen.extend(page.jobs.iter().map(|row| row.created));
        match page.next {
            Some(next) => before = Some(next),
            None => break,
        }
    }
    assert_eq!(seen.len(), 4);
    assert!(seen.is_sorted_by(|a, b| a > b));
    let done = store.jobs(1, None, Some("completed")).unwrap().jobs.remove(0);
    assert_eq!(store.job(&done.job.job_id).unwrap(), Some(done.clone()));
    assert!(done.result.is_some() && done.evidence.is_some() && done.result_seq.is_some());
}

#[test]
fn scans_page_in_both_orders_and_keep_to_their_prefix() {
    let home = tempfile::tempdir().unwrap();
    let log = Log::of_length(200);
    let (store, mut writer, _) = open(&home.path().join("views"), &log);
    fold(&mut writer, &log, 100);
    let all = store.scan("jobs", "order/", None, usize::MAX, Order::Ascending).unwrap();
    assert!(all.len() > 5 && all.is_sorted_by(|a, b| a.0 < b.0));
    assert!(all.iter().all(|(key, _)| key.starts_with("order/")));
    for order in [Order::Ascending, Order::Descending] {
        let mut paged: Vec<(String, serde_json::Value)> = Vec::new();
        loop {
            let after = paged.last().map(|(key, _)| key.clone());
            let page = store.scan("jobs", "order/", after.as_deref(), 3, order).unwrap();
            if page.is_empty() {
                break;
            }
            paged.extend(page);
        }
        if order == Order::Descending {
            paged.reverse();
        }
        assert_eq!(paged, all);
    }
    // A cursor outside the prefix narrows nothing, or everything.
    let scan = |after, order| store.scan("jobs", "order/", Some(after), 1000, order).unwrap().len();
    assert_eq!(scan("a", Order::Ascending), all.len());
    assert_eq!(scan("z", Order::Ascending), 0);
    assert_eq!(scan("z", Order::Descending), all.len());
    assert_eq!(scan("a", Order::Descending), 0);
    assert_eq!(store.row("what", "a"), Err(ReadError::UnknownProjection("what".into())));
}

#[test]
fn every_row_of_every_kind_of_event_reads_back_as_its_type() {
    let home = tempfile::tempdir().unwrap();
    let log = Log::of_length(600);
    let (store, mut writer, _) = open(&home.path().join("views"), &log);
    let mut statuses = std::collections::BTreeSet::new();
    // One event a batch, so that each row is read in each of its states.
    for event in log.write(|history| history.events.clone()) {
        writer.step(&log, 1).unwrap();
        store.pending_approvals(10).unwrap();
        if let Some(id) = event.header.subject.as_str().strip_prefix("job/") {
            statuses.insert(store.job(&id.parse().unwrap()).unwrap().unwrap().status);
        }
        if let Some(id) = event.header.subject.as_str().strip_prefix("proposal/") {
            statuses.insert(store.proposal(&id.parse().unwrap()).unwrap().unwrap().status);
        }
    }
    let wanted = [
        "ALLOW",
        "DENY",
        "NEED_MORE_EVIDENCE",
        "REQUIRE_HUMAN",
        "completed",
        "failed",
        "leased",
        "ready",
        "rejected",
        "submitted",
        "unknown",
    ];
    assert_eq!(statuses.iter().map(String::as_str).collect::<Vec<_>>(), wanted);
    let kinds: std::collections::BTreeSet<_> =
        log.write(|h| h.events.iter().map(|event| event.data.type_name()).collect());
    for data in EventData::TYPES.iter().filter(|name| name.starts_with("job.")) {
        assert!(kinds.contains(data), "{data} never happened");
    }
}

#[test]
fn a_rebuild_keeps_the_old_rows_aside_and_comes_to_the_same_digests() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("views");
    let log = Log::of_length(100);
    let first = rebuild(&dir, &log, |_| ()).unwrap();
    assert_eq!((first.position, first.kept_at), (log.size(), None));
    let mut told = Vec::new();
    let again = rebuild(&dir, &log, |progress| told.push(progress)).unwrap();
    assert_eq!(again.projections, first.projections);
    assert_eq!(put_aside(&dir), [again.kept_at.unwrap()]);
    assert_eq!(told.last().map(|progress| progress.done), Some(log.size()));
}
