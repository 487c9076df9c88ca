use std::vec::Vec;

use super::*;
use crate::base64;

#[derive(Deserialize)]
struct Vectors {
    commitments: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    salt: Salt,
    body: String,
    commitment: Commitment,
}

fn rows() -> Vec<Row> {
    let text = include_str!("../../../schemas/vectors/commitment.json");
    serde_json::from_str::<Vectors>(text).unwrap().commitments
}

#[test]
fn vectors_made_independently() {
    for Row { salt, body, commitment } in rows() {
        let body = base64::decode(&body).unwrap();
        assert_eq!(Commitment::new(&salt, &body, &commitment.media_type), commitment);
        assert!(commitment.opens(&salt, &body));
    }
}

#[test]
fn another_salt_or_body_does_not_open() {
    let salt = Salt::new([1; 32]);
    let commitment = Commitment::new(&salt, b"body", "text/plain");
    assert!(!commitment.opens(&Salt::new([2; 32]), b"body"));
    for body in ["", "Body", "body\0", "bod"] {
        assert!(!commitment.opens(&salt, body.as_bytes()));
    }
    // The same digest under another length is a lie about the body.
    let mut lie = commitment.clone();
    lie.length += 1;
    assert!(!lie.opens(&salt, b"body"));
}

#[test]
fn json_forms() {
    let Row { salt, commitment, .. } = rows().remove(1);
    let json = crate::canonical::to_vec(&commitment).unwrap();
    let expected =
        std::format!(r#"{{"length":5,"media_type":"text/plain; charset=utf-8","sha256":"{}"}}"#, commitment.sha256);
    assert_eq!(String::from_utf8(json).unwrap(), expected);
    let extra = expected.replace('}', r#","x":1}"#);
    assert!(serde_json::from_str::<Commitment>(&extra).is_err());
    let text = serde_json::to_string(&salt).unwrap();
    assert_eq!(text, std::format!("\"{}\"", hex::encode(salt.as_bytes())));
    assert!(serde_json::from_str::<Salt>(&text.to_uppercase()).is_err());
    assert_eq!(std::format!("{salt:?}"), "Salt(..)");
}
