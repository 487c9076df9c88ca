//! The released executable while the system fails it at one call, from one call on, or kills it there: it refuses, stops or
//! goes on, and whatever it did, started again it has all that it acknowledged.

use countersign_tests::acknowledged::Acknowledged;
use countersign_tests::chance::Chance;
use countersign_tests::injected::{Fault, Injection, injected, staged};
use countersign_tests::load;
use countersign_tests::server::{Ended, Start};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const FAILED: Fault = Fault::Error("EIO");
const FULL: Fault = Fault::Error("ENOSPC");

/// Every call by which the executable changes something on the disk or learns that it did, with every fault.
const FAULTS: [(&str, Fault); 22] = [
    ("openat", FAILED),
    ("openat", FULL),
    ("openat", Fault::Kill),
    ("write", FAILED),
    ("write", FULL),
    ("write", Fault::Kill),
    ("pwrite64", FAILED),
    ("pwrite64", FULL),
    ("pwrite64", Fault::Kill),
    ("fdatasync", FAILED),
    ("fdatasync", FULL),
    ("fdatasync", Fault::Kill),
    ("fsync", FAILED),
    ("fsync", Fault::Kill),
    ("rename", FAILED),
    ("rename", FULL),
    ("rename", Fault::Kill),
    ("close", FAILED),
    ("close", Fault::Kill),
    ("mkdir", FULL),
    ("unlink", FAILED),
    ("unlink", Fault::Kill),
];

/// Commands of each client in a round.
const COMMANDS: u64 = 24;
/// A power of two that is more calls than a thread makes in a round.
const CALLS: u64 = 7;

/// What the faults did.
#[derive(Debug, Default)]
struct Done {
    /// Rounds by what became of the server.
    fates: BTreeMap<&'static str, u64>,
    refused: BTreeMap<String, u64>,
}

/// A ledger that is put through one fault after the other.
struct Victim {
    home: TempDir,
    data: PathBuf,
    kept: Acknowledged,
    done: Done,
    round: u64,
}

impl Victim {
    /// Founded without a fault.
    async fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("data");
        Start::serve(&data).small().start().await.stop().await;
        let kept = Acknowledged::in_folder(&home.path().join("receipts"));
        Self { home, data, kept, done: Done::default(), round: 0 }
    }

    /// Starts it under a fault, puts it under load, ends it; starts it without, and holds it to its word.
    async fn suffers(&mut self, injection: &Injection, chance: &mut Chance) {
        self.round += 1;
        let label = self.round.to_string();
        let record = self.home.path().join(format!("{label}.record"));
        let mut fate = match Start::serve(&self.data).small().under(injection, &record).attempt().await {
            Err(ended) => {
                says_why(injection, &ended);
                "did not start"
            }
            Ok(mut server) => {
                let pinned = server.pinned();
                let given = load::put_on(&mut server, &label, COMMANDS, chance).await;
                for (reason, times) in &given.refused {
                    *self.done.refused.entry(reason.clone()).or_default() += times;
                }
                let all = given.receipts() >= usize::try_from(COMMANDS * load::CLIENTS).unwrap();
                given.kept_by(&mut self.kept, &pinned);
                let ended = server.end().await;
                self.kept.keep_published(&self.data, &pinned);
                match ended.code {
                    Some(0) if all => "survived",
                    Some(0) => "refused and went on",
                    _ => {
                        says_why(injection, &ended);
                        "stopped"
                    }
                }
            }
        };
        if fate == "survived" && injected(&record) == 0 {
            fate = "was not reached";
        }
        *self.done.fates.entry(fate).or_default() += 1;
        eprintln!("injected: {injection}: {fate}");
        let mut server = Start::serve(&self.data).small().start().await;
        self.kept.check(&server).await;
        let pinned = server.pinned();
        let given = load::put_on(&mut server, &format!("{label}-after"), 1, chance).await;
        assert!(given.refused.is_empty(), "{injection}: refused afterwards: {:?}", given.refused);
        given.kept_by(&mut self.kept, &pinned);
        server.kill();
    }

    /// Everything once more by the auditor's executable.
    async fn audit(self) {
        let server = Start::serve(&self.data).small().start().await;
        self.kept.check(&server).await;
        let pinned = server.pinned();
        server.stop().await;
        self.kept.audit(&self.data, &pinned);
        let (fates, refused) = (self.done.fates, self.done.refused);
        let missed = fates.get("was not reached").copied().unwrap_or(0);
        assert!(2 * missed < self.round, "most faults never came: {fates:?}");
        eprintln!("injected: {fates:?}, refusals {refused:?}, {} receipts", self.kept.receipts());
        eprintln!("tally: injections={} receipts={}", self.round - missed, self.kept.receipts());
        drop(self.home);
    }
}

/// A process that ended by itself, and was not killed, has said why.
fn says_why(injection: &Injection, ended: &Ended) {
    match ended.code {
        None => assert_eq!(injection.fault, Fault::Kill, "killed by a signal: {}", ended.said),
        Some(code) => {
            assert_ne!(code, 0, "{injection}: it ended as if all were well: {}", ended.said);
            assert!(!ended.said.trim().is_empty(), "{injection}: it ended with {code} and said nothing");
        }
    }
}

/// A fault of the disk: of `write` only where it is one to a file.
fn fault_of_the_disk(call: &'static str, fault: Fault, data: &Path, nth: u64) -> Injection {
    let injection = Injection::once(call, fault, nth);
    if call == "write" { injection.on(staged(data)) } else { injection }
}

/// How often each fault is injected: once, or more in a long run.
fn turns() -> usize {
    if std::env::var_os("COUNTERSIGN_SOAK").is_some() { 3 } else { 1 }
}

/// A place in a run of calls: the first ones as likely as those far behind.
fn place(chance: &mut Chance) -> u64 {
    let magnitude = chance.below(CALLS);
    1 + chance.below(1 << magnitude)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_system_call_loses_nothing_that_was_acknowledged() {
    let mut chance = Chance::with_printed_seed("injected");
    let mut victim = Victim::new().await;
    for (call, fault) in FAULTS.into_iter().cycle().take(FAULTS.len() * turns()) {
        let injection = fault_of_the_disk(call, fault, &victim.data, place(&mut chance));
        let for_ever = fault != Fault::Kill && chance.below(4) == 0;
        victim.suffers(&if for_ever { injection.and_ever_after() } else { injection }, &mut chance).await;
    }
    victim.audit().await;
}

/// Whether a folder can be made a ledger of, or says that it was begun and is to be removed.
async fn founded_or_begun(data: &Path, injection: &Injection) {
    match Start::serve(data).small().attempt().await {
        Ok(server) => server.stop().await,
        Err(ended) => {
            let clear = ended.said.contains("interrupted") && ended.said.contains("remove the folder");
            assert!(clear, "{injection}: {}", ended.said);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_could_not_be_founded_says_so() {
    let mut chance = Chance::with_printed_seed("founding");
    for (call, fault) in
        [("fdatasync", FAILED), ("rename", Fault::Kill), ("write", FULL), ("openat", FAILED), ("pwrite64", Fault::Kill)]
    {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("data");
        let injection = fault_of_the_disk(call, fault, &data, 1 + chance.below(16)).and_ever_after();
        if let Err(ended) = Start::serve(&data).small().under(&injection, &home.path().join("record")).attempt().await {
            says_why(&injection, &ended);
        }
        founded_or_begun(&data, &injection).await;
    }
}
