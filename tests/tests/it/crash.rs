//! The server killed at any moment, under load or while it recovers: what it acknowledged is in the log for ever, at its
//! index, and no index is given away twice.

use countersign_tests::acknowledged::Acknowledged;
use countersign_tests::chance::Chance;
use countersign_tests::load;
use countersign_tests::server::{Server, Start};
use std::time::Duration;

const ROUNDS: u32 = 20;
/// The longest that a server lives after it has answered.
const LIFE_MS: u64 = 350;
/// The longest that a server lives which is killed while it starts.
const BIRTH_MS: u64 = 60;

#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_lose_no_acknowledged_receipt() {
    let mut chance = Chance::with_printed_seed("crash");
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut kept = Acknowledged::in_folder(&dir.path().join("receipts"));
    let (mut killed_at_birth, mut torn) = (0, 0);
    for round in 0..ROUNDS {
        if round > 0 && chance.below(4) == 0 {
            // Killed while it recovers from the kill before.
            let (born, _lines) = Start::serve(&data).spawn();
            tokio::time::sleep(Duration::from_millis(chance.below(BIRTH_MS))).await;
            born.kill();
            killed_at_birth += 1;
        }
        let mut server = Server::serve(&data).await;
        torn += u32::from(server.said().contains("was dropped"));
        kept.check(&server).await;
        let pinned = server.pinned();
        // The moment that chance chose: nothing is waited for.
        let end = tokio::time::sleep(Duration::from_millis(chance.below(LIFE_MS)));
        let given = load::until(&mut server, &round.to_string(), u64::MAX, &mut chance, end).await;
        assert!(given.refused.is_empty(), "{:?}", given.refused);
        given.kept_by(&mut kept, &pinned);
    }
    let server = Server::serve(&data).await;
    let (size, pinned) = (kept.check(&server).await, server.pinned());
    server.stop().await;
    let (receipts, events) = (kept.receipts(), kept.events());
    eprintln!(
        "crash: {ROUNDS} kills and {killed_at_birth} at birth, {torn} torn frames, {receipts} receipts of {events} events of {size}"
    );
    eprintln!("tally: kills={ROUNDS} kills-at-birth={killed_at_birth} receipts={receipts}");
    assert!(receipts > 20, "there was hardly any load");
    kept.audit(&data, &pinned);
}
