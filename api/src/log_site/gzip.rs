//! Entry bundles compressed, for whoever asks. The files themselves stay plain: any web server can serve them, and every
//! verifier reads them.
//!
//! C2SP lets a static host send bundles compressed unasked; over HTTP it is negotiated (RFC 9110, 12.5.3), so a client
//! that knows nothing of it gets plain bytes.

use crate::error::ApiError;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

/// Most bytes of a bundle: 256 entries of at most 65,535 bytes, each with its length.
const BUNDLE_BYTES: usize = 256 * (2 + 65_535);

/// Compresses the answer if it is a bundle and the client can read it so.
pub(crate) async fn bundles(request: Request, next: Next) -> Response {
    let is_bundle = request.uri().path().contains("/tile/entries/");
    let accepted = is_bundle && accepts(request.headers());
    let mut response = next.run(request).await;
    if !is_bundle || response.status() != StatusCode::OK {
        return response;
    }
    // Whatever lies between must not hand one client's form to another.
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if accepted { compressed(response).await.unwrap_or_else(IntoResponse::into_response) } else { response }
}

async fn compressed(response: Response) -> Result<Response, ApiError> {
    let (mut parts, body) = response.into_parts();
    let plain = to_bytes(body, BUNDLE_BYTES).await.map_err(ApiError::internal)?;
    let packed = tokio::task::spawn_blocking(move || {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&plain).and_then(|()| encoder.finish())
    });
    let packed = packed.await.map_err(ApiError::internal)?.map_err(ApiError::internal)?;
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    Ok(Response::from_parts(parts, Body::from(packed)))
}

/// Whether `Accept-Encoding` admits gzip: by name, else by `*`, and not with a weight of nothing.
fn accepts(headers: &HeaderMap) -> bool {
    let (mut by_name, mut by_star) = (None, None);
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    for item in values.flat_map(|value| value.split(',')) {
        let mut parts = item.split(';').map(str::trim);
        let coding = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        // A weight that is none is not a wish.
        let admitted = weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|weight| weight > 0.0));
        if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") {
            by_name = Some(admitted);
        } else if coding == "*" {
            by_star = Some(admitted);
        }
    }
    by_name.or(by_star).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::routing::get;
    use std::io::Read;
    use tower::ServiceExt;

    fn bytes() -> Vec<u8> {
        (0..200_000_u32).flat_map(|n| (n / 7).to_be_bytes()).collect()
    }

    async fn answer(path: &str, method: &str, accept: Option<&str>) -> (HeaderMap, Vec<u8>) {
        let app = Router::new()
            .route("/log/tile/{*rest}", get(|| async { bytes() }))
            .layer(axum::middleware::from_fn(bundles));
        let mut request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        if let Some(accept) = accept {
            request.headers_mut().insert(header::ACCEPT_ENCODING, accept.parse().unwrap());
        }
        let (parts, body) = app.oneshot(request).await.unwrap().into_parts();
        (parts.headers, to_bytes(body, usize::MAX).await.unwrap().to_vec())
    }

    #[tokio::test]
    async fn a_bundle_is_compressed_for_whoever_asks_and_decodes_to_the_same_bytes() {
        let (headers, packed) = answer("/log/tile/entries/000", "GET", Some("br, gzip")).await;
        assert_eq!(
            (&headers["content-encoding"], &headers["vary"]),
            (&"gzip".parse().unwrap(), &"accept-encoding".parse().unwrap())
        );
        assert!(packed.len() < bytes().len() / 2);
        assert_eq!(headers["content-length"], packed.len().to_string());
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&*packed).read_to_end(&mut plain).unwrap();
        assert!(plain == bytes());
        let (head, nothing) = answer("/log/tile/entries/000", "HEAD", Some("gzip")).await;
        assert!(nothing.is_empty());
        assert_eq!(
            (&head["content-encoding"], &head["content-length"]),
            (&headers["content-encoding"], &headers["content-length"])
        );
    }

    #[tokio::test]
    async fn others_get_plain_bytes_that_say_they_vary() {
        for accept in [None, Some("identity"), Some("gzip;q=0"), Some("br;q=1.0, *;q=0")] {
            let (headers, plain) = answer("/log/tile/entries/000", "GET", accept).await;
            assert!(!headers.contains_key("content-encoding") && headers["vary"] == "accept-encoding", "{accept:?}");
            assert!(plain == bytes(), "{accept:?}");
        }
    }

    #[tokio::test]
    async fn a_tile_of_hashes_stays_as_it_is() {
        let (headers, plain) = answer("/log/tile/0/000", "GET", Some("gzip")).await;
        assert!(!headers.contains_key("content-encoding") && !headers.contains_key("vary"));
        assert!(plain == bytes());
    }

    #[test]
    fn wishes_are_read_as_the_standard_says() {
        let accepts = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, value.parse().unwrap());
            accepts(&headers)
        };
        for yes in
            ["gzip", "GZIP", "x-gzip", "deflate, gzip;q=0.1", "*", "br;q=0, *;q=0.5", "gzip ; q=1", "*;q=0, gzip"]
        {
            assert!(accepts(yes), "{yes}");
        }
        for no in ["", "br", "gzip;q=0", "gzip;q=0.000", "*;q=0", "gzip;q=0, *", "gzip;q=much", "gzipped"] {
            assert!(!accepts(no), "{no}");
        }
    }
}
