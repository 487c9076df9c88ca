use std::string::ToString;
use std::vec;

use super::*;
use crate::key::{KeyName, SecretKey};

fn vkey(name: &str, seed: u8, kind: KeyKind) -> String {
    let key = VerifierKey::with_kind(KeyName::new(name).unwrap(), SecretKey::from_seed([seed; 32]).public(), kind);
    key.to_string()
}

fn text(quorum: &str) -> String {
    format!(
        "# whom to believe\n\nlog {} https://log.example\nwitness w1 {}\nwitness w2 {} https://w2.example\n\
         witness w3 {}\ngroup two 2 w1 w2 w3\ngroup  one any two\n{quorum}\n",
        vkey("log.example", 1, KeyKind::Ed25519),
        vkey("w1.example", 2, KeyKind::Cosignature),
        vkey("w2.example", 3, KeyKind::Cosignature),
        vkey("w3.example", 4, KeyKind::Cosignature),
    )
}

#[test]
fn quorums_count_members_and_groups() {
    let policy = TrustPolicy::parse(&text("quorum one")).unwrap();
    assert_eq!(policy.logs().len(), 1);
    let found: Vec<_> = policy.witnesses().iter().map(|w| (w.name.as_str(), w.url.as_deref())).collect();
    assert_eq!(found, vec![("w1", None), ("w2", Some("https://w2.example")), ("w3", None)]);
    assert!(!policy.is_met(&BTreeSet::new()));
    assert!(!policy.is_met(&BTreeSet::from(["w3"])));
    assert!(policy.is_met(&BTreeSet::from(["w1", "w3"])));

    let single = TrustPolicy::parse(&text("quorum w2")).unwrap();
    assert!(single.is_met(&BTreeSet::from(["w2"])));
    assert!(!single.is_met(&BTreeSet::from(["w1", "w3"])));

    assert!(TrustPolicy::parse(&text("quorum none")).unwrap().is_met(&BTreeSet::new()));
}

#[test]
fn what_makes_no_sense_is_refused_with_its_line() {
    let log = vkey("log.example", 1, KeyKind::Ed25519);
    let witness_with_the_logs_key = vkey("w.example", 1, KeyKind::Cosignature);
    let witness = vkey("w.example", 2, KeyKind::Cosignature);
    for (text, line) in [
        (String::new(), 0),
        ("quorum none\n".to_owned(), 0),
        (format!("log {log}\n"), 0),
        ("log nonsense\nquorum none\n".to_owned(), 1),
        (format!("log {witness}\nquorum none\n"), 1),
        (format!("log {log}\nlog {log}\nquorum none\n"), 2),
        (format!("log {log}\nwitness w {witness_with_the_logs_key}\nquorum w\n"), 2),
        (format!("log {log}\nwitness none {witness}\nquorum none\n"), 2),
        (format!("log {log}\nquorum w\n"), 2),
        (format!("log {log}\nquorum none\nquorum none\n"), 3),
        (format!("log {log}\ngroup g any w\nquorum g\n"), 2),
        (format!("log {log}\nwitness w {witness}\ngroup g 2 w\nquorum g\n"), 3),
        (format!("log {log}\nwitness w {witness}\ngroup g 0 w\nquorum g\n"), 3),
        (format!("log {log}\nwitness w {witness}\ngroup g all w w\nquorum g\n"), 3),
        (format!("log {log}\nwitness w {witness}\ngroup w all w\nquorum w\n"), 3),
        (format!("log {log}\nwitness w {witness}\ngroup g all\nquorum g\n"), 3),
        (format!("log {log}\nwitness w {witness} http://w.example too\nquorum w\n"), 2),
        (format!("log {log}\nnonsense\nquorum none\n"), 2),
    ] {
        let error = TrustPolicy::parse(&text).unwrap_err();
        assert_eq!(error.line, line, "{text}{error}");
    }
}

#[test]
fn thirty_two_of_each_are_read() {
    let mut text = String::new();
    for number in 0..32_u8 {
        let log = vkey(&format!("log{number}.example"), number, KeyKind::Ed25519);
        let witness = vkey(&format!("w{number}.example"), 100 + number, KeyKind::Cosignature);
        text.push_str(&format!("log {log}\nwitness w{number} {witness}\ngroup g{number} any w{number}\n"));
    }
    let all: Vec<String> = (0..32).map(|number| format!("g{number}")).collect();
    text.push_str(&format!("group all 31 {}\nquorum all\n", all.join(" ")));
    let policy = TrustPolicy::parse(&text).unwrap();
    let names: Vec<&str> = policy.witnesses().iter().map(|w| w.name.as_str()).collect();
    assert!(policy.is_met(&names.iter().skip(1).copied().collect()));
    assert!(!policy.is_met(&names.iter().skip(2).copied().collect()));
}
