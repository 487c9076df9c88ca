//! Refusals on their way to a client: where errors of the layers below meet an HTTP status.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::command::{Rejection, RejectionKind};
use domain::reason::Reason;
use ledger::SubmitError;
use ledger::clock::ClockError;
use schemas::PROBLEM_MEDIA_TYPE;
use schemas::commit::CommitError;
use schemas::problem::Problem;
use serde_json::{Value, json};

/// A refusal on its way to a client.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    /// The reason code, or one of the edge's own.
    pub(crate) reason: &'static str,
    pub(crate) title: &'static str,
    pub(crate) detail: String,
    pub(crate) pointer: Option<String>,
    pub(crate) offset: Option<usize>,
    pub(crate) retry_after: Option<u32>,
    /// Set on the compatible routes: the predecessor's body instead of a problem document.
    pub(crate) compat: Option<Value>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, reason: Reason, detail: impl Into<String>) -> Self {
        Self::edge(status, reason.code(), reason.text(), detail)
    }

    pub(crate) fn edge(
        status: StatusCode,
        reason: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        let detail = detail.into();
        Self { status, reason, title, detail, pointer: None, offset: None, retry_after: None, compat: None }
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::edge(StatusCode::NOT_FOUND, "NOT_FOUND", "there is nothing here", detail)
    }

    /// Something failed that is not the client's fault. The cause goes to the log, not to the client.
    pub(crate) fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "internal error");
        Self::edge(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL",
            "the server failed",
            "the cause is in the server's log",
        )
    }

    pub(crate) fn too_large(detail: impl Into<String>) -> Self {
        Self::edge(StatusCode::PAYLOAD_TOO_LARGE, "TOO_LARGE", "the request is too large", detail)
    }

    /// There is a bound on bodies, and this would go beyond it.
    fn no_store_room(title: &'static str, why: &ledger::content::ContentError) -> Self {
        Self::edge(StatusCode::INSUFFICIENT_STORAGE, "NO_ROOM", title, why.to_string())
    }

    pub(crate) fn at(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }

    /// The same refusal in the predecessor's shape, `{"detail": …}`.
    pub(crate) fn into_compat(mut self) -> Self {
        if self.compat.is_none() {
            let detail = match self.status {
                StatusCode::UNPROCESSABLE_ENTITY | StatusCode::BAD_REQUEST => {
                    self.status = StatusCode::UNPROCESSABLE_ENTITY;
                    let mut loc = vec![json!("body")];
                    let pointer = self.pointer.as_deref().unwrap_or_default();
                    loc.extend(pointer.split('/').filter(|part| !part.is_empty()).map(|part| json!(part)));
                    json!([{"type": "value_error", "loc": loc, "msg": self.detail}])
                }
                StatusCode::SERVICE_UNAVAILABLE if self.reason != "BEHIND" => json!({
                    "error": "DB_UNAVAILABLE", "message": "Persistence layer unavailable - mutations denied",
                }),
                _ => json!(self.detail),
            };
            self.compat = Some(json!({"detail": detail}));
        }
        self
    }

    /// A compatible refusal with this exact `detail`.
    pub(crate) fn detail(status: StatusCode, detail: impl Into<Value>) -> Self {
        let detail = detail.into();
        let mut error = Self::edge(status, "COMPAT", "", detail.to_string());
        error.compat = Some(json!({"detail": detail}));
        error
    }
}

impl From<Rejection> for ApiError {
    fn from(no: Rejection) -> Self {
        let status = match no.kind {
            RejectionKind::Malformed => StatusCode::UNPROCESSABLE_ENTITY,
            RejectionKind::Unauthenticated => StatusCode::UNAUTHORIZED,
            RejectionKind::Forbidden => StatusCode::FORBIDDEN,
            RejectionKind::NotFound => StatusCode::NOT_FOUND,
            RejectionKind::Conflict | RejectionKind::Exists(_) | RejectionKind::Duplicate(_) => StatusCode::CONFLICT,
            RejectionKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, no.reason, no.detail)
    }
}

impl From<domain::state::closed::Unreadable> for ApiError {
    fn from(unreadable: domain::state::closed::Unreadable) -> Self {
        Rejection::from(unreadable).into()
    }
}

impl From<CommitError> for ApiError {
    fn from(error: CommitError) -> Self {
        let refusal = if error.too_large {
            Self::too_large(error.detail)
        } else {
            Self::new(StatusCode::UNPROCESSABLE_ENTITY, Reason::Malformed, error.detail)
        };
        refusal.at(error.pointer)
    }
}

impl From<SubmitError> for ApiError {
    fn from(error: SubmitError) -> Self {
        let unavailable = |reason, title, detail: String, retry_after| {
            let mut error = Self::edge(StatusCode::SERVICE_UNAVAILABLE, reason, title, detail);
            error.retry_after = retry_after;
            error
        };
        match error {
            SubmitError::Rejected(no) => no.into(),
            SubmitError::Overloaded => {
                unavailable("OVERLOADED", "too much is waiting already", "the queue is full; come back".into(), Some(1))
            }
            SubmitError::Clock(error) => {
                let reason = match error {
                    ClockError::Backward { .. } => "CLOCK_BACKWARD",
                    ClockError::Forward { .. } => "CLOCK_FORWARD",
                };
                unavailable(reason, "the server's clock is not believed", error.to_string(), Some(5))
            }
            SubmitError::NoRoom(why) => {
                tracing::error!(why, "no room");
                unavailable("NO_ROOM", "the disk is full", "nothing was written".into(), Some(30))
            }
            SubmitError::Damaged(what) => unavailable(
                "DAMAGED",
                "a file of the log is damaged",
                format!("{what}; nothing is appended until it is whole again"),
                Some(30),
            ),
            SubmitError::Stopped(why) => {
                tracing::error!(why, "submitted to a stopped writer");
                unavailable("STOPPED", "the writer has stopped", "the outcome is known after a restart".into(), None)
            }
        }
    }
}

impl From<ledger::content::ContentError> for ApiError {
    fn from(error: ledger::content::ContentError) -> Self {
        use ledger::content::ContentError::{OverAllowance, OverQuota};
        match error {
            OverQuota { .. } => Self::no_store_room("the store of bodies is full", &error),
            OverAllowance { seconds_left, .. } => {
                let mut refusal = Self::no_store_room("the day's allowance of bodies is used up", &error);
                refusal.retry_after = Some(u32::try_from(seconds_left).unwrap_or(u32::MAX));
                refusal
            }
            _ if error.is_no_room() => SubmitError::NoRoom(error.to_string()).into(),
            _ => Self::internal(error),
        }
    }
}

impl From<ledger::TreeError> for ApiError {
    fn from(error: ledger::TreeError) -> Self {
        Self::internal(error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (media_type, body) = match self.compat {
            Some(body) => ("application/json", body.to_string()),
            None => {
                let problem = Problem {
                    kind: format!("/docs/reasons#{}", self.reason),
                    title: self.title.to_owned(),
                    status: self.status.as_u16(),
                    detail: self.detail,
                    reason: self.reason.to_owned(),
                    pointer: self.pointer,
                    offset: self.offset,
                };
                (PROBLEM_MEDIA_TYPE, serde_json::to_string(&problem).unwrap_or_default())
            }
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
