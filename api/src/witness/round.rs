//! One head and the cosignatures on it, and how long a witness that failed is left alone.

use proof::checkpoint::{Checkpoint, CheckpointError};
use proof::index::TreeSize;
use proof::note::{Note, NoteSignature, VerifierKey};
use proof::policy::TrustPolicy;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// The first pause after a failure.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// A head that witnesses are asked to cosign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) size: TreeSize,
    /// What is signed.
    pub(super) text: String,
    /// The note with the log's signature alone.
    pub(super) note: String,
}

impl Candidate {
    /// Takes a head out of a note, with the log's signature and no other.
    pub(super) fn new(note: &str, log: &VerifierKey) -> Result<Self, CheckpointError> {
        let size = Checkpoint::open(note, log)?.size;
        let mut note = Note::parse(note).map_err(CheckpointError::Note)?;
        note.signatures.retain(|signature| signature.claims(log));
        note.signatures.truncate(1);
        Ok(Self { size, text: note.text.clone(), note: note.to_string() })
    }
}

/// A head, and who has cosigned it so far.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) candidate: std::sync::Arc<Candidate>,
    /// By the witness's place in the policy.
    lines: BTreeMap<usize, NoteSignature>,
    /// When the quorum was reached.
    pub(super) met: Option<Instant>,
    /// How many lines the note had that was published, if one was.
    published: Option<usize>,
}

impl Round {
    pub(super) fn new(candidate: Candidate, policy: &TrustPolicy, now: Instant) -> Self {
        let mut round = Self { candidate: candidate.into(), lines: BTreeMap::new(), met: None, published: None };
        round.look(policy, now);
        round
    }

    /// Takes over what an earlier process gathered for the same head, and has published.
    pub(super) fn resume(&mut self, note: &str, policy: &TrustPolicy, now: Instant) {
        let Ok(note) = Note::parse(note) else { return };
        if note.text != self.candidate.text {
            return;
        }
        self.lines = cosignatures(&note, policy);
        self.published = Some(self.lines.len());
        self.look(policy, now);
    }

    /// Adds a cosignature that has been verified.
    pub(super) fn add(&mut self, place: usize, line: NoteSignature, policy: &TrustPolicy, now: Instant) {
        self.lines.insert(place, line);
        self.look(policy, now);
    }

    fn look(&mut self, policy: &TrustPolicy, now: Instant) {
        if self.met.is_none() && policy.is_met(&names(policy, self.lines.keys())) {
            self.met = Some(now);
        }
    }

    pub(super) fn has(&self, place: usize) -> bool {
        self.lines.contains_key(&place)
    }

    /// The note with all cosignatures, if the quorum is reached and it has more than the one that was published last; and
    /// how many. From here on it counts as published.
    pub(super) fn publish(&mut self) -> Option<(String, usize)> {
        let all = self.lines.len();
        if self.met.is_none() || self.published.is_some_and(|published| published >= all) {
            return None;
        }
        self.published = Some(all);
        let mut note = self.candidate.note.clone();
        for line in self.lines.values() {
            note.push_str(&format!("{line}\n"));
        }
        Some((note, all))
    }
}

/// The lines of a note by witnesses of a policy that verify, by the witness's place.
pub(super) fn cosignatures(note: &Note, policy: &TrustPolicy) -> BTreeMap<usize, NoteSignature> {
    let mut found = BTreeMap::new();
    for (place, witness) in policy.witnesses().iter().enumerate() {
        let line = note.signatures.iter().find(|line| line.verify(&note.text, &witness.key).is_ok());
        found.extend(line.map(|line| (place, line.clone())));
    }
    found
}

/// The names of the witnesses at these places.
pub(super) fn names<'p, 'k>(policy: &'p TrustPolicy, places: impl IntoIterator<Item = &'k usize>) -> BTreeSet<&'p str> {
    places.into_iter().filter_map(|place| policy.witnesses().get(*place)).map(|w| w.name.as_str()).collect()
}

