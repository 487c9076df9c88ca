use std::string::ToString;
use std::vec::Vec;

use serde_json::{Value, json};

use super::*;

#[derive(Deserialize)]
struct Vectors {
    pae: Vec<Encoding>,
    seed: String,
    public_key: PublicKey,
    envelope: Value,
}

#[derive(Deserialize)]
struct Encoding {
    r#type: String,
    body: String,
    encoded: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../schemas/vectors/dsse.json")).unwrap()
}

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

#[test]
fn published_encodings() {
    for Encoding { r#type, body, encoded } in vectors().pae {
        assert_eq!(pae(&r#type, body.as_bytes()), encoded.as_bytes());
    }
}

#[test]
fn an_envelope_made_by_another_implementation() {
    let Vectors { seed, public_key, envelope: json, .. } = vectors();
    let envelope: Envelope = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(envelope.verify(&public_key), Ok(()));
    assert_eq!(serde_json::to_value(&envelope).unwrap(), json);
    let secret = SecretKey::from_seed(hex::decode(seed).unwrap().try_into().unwrap());
    assert_eq!(Envelope::sign(&envelope.payload_type, &envelope.payload, &secret), envelope);
}

#[test]
fn type_payload_and_key_are_all_covered() {
    let (signer, other) = (key(1), key(2).public());
    let good = Envelope::sign("type", b"payload", &signer);
    let key = signer.public();
    assert_eq!(good.verify(&key), Ok(()));
    let bad = Err(EnvelopeError::BadSignature { keyid: key.key_id() });

    let mut changed = good.clone();
    changed.payload_type.push('x');
    assert_eq!(changed.verify(&key), bad);
    let mut changed = good.clone();
    changed.payload.push(b'x');
    assert_eq!(changed.verify(&key), bad);
    // Moving the boundary between type and payload.
    let mut changed = good.clone();
    changed.payload_type = "type 7 pay".into();
    changed.payload = b"load".to_vec();
    assert_eq!(changed.verify(&key), bad);

    assert_eq!(good.verify(&other), Err(EnvelopeError::NotSigned { keyid: other.key_id() }));
    // The key id is a hint: claiming another's does not help.
    let mut changed = good.clone();
    changed.signatures[0].keyid = other.key_id();
    assert_eq!(changed.verify(&other), Err(EnvelopeError::BadSignature { keyid: other.key_id() }));
    // A good signature does not make up for a bad one by the same key.
    let mut doubled = good.clone();
    doubled.signatures.push(Envelope::sign("type", b"other", &signer).signatures[0]);
    assert_eq!(doubled.verify(&key), bad);
}

#[test]
fn several_keys_may_sign() {
    let mut envelope = Envelope::sign("type", b"payload", &key(1));
    envelope.signatures.extend(Envelope::sign("type", b"payload", &key(2)).signatures);
    for seed in [1, 2] {
        assert_eq!(envelope.verify(&key(seed).public()), Ok(()));
    }
}

#[test]
fn malformed_envelopes_are_refused() {
    let good = serde_json::to_value(Envelope::sign("type", b"payload", &key(1))).unwrap();
    assert!(serde_json::from_value::<Envelope>(good.clone()).is_ok());
    let many = std::vec![good["signatures"][0].clone(); MAX_ENVELOPE_SIGNATURES + 1];
    let changes = [
        ("extra", json!(1)),
        ("payload", json!("cGF5bG9hZA")),
        ("payload", json!("cGF5bG9hZA==\n")),
        ("payload", json!("cGF5bG9hZB==")),
        ("payloadType", json!(null)),
        ("signatures", json!([])),
        ("signatures", json!(many)),
        ("signatures", json!([{"keyid": "", "sig": good["signatures"][0]["sig"]}])),
        ("signatures", json!([{"keyid": good["signatures"][0]["keyid"], "sig": "AAAA"}])),
    ];
    for (field, value) in changes {
        let mut altered = good.clone();
        altered[field] = value;
        assert!(serde_json::from_value::<Envelope>(altered.clone()).is_err(), "{altered}");
    }
    let mut extra = good.clone();
    extra["signatures"][0]["cert"] = json!("");
    assert!(serde_json::from_value::<Envelope>(extra).is_err());
    for field in ["payload", "payloadType", "signatures"] {
        let mut missing = good.clone();
        missing.as_object_mut().unwrap().remove(field);
        let error = serde_json::from_value::<Envelope>(missing).unwrap_err();
        assert!(error.to_string().contains(field));
    }
}
