//! Who is calling: an API key in a header, looked up by its salted hash.

use crate::app::{App, now};
use crate::error::ApiError;
use axum::http::{HeaderMap, StatusCode};
use domain::command::Caller;
use domain::decide::usable_key;
use domain::event::key::{NewKey, Scope};
use domain::event::ledger::Profile;
use domain::reason::Reason;
use proof::hash::{Hash, Sha256};
use schemas::{KEY_HEADER, M87_KEY_HEADER};
use subtle::ConstantTimeEq;

/// The hash under which an API key stands in the log: SHA-256 of (the server's secret salt ‖ key).
pub fn api_key_hash(salt: &[u8; 32], key: &str) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(salt);
    hasher.update(key.as_bytes());
    hasher.finish()
}

/// The key that a request presents, if it presents one.
fn presented(headers: &HeaderMap) -> Option<&str> {
    let named = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = || named("authorization").and_then(|value| value.strip_prefix("Bearer "));
    named(KEY_HEADER).or_else(|| named(M87_KEY_HEADER)).or_else(bearer).filter(|key| !key.is_empty())
}

/// The key record behind a request. 401 without a key or with one that nobody knows; 403 when it is disabled or expired.
pub(crate) fn key_of(app: &App, headers: &HeaderMap) -> Result<NewKey, ApiError> {
    let key = presented(headers).ok_or_else(|| {
        let detail = format!("send an API key in the header `{KEY_HEADER}`");
        ApiError::new(StatusCode::UNAUTHORIZED, Reason::KeyRequired, detail)
    })?;
    let hash = api_key_hash(&app.api_key_salt, key);
    let now = now();
    let record = app.ledger.with_state(|state| {
        let record = state.api_key(&hash)?;
        let known = match &record.key.credential {
            domain::event::key::Credential::Api(stored) => bool::from(stored.as_bytes().ct_eq(hash.as_bytes())),
            domain::event::key::Credential::Ed25519(_) => false,
        };
        known.then(|| usable_key(state, &record.key.key_id, now).map(|record| record.key.clone()))
    });
    match record {
        Some(Ok(key)) => Ok(key),
        Some(Err(no)) => Err(no.into()),
        None => Err(ApiError::new(StatusCode::UNAUTHORIZED, Reason::KeyUnknown, "the API key is not known here")),
    }
}

/// The caller of a request that must show a key with a scope. The scope is judged again where the command is decided.
pub(crate) fn require(app: &App, headers: &HeaderMap, scope: Scope) -> Result<NewKey, ApiError> {
    let key = key_of(app, headers)?;
    if key.scopes.contains(&scope) {
        return Ok(key);
    }
    let detail = format!("key `{}` lacks the scope `{}`", key.key_id, scope.as_str());
    Err(ApiError::new(StatusCode::FORBIDDEN, Reason::ScopeMissing, detail))
}

/// Whether a request may read: always where reads are open, else with any usable key.
pub(crate) fn may_read(app: &App, headers: &HeaderMap) -> Result<(), ApiError> {
    if app.options.open_reads { Ok(()) } else { key_of(app, headers).map(|_| ()) }
}

/// The caller of a request for which a `dev` ledger needs no key; a key that is presented must be good.
pub(crate) fn optional(app: &App, headers: &HeaderMap) -> Result<Caller, ApiError> {
    let profile = app.ledger.with_state(|state| state.ledger().map(|info| info.genesis.profile));
    match (presented(headers), profile) {
        (None, Some(Profile::Dev)) => Ok(Caller::anonymous()),
        _ => key_of(app, headers).map(|key| Caller::key(key.key_id)),
    }
}