/// How long a witness is left alone after so many failures in a row: twice as long each time, and of that a random part
/// between half and all, so that many logs do not come back to it at once.
pub(super) fn pause(failures: u32, random: u8) -> Duration {
    let doubled = PAUSE_MIN.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16)));
    let longest = doubled.min(PAUSE_MAX);
    longest / 2 + longest / 2 * u32::from(random) / u32::from(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proof::hash::Hash;
    use proof::key::{KeyName, SecretKey};
    use proof::note::SignerKey;

    fn key(name: &str, seed: u8) -> SignerKey {
        SignerKey::new(KeyName::new(name).unwrap(), SecretKey::from_seed([seed; 32]))
    }

    fn policy(quorum: &str) -> TrustPolicy {
        let witness = |seed: u8| format!("witness w{seed} {}\n", key(&format!("w{seed}.example"), seed).cosigner());
        let log = key("log.example", 1).verifier();
        let text = format!("log {log}\n{}{}{}group two 2 w2 w3 w4\n{quorum}\n", witness(2), witness(3), witness(4));
        TrustPolicy::parse(&text).unwrap()
    }

    fn signed() -> String {
        let (origin, size) = ("log.example".to_owned(), TreeSize::new(3));
        Checkpoint { origin, size, root: Hash::new([3; 32]) }.sign(&key("log.example", 1))
    }

    fn candidate() -> Candidate {
        Candidate::new(&signed(), &key("log.example", 1).verifier()).unwrap()
    }

    fn line(seed: u8) -> NoteSignature {
        key(&format!("w{seed}.example"), seed).cosign(&candidate().text, 5).unwrap()
    }

    #[test]
    fn a_head_is_published_when_its_quorum_is_reached_and_again_with_each_later_line() {
        let (policy, now) = (policy("quorum two"), Instant::now());
        let mut round = Round::new(candidate(), &policy, now);
        assert_eq!((round.met, round.publish()), (None, None));
        round.add(2, line(4), &policy, now);
        assert_eq!((round.met, round.publish()), (None, None));
        round.add(0, line(2), &policy, now);
        assert_eq!(round.met, Some(now));
        let (note, witnesses) = round.publish().unwrap();
        assert_eq!((witnesses, note.clone()), (2, format!("{}{}\n{}\n", signed(), line(2), line(4))));
        assert!(Checkpoint::open(&note, &key("log.example", 1).verifier()).is_ok());
        assert_eq!(round.publish(), None);
        round.add(1, line(3), &policy, now);
        assert_eq!(round.publish().unwrap().1, 3);

        // The next process finds what was published, and does not ask again.
        let mut next = Round::new(candidate(), &policy, now);
        next.resume(&note, &policy, now);
        assert!(next.met.is_some() && next.has(0) && next.has(2) && !next.has(1));
        assert_eq!(next.publish(), None);
        next.add(1, line(3), &policy, now);
        assert_eq!(next.publish().unwrap().1, 3);
        // Of another head it takes nothing, and of this one nothing that does not verify.
        let mut other = Round::new(candidate(), &policy, now);
        other.resume(&note.replacen("\n3\n", "\n4\n", 1), &policy, now);
        other.resume(
            &format!("{}{}\n", signed(), key("w2.example", 9).cosign(&candidate().text, 5).unwrap()),
            &policy,
            now,
        );
        assert!(other.met.is_none() && !other.has(0));
    }

    #[test]
    fn a_quorum_of_nobody_is_reached_at_once() {
        let (policy, now) = (policy("quorum none"), Instant::now());
        let mut round = Round::new(candidate(), &policy, now);
        assert_eq!(round.publish(), Some((signed(), 0)));
        assert_eq!(round.publish(), None);
        round.add(0, line(2), &policy, now);
        assert_eq!(round.publish().unwrap().1, 1);
    }

    #[test]
    fn a_candidate_has_the_logs_signature_alone() {
        let cosigned = format!("{}{}\n", signed(), line(2));
        assert_eq!(Candidate::new(&cosigned, &key("log.example", 1).verifier()), Ok(candidate()));
        assert!(Candidate::new(&cosigned, &key("log.example", 2).verifier()).is_err());
    }

    #[test]
    fn pauses_grow_to_a_minute_and_differ() {
        assert_eq!((pause(1, 0), pause(1, 255)), (Duration::from_millis(500), Duration::from_secs(1)));
        assert_eq!((pause(4, 0), pause(4, 255)), (Duration::from_secs(4), Duration::from_secs(8)));
        assert_eq!((pause(7, 255), pause(u32::MAX, 255)), (PAUSE_MAX, PAUSE_MAX));
        assert!(pause(3, 10) < pause(3, 20));
        assert_eq!(pause(0, 255), PAUSE_MIN);
    }
}
