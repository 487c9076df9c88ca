//! One row a text. Secrets are put together from pieces, so that this file holds none itself.

use super::*;
use crate::json::{find, redact_value};
use serde_json::json;

fn kinds(text: &str) -> Vec<Kind> {
    findings(text.as_bytes(), Context::Text).iter().map(|f| f.kind).collect()
}

fn hex(length: usize) -> String {
    "0123456789abcdef".chars().cycle().take(length).collect()
}

fn base64(length: usize) -> String {
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/Vpg9rLKRLXJt+Q".chars().cycle().take(length).collect()
}

fn pem(label: &str) -> String {
    format!("-----BEGIN {label}-----\n{}\n{}\n-----END {label}-----", base64(64), base64(20))
}

fn assert_found(rows: &[(String, Kind)]) {
    for (text, kind) in rows {
        assert_eq!(kinds(text), [*kind], "{text}");
    }
}

#[test]
fn private_keys_are_found() {
    let b = base64(44);
    let labels = [
        "PRIVATE KEY",
        "RSA PRIVATE KEY",
        "EC PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "PGP PRIVATE KEY BLOCK",
    ];
    let mut rows: Vec<(String, Kind)> = labels.iter().map(|label| (pem(label), Kind::PemPrivateKey)).collect();
    rows.extend([
        (pem("PRIVATE KEY").replace('\n', "\\n"), Kind::PemPrivateKey),
        (pem("PRIVATE KEY").replace('\n', "\r\n"), Kind::PemPrivateKey),
        (format!("-----BEGIN PRIVATE KEY-----\n{b}\n{b}"), Kind::PemPrivateKey),
        (format!("PRIVATE+KEY+example.com/log+1a2b3c4d+{b}"), Kind::NoteSignerKey),
    ]);
    assert_found(&rows);
}

#[test]
fn tokens_are_found() {
    let alnum: String = "a1B2c3D4e5".chars().cycle().take(48).collect();
    let of = |kind: Kind, prefix: &str, rest: &str| (format!("{prefix}{rest}"), kind);
    assert_found(&[
        of(Kind::AwsAccessKeyId, "id AKIA", "IOSFODNN7EXAMPLE"),
        of(Kind::GithubToken, "push with ghp_", "abcdefghijklmnopqrstuvwxyz0123456789"),
        of(Kind::GithubToken, "github_pat_", &alnum),
        of(Kind::GitlabToken, "glpat-", "abcdefghij0123456789"),
        of(Kind::SlackToken, "xoxb-", "123456789012-abcdefghijklmnop"),
        of(Kind::SlackToken, "https://hooks.slack.com/services/", "T00000000/B00000000/XXXXXXXXabcdefgh"),
        of(Kind::StripeKey, "sk_live_", "4eC39HqLyjWDarjtT1zdp7dc"),
        of(Kind::OpenaiKey, "sk-", &alnum),
        of(Kind::OpenaiKey, "sk-proj-", &alnum),
        of(Kind::AnthropicKey, "sk-ant-api03-", &alnum),
        of(Kind::GoogleKey, "AIza", "SyA1234567890abcdefghijklmnopqrstuv"),
        of(Kind::GoogleKey, "ya29.", &alnum),
        of(Kind::ServiceToken, "npm_", "abcdefghijklmnopqrstuvwxyz0123456789"),
        of(Kind::CountersignKey, "key cs_", &hex(64)),
        of(Kind::CountersignKey, "X-M87-Key: m87_", &hex(64)),
        of(Kind::Jwt, "cookie=eyJhbGciOiJIUzI1NiJ9.eyJ", "zdWIiOiIxMjM0In0.dBjftJeZ4CVPmB92K27uhbUJU1p1r"),
    ]);
}

#[test]
fn carried_secrets_are_found() {
    let rows = [
        ("Authorization: Bearer abc.def-123", Kind::Authorization),
        ("\"authorization\": \"Basic dXNlcjpwYXNz\"", Kind::Authorization),
        ("curl -H 'authorization: token 0123abcd'", Kind::Authorization),
        ("sent Bearer 0123456789abcdef0123", Kind::Authorization),
        ("postgres://app:s3cret@db/x", Kind::UrlPassword),
    ];
    assert_found(&rows.map(|(text, kind)| (text.to_owned(), kind)));
}

#[test]
fn assigned_secrets_are_found() {
    let aws = "JalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    assert_found(&[
        (format!("aws_secret_access_key = w{aws}"), Kind::AwsSecretAccessKey),
        (format!("AWS_SECRET_ACCESS_KEY=/{aws}"), Kind::AwsSecretAccessKey),
        (format!("secret = \"{}\"", hex(64)), Kind::AssignedSecret),
    ]);
    let rows = [
        "password = \"hunter2\"",
        "password: hunter2",
        "PASSWORD=correcthorse",
        "DB_PASS=hunter22",
        "API_KEY=supersecret123",
        "{\"password\": \"hunter2\"}",
        "{\\\"password\\\": \\\"hunter2\\\"}",
        "config[\"api_key\"] = 'a1b2c3d4e5'",
        "const API_KEY: &str = \"a1b2c3d4e5\";",
        "api-key: a1b2c3d4e5",
        "apiKey := \"a1b2c3d4e5\"",
        "--token=a1b2c3d4e5",
        "client_secret = a1b2c3d4e5",
        "Server=x;Password=hunter2;",
        "passphrase = \"correct horse battery\"",
    ];
    assert_found(&rows.map(|text| (text.to_owned(), Kind::AssignedSecret)));
}

