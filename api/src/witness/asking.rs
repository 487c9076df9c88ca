//! Asking one witness to cosign one head.

use super::round::Candidate;
use ledger::Ledger;
use proof::index::TreeSize;
use proof::note::{Note, NoteSignature, VerifierKey};
use proof::witness::{AddCheckpoint, SIZE_MEDIA_TYPE, parse_cosignatures, parse_size};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// What a witness answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The media type, as it was sent.
    pub media_type: String,
    /// The body.
    pub body: Vec<u8>,
}

/// An answer to come, or a sentence about why there is none.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Result<Answer, String>> + Send + 'a>>;

/// How requests reach a witness.
pub trait Transport: Send + Sync {
    /// Posts a text to `<url>/add-checkpoint`. The caller bounds the time; whoever implements it bounds the answer.
    fn add_checkpoint<'a>(&'a self, url: &'a str, request: String) -> Answering<'a>;
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It cosigned the head.
    Cosigned(NoteSignature),
    /// It has cosigned another head of ours meanwhile, which is newer than this one.
    IsAhead(TreeSize),
    /// What it cosigned before is not in our history, or not any more.
    Contradicted(String),
    /// It did not answer, or not as a witness does.
    Failed(String),
}

/// One witness, one head.
pub(super) struct Asking {
    pub(super) ledger: Ledger,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) url: String,
    pub(super) key: VerifierKey,
    pub(super) candidate: Arc<Candidate>,
    /// The size that it cosigned last, as far as we know.
    pub(super) old: TreeSize,
    /// The longest that one request may take.
    pub(super) timeout: Duration,
}

impl Asking {
    /// Asks, and asks once more if the witness says that it cosigned another size last.
    pub(super) async fn ask(mut self) -> Outcome {
        let asked = match self.once().await {
            Ok(Reply::OtherSize(last)) => {
                if let Err(outcome) = self.start_from(last) {
                    return outcome;
                }
                self.once().await
            }
            other => other,
        };
        match asked {
            Ok(Reply::Cosigned(line)) => Outcome::Cosigned(line),
            // Somebody else shows our heads to this witness too. If it is an honest copy, there is no harm in it.
            Ok(Reply::OtherSize(last)) => match self.start_from(last) {
                Ok(()) => Outcome::Failed(format!("it cosigned {last} meanwhile")),
                Err(outcome) => outcome,
            },
            Err(outcome) => outcome,
        }
    }

    /// Takes the size that a witness names as the old one, if there is a way from there to the head.
    fn start_from(&mut self, last: TreeSize) -> Result<(), Outcome> {
        let ours = self.ledger.head().size;
        if last > ours {
            let text = format!("it has cosigned a head of {last} events, and this log has {ours}");
            return Err(Outcome::Contradicted(text));
        }
        if last > self.candidate.size {
            return Err(Outcome::IsAhead(last));
        }
        if last == self.old {
            return Err(Outcome::Failed(format!(
                "it refuses {last} as the old size, and says that it is the old size"
            )));
        }
        self.old = last;
        Ok(())
    }

    async fn once(&mut self) -> Result<Reply, Outcome> {
        // A memory of more than the head has is of no use; the witness says what it has.
        if self.old > self.candidate.size {
            self.old = TreeSize::ZERO;
        }
        let request = self.request().await.map_err(|error| Outcome::Failed(error.to_string()))?;
        let answering = self.transport.add_checkpoint(&self.url, request);
        let answer = tokio::time::timeout(self.timeout, answering).await;
        let answer = answer.map_err(|_| Outcome::Failed(format!("no answer in {:?}", self.timeout)))?;
        self.read(&answer.map_err(Outcome::Failed)?)
    }

    async fn request(&self) -> Result<String, RequestError> {
        let (old, size) = (self.old, self.candidate.size);
        let proof = if old == TreeSize::ZERO || old == size {
            Vec::new()
        } else {
            let ledger = self.ledger.clone();
            // Old tiles may have to be read from the disk.
            let made = tokio::task::spawn_blocking(move || ledger.consistency(old, size)).await;
            made.map_err(|error| RequestError(error.to_string()))?.map_err(|error| RequestError(error.to_string()))?
        };
        let note = Note::parse(&self.candidate.note).map_err(|error| RequestError(error.to_string()))?;
        Ok(AddCheckpoint { old, proof, note }.to_string())
    }

    fn read(&self, answer: &Answer) -> Result<Reply, Outcome> {
        let text = std::str::from_utf8(&answer.body).unwrap_or_default();
        match answer.status {
            200 => self.cosignature(text).map(Reply::Cosigned).map_err(Outcome::Failed),
            409 => match (answer.media_type.as_str(), parse_size(text)) {
                (SIZE_MEDIA_TYPE, Some(last)) => Ok(Reply::OtherSize(last)),
                _ => Err(Outcome::Failed("it answered 409 without a size".into())),
            },
            422 => Err(Outcome::Contradicted(format!(
                "what it cosigned at {} events does not lead to our head of {}: {}",
                self.old,
                self.candidate.size,
                printable(text)
            ))),
            status => Err(Outcome::Failed(format!("it answered {status}: {}", printable(text)))),
        }
    }

    /// The witness's own cosignature of the head. Lines by others, and ones that do not verify, are dropped.
    fn cosignature(&self, text: &str) -> Result<NoteSignature, String> {
        let lines = parse_cosignatures(text).map_err(|error| format!("it answered with no cosignature: {error}"))?;
        let mut found = None;
        for line in lines {
            match line.verify(&self.candidate.text, &self.key) {
                Ok(()) => found = found.or(Some(line)),
                Err(_) if line.claims(&self.key) => {
                    tracing::warn!(witness = %self.key.name(), "dropped a cosignature that does not verify");
                }
                Err(_) => tracing::warn!(witness = %self.key.name(), "dropped a cosignature by another key"),
            }
        }
        found.ok_or_else(|| "none of its cosignatures is by its key over our head".into())
    }
}

enum Reply {
    Cosigned(NoteSignature),
    OtherSize(TreeSize),
}

/// Why no request could be made.
struct RequestError(String);

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no request could be made: {}", self.0)
    }
}

/// Somebody else's words, short and on one line.
fn printable(text: &str) -> String {
    text.trim().chars().take(200).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
