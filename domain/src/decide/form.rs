//! Bounds that every command keeps, whatever it is about. They hold before anything is decided, so that no event can
//! come into being that cannot be written, read back or kept in a leaf.

use crate::command::Rejection;
use crate::limits;
use serde::Serialize;

/// Checks that `body` has a canonical form, of bounded length and depth.
pub(super) fn check<T: Serialize + ?Sized>(what: &str, body: &T) -> Result<(), Rejection> {
    let bytes = proof::canonical::to_vec(body).map_err(|e| Rejection::malformed(format!("{what}: {e}")))?;
    if bytes.len() > limits::COMMAND_BYTES {
        let (len, max) = (bytes.len(), limits::COMMAND_BYTES);
        return Err(Rejection::malformed(format!("{what} is {len} bytes without its bodies, at most {max}")));
    }
    let depth = nesting(&bytes);
    if depth > limits::COMMAND_DEPTH {
        let max = limits::COMMAND_DEPTH;
        return Err(Rejection::malformed(format!("{what} is nested {depth} deep, at most {max}")));
    }
    Ok(())
}

/// Most arrays and objects around any place of a JSON text.
fn nesting(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nesting_counts_containers_and_not_what_strings_hold() {
        for (text, depth) in [("1", 0), ("[]", 1), (r#"{"a":[{"b":1}],"c":{}}"#, 3), (r#"["[[[[\"[[\\"]"#, 1)] {
            assert_eq!(nesting(text.as_bytes()), depth, "{text}");
        }
    }

    #[test]
    fn bounds_are_inclusive() {
        let text = |len: usize| "x".repeat(len);
        assert!(check("it", &text(limits::COMMAND_BYTES - 2)).is_ok());
        assert!(check("it", &text(limits::COMMAND_BYTES - 1)).is_err());
        let deep = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
        assert!(check("it", &deep(limits::COMMAND_DEPTH)).is_ok());
        assert!(check("it", &deep(limits::COMMAND_DEPTH + 1)).is_err());
        assert!(check("it", &f64::NAN).is_err());
        assert!(check("it", &u64::MAX).is_err());
    }
}
