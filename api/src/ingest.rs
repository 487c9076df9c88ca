//! From what clients send to what `decide` reads: long and personal text goes beside the log, secrets are found before
//! anything is stored.

pub(crate) mod intent;
pub(crate) mod proposal;
pub(crate) mod result;
pub(crate) mod signed;

use crate::app::App;
use crate::error::ApiError;
use axum::http::StatusCode;
use domain::content::{Content, Text};
use domain::limits;
use domain::reason::Reason;
use proof::commitment::{Commitment, Salt};
use serde_json::Value;
use std::collections::BTreeMap;

/// A body that must be on stable storage before the event that commits to it.
pub(crate) struct StoredBody {
    pub(crate) commitment: Commitment,
    pub(crate) salt: Salt,
    pub(crate) bytes: Vec<u8>,
}

/// Takes text out of a command, and remembers where its bodies are to go.
pub(crate) struct Committer {
    personal: bool,
    /// Commitments of an earlier submission under the same id, by place: an equal text gets the same salt, so the same
    /// command is recognised as the same.
    earlier: BTreeMap<String, (Commitment, Salt)>,
    pub(crate) bodies: Vec<StoredBody>,
}

impl Committer {
    pub(crate) fn new(personal: bool, earlier: BTreeMap<String, (Commitment, Salt)>) -> Self {
        Self {
            personal,
            earlier,
            bodies: Vec::new(),
        }
    }

    pub(crate) fn text(&mut self, place: &str, text: String) -> Result<Text, ApiError> {
        if !self.personal && text.len() <= limits::INLINE_TEXT_BYTES {
            return Ok(Text::Inline(text));
        }
        let commit = self.commit(place, text.into_bytes(), "text/plain; charset=utf-8")?;
        Ok(Text::Committed { commit })
    }

    pub(crate) fn content(&mut self, place: &str, value: Value) -> Result<Content, ApiError> {
        let bytes = proof::canonical::value_to_vec(&value);
        if !self.personal && bytes.len() <= limits::INLINE_TEXT_BYTES {
            return Ok(Content::Inline(value));
        }
        Ok(Content::Committed(self.commit(
            place,
            bytes,
            "application/json",
        )?))
    }

    /// An action's input: long strings by commitment, anything else in the event.
    pub(crate) fn input(
        &mut self,
        place: &str,
        value: Value,
    ) -> Result<Result<Value, Commitment>, ApiError> {
        match value {
            Value::String(text) if self.personal || text.len() > limits::INLINE_TEXT_BYTES => Ok(
                Err(self.commit(place, text.into_bytes(), "text/plain; charset=utf-8")?),
            ),
            other => short(place, other).map(Ok),
        }
    }

    fn commit(
        &mut self,
        place: &str,
        bytes: Vec<u8>,
        media_type: &str,
    ) -> Result<Commitment, ApiError> {
        if bytes.len() > limits::BODY_BYTES {
            let detail = format!("{} bytes, at most {}", bytes.len(), limits::BODY_BYTES);
            return Err(ApiError::too_large(detail).at(place));
        }
        let reusable = self
            .earlier
            .get(place)
            .filter(|(commitment, salt)| commitment.opens(salt, &bytes));
        let salt = match reusable {
            Some((_, salt)) => salt.clone(),
            None => Salt::new(ledger::keys::entropy().map_err(ApiError::internal)?),
        };
        let commitment = Commitment::new(&salt, &bytes, media_type);
        self.bodies.push(StoredBody {
            commitment: commitment.clone(),
            salt,
            bytes,
        });
        Ok(commitment)
    }
}

/// A value that must fit the event.
pub(crate) fn short(place: &str, value: Value) -> Result<Value, ApiError> {
    let bytes = proof::canonical::value_to_vec(&value).len();
    if bytes <= limits::INLINE_TEXT_BYTES * 4 {
        return Ok(value);
    }
    let detail = format!("{bytes} bytes, at most {}", limits::INLINE_TEXT_BYTES * 4);
    Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, Reason::Malformed, detail).at(place))
}

/// Puts bodies on stable storage.
pub(crate) async fn store(app: &App, bodies: Vec<StoredBody>) -> Result<(), ApiError> {
    if bodies.is_empty() {
        return Ok(());
    }
    let total: usize = bodies.iter().map(|body| body.bytes.len()).sum();
    if total > limits::BODIES_BYTES {
        return Err(ApiError::too_large(format!(
            "bodies of {total} bytes, at most {} together",
            limits::BODIES_BYTES
        )));
    }
    let app = app.clone();
    let stored = tokio::task::spawn_blocking(move || {
        let all: Vec<_> = bodies
            .iter()
            .map(|b| ledger::content::Body {
                commitment: &b.commitment,
                salt: &b.salt,
                bytes: &b.bytes,
            })
            .collect();
        app.ledger.content().put_many(&all)
    });
    stored
        .await
        .map_err(ApiError::internal)?
        .map_err(ApiError::internal)
}

/// What secrets a value holds, by place and kind; never the value.
pub(crate) fn secrets(value: &Value) -> Vec<domain::event::proposal::Finding> {
    inspect::json::find(value)
        .into_iter()
        .map(|found| domain::event::proposal::Finding {
            place: found.pointer,
            kind: found.finding.kind.name().to_owned(),
        })
        .collect()
}

/// Refuses a command that holds a secret and that has no ruling which could say so.
pub(crate) fn refuse_secrets(value: &Value) -> Result<(), ApiError> {
    match secrets(value).into_iter().next() {
        None => Ok(()),
        Some(found) => {
            let detail = format!(
                "what looks like a secret ({}) stands in the request; nothing was stored",
                found.kind
            );
            Err(ApiError::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                Reason::SecretInCommand,
                detail,
            )
            .at(found.place))
        }
    }
}

/// Commitments of an earlier submission with their salts, by place.
pub(crate) type Earlier = BTreeMap<String, (Commitment, Salt)>;

/// An event that is known to stand in the log.
pub(crate) fn event_at(
    app: &App,
    seq: proof::index::LeafIndex,
) -> Result<domain::event::Event, ApiError> {
    let leaf = app
        .ledger
        .leaf(seq)?
        .ok_or_else(|| ApiError::internal(format!("event {seq} is not there")))?;
    let leaf = proof::leaf::Leaf::parse(&leaf).map_err(ApiError::internal)?;
    domain::event::Event::parse(leaf.payload).map_err(ApiError::internal)
}

/// The salts of commitments, where their bodies still exist.
pub(crate) fn salts<'a>(
    app: &App,
    places: impl Iterator<Item = (String, &'a Commitment)>,
) -> Result<Earlier, ApiError> {
    let mut found = BTreeMap::new();
    for (place, commitment) in places {
        if let Some((salt, _)) = app
            .ledger
            .content()
            .get(commitment)
            .map_err(ApiError::internal)?
        {
            found.insert(place, (commitment.clone(), salt));
        }
    }
    Ok(found)
}

/// The same for bodies beside a signed command: they cannot be redacted without breaking the signature.
pub(crate) fn refuse_secret_bodies(bodies: &[StoredBody]) -> Result<(), ApiError> {
    for body in bodies {
        refuse_secrets(&Value::String(
            String::from_utf8_lossy(&body.bytes).into_owned(),
        ))?;
    }
    Ok(())
}