#[test]
fn ordinary_text_is_left_alone() {
    let rows = [
        hex(64),
        format!("sha256 {}", hex(64)),
        format!("sha256:{}", hex(64)),
        format!("\"digest\": \"{}\"", hex(64)),
        "550e8400-e29b-41d4-a716-446655440000".to_owned(),
        format!("ed25519:{}", base64(44)),
        format!("\"public_key\": \"{}\"", base64(44)),
        format!("example.com/log+1a2b3c4d+{}", base64(44)),
        format!("— example.com/log {}", base64(92)),
        pem("PUBLIC KEY"),
        pem("CERTIFICATE"),
        "-----BEGIN PRIVATE KEY-----".to_owned(),
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----".to_owned(),
        "-----BEGIN PRIVATE KEY----- and -----END PRIVATE KEY----- are the markers".to_owned(),
        "PRIVATE+KEY+<name>+<hash>+<base64>".to_owned(),
        "let token = lexer.next_token();".to_owned(),
        "let token = next;".to_owned(),
        "password: String,".to_owned(),
        "private_key: Ed25519Pair, token: &str".to_owned(),
        "secret = os.environ[\"SECRET\"]".to_owned(),
        "api_key = get_key(1)".to_owned(),
        "login(password=password2, token=self.token1)".to_owned(),
        "password == None".to_owned(),
        "Token::Value1234".to_owned(),
        "token: u64, secret: [u8; 32], password: Option<Vec<u8>>".to_owned(),
        "max_tokens = 4096000".to_owned(),
        "token = 123456789".to_owned(),
        "PASSWORD=${PASSWORD1}".to_owned(),
        "password = \"<your password>\"".to_owned(),
        "token = \"YOUR_TOKEN_HERE\"".to_owned(),
        "Authorization: Bearer <token>".to_owned(),
        "Authorization: Bearer $TOKEN1234".to_owned(),
        "the bearer instrument was paid in 2024".to_owned(),
        "\"token_type\": \"bearer\"".to_owned(),
        "\"password\": {\"type\": \"string\"}".to_owned(),
        "\"password\": \"string\"".to_owned(),
        "secret: \"/run/secrets/db\"".to_owned(),
        "PWD=/home/user1/src".to_owned(),
        "password: must be at least 8 characters".to_owned(),
        "error: unexpected token: \"found `}` here\"".to_owned(),
        "sk-loading-spinner-with-many-parts-in-its-class-name".to_owned(),
        "http://localhost:8080/path@v1".to_owned(),
        "postgres://postgres:postgres@localhost".to_owned(),
        "m87_proposals cs_engine npm_config eyJ".to_owned(),
        "key: ed25519:1234567890abcdef, secret: sha256:00ff00ff".to_owned(),
        "password = [REDACTED:assigned_secret]".to_owned(),
    ];
    for text in rows {
        assert_eq!(kinds(&text), [], "{text}");
    }
}

#[test]
fn a_finding_names_the_place_of_the_value_only() {
    let text = "user = \"me\"\npassword = \"hunter2\"\n";
    let found = findings(text.as_bytes(), Context::Text);
    assert_eq!(found, [Finding { kind: Kind::AssignedSecret, start: 24, length: 7 }]);
    assert_eq!(
        redact(text.as_bytes(), Context::Text).text,
        "user = \"me\"\npassword = \"[REDACTED:assigned_secret]\"\n"
    );
}

#[test]
fn a_named_text_is_a_secret_as_a_whole() {
    assert_eq!(findings(b"hunter2!", Context::Named("password")).len(), 1);
    assert_eq!(findings(b"hunter2!", Context::Named("message")), []);
    assert_eq!(redact(b"hunter2!", Context::Named("db.password")).text, "[REDACTED:assigned_secret]");
}

#[test]
fn json_is_searched_in_values_and_names_and_never_tells_the_value() {
    let name = format!("cs_{}", hex(64));
    let value = json!({"a": [{"password": "hunter2"}], "b/c": {name.clone(): 1}, "d": format!("x {name}")});
    let places: Vec<(String, bool)> = find(&value).into_iter().map(|l| (l.pointer, l.in_name)).collect();
    let expected = [
        ("/a/0/password".to_owned(), false),
        ("/b~1c/[REDACTED:countersign_key]".to_owned(), true),
        ("/d".to_owned(), false),
    ];
    assert_eq!(places, expected);
    let (redacted, found) = redact_value(value);
    assert_eq!(found.len(), 3);
    assert!(!redacted.to_string().contains("hunter2") && !redacted.to_string().contains(&name));
    assert_eq!(find(&redacted), []);
}

#[test]
fn members_whose_names_become_the_same_are_kept() {
    let (one, two) = (format!("cs_{}", hex(64)), format!("cs_{}", hex(64).replace('0', "f")));
    let (redacted, _) = redact_value(json!({one: 1, two: 2}));
    assert_eq!(redacted.as_object().unwrap().len(), 2);
}

#[test]
fn a_window_hides_a_secret_that_reaches_into_it() {
    let secret = format!("cs_{}", hex(64));
    let text = format!("before {secret} after");
    assert_eq!(redact_window(text.as_bytes(), 20, 400).text, "[REDACTED:countersign_key] after");
    assert_eq!(redact_window(text.as_bytes(), 0, 20).text, "before [REDACTED:countersign_key]");
    assert_eq!(redact_window(text.as_bytes(), 0, 6).text, "before");
    // What is unbroken from an edge to the text's own end may be part of a longer secret.
    assert_eq!(redact_window(b"rest-of-a-secret and more", 4, 30).text, " and more");
    assert_eq!(redact_window(b"more and start-of-a-secret", 0, 15).text, "more and ");
    assert_eq!(redact_window(b"word rest", 5, 9).text, "rest");
    assert_eq!(redact_window(b"unbroken", 2, 5).text, "");
}
