//! One row a text. Secrets are put together from pieces, so that this file holds none itself.

use super::*;
use crate::json::{find, redact_value};
use serde_json::json;

fn kinds(text: &str) -> Vec<Kind> {
    findings(text.as_bytes(), Context::Text)
        .iter()
        .map(|f| f.kind)
        .collect()
}

fn hex(length: usize) -> String {
    "0123456789abcdef".chars().cycle().take(length).collect()
}

fn base64(length: usize) -> String {
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/Vpg9rLKRLXJt+Q"
        .chars()
        .cycle()
        .take(length)
        .collect()
}

fn pem(label: &str) -> String {
    format!(
        "-----BEGIN {label}-----\n{}\n{}\n-----END {label}-----",
        base64(64),
        base64(20)
    )
}

#[test]
fn secrets_are_found() {
    let b = base64(44);
    let alnum: String = "a1B2c3D4e5".chars().cycle().take(48).collect();
    let jwt = format!(
        "eyJ{}.eyJ{}.{}",
        "hbGciOiJIUzI1NiJ9", "zdWIiOiIxMjM0In0", "dBjftJeZ4CVPmB92K27uhbUJU1p1r"
    );
    let rows: Vec<(String, Kind)> = vec![
        (pem("PRIVATE KEY"), Kind::PemPrivateKey),
        (pem("RSA PRIVATE KEY"), Kind::PemPrivateKey),
        (pem("EC PRIVATE KEY"), Kind::PemPrivateKey),
        (pem("OPENSSH PRIVATE KEY"), Kind::PemPrivateKey),
        (pem("ENCRYPTED PRIVATE KEY"), Kind::PemPrivateKey),
        (pem("PGP PRIVATE KEY BLOCK"), Kind::PemPrivateKey),
        (pem("PRIVATE KEY").replace('\n', "\\n"), Kind::PemPrivateKey),
        (
            pem("PRIVATE KEY").replace('\n', "\r\n"),
            Kind::PemPrivateKey,
        ),
        (
            format!("-----BEGIN PRIVATE KEY-----\n{b}\n{b}"),
            Kind::PemPrivateKey,
        ),
        (
            format!("id AKIA{}", "IOSFODNN7EXAMPLE"),
            Kind::AwsAccessKeyId,
        ),
        (
            format!(
                "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/{}",
                "bPxRfiCYEXAMPLEKEY"
            ),
            Kind::AwsSecretAccessKey,
        ),
        (
            format!(
                "AWS_SECRET_ACCESS_KEY=/JalrXUtnFEMI/K7MDENG/{}",
                "bPxRfiCYEXAMPLEKEY"
            ),
            Kind::AwsSecretAccessKey,
        ),
        (
            format!("push with ghp_{}", "abcdefghijklmnopqrstuvwxyz0123456789"),
            Kind::GithubToken,
        ),
        (format!("github_pat_{alnum}"), Kind::GithubToken),
        (
            format!("glpat-{}", "abcdefghij0123456789"),
            Kind::GitlabToken,
        ),
        (
            format!("xoxb-{}", "123456789012-abcdefghijklmnop"),
            Kind::SlackToken,
        ),
        (
            format!(
                "https://hooks.slack.com/services/{}",
                "T00000000/B00000000/XXXXXXXXabcdefgh"
            ),
            Kind::SlackToken,
        ),
        (
            format!("sk_live_{}", "4eC39HqLyjWDarjtT1zdp7dc"),
            Kind::StripeKey,
        ),
        (format!("sk-{alnum}"), Kind::OpenaiKey),
        (format!("sk-proj-{alnum}"), Kind::OpenaiKey),
        (format!("sk-ant-api03-{alnum}"), Kind::AnthropicKey),
        (
            format!("AIza{}", "SyA1234567890abcdefghijklmnopqrstuv"),
            Kind::GoogleKey,
        ),
        (format!("ya29.{alnum}"), Kind::GoogleKey),
        (
            format!("npm_{}", "abcdefghijklmnopqrstuvwxyz0123456789"),
            Kind::ServiceToken,
        ),
        (format!("key cs_{} end", hex(64)), Kind::CountersignKey),
        (format!("X-M87-Key: m87_{}", hex(64)), Kind::CountersignKey),
        (
            format!("PRIVATE+KEY+example.com/log+1a2b3c4d+{b}"),
            Kind::NoteSignerKey,
        ),
        (
            "Authorization: Bearer abc.def-123".to_owned(),
            Kind::Authorization,
        ),
        (
            "\"authorization\": \"Basic dXNlcjpwYXNz\"".to_owned(),
            Kind::Authorization,
        ),
        (
            "curl -H 'authorization: token 0123abcd'".to_owned(),
            Kind::Authorization,
        ),
        (
            "sent Bearer 0123456789abcdef0123".to_owned(),
            Kind::Authorization,
        ),
        (format!("cookie={jwt}"), Kind::Jwt),
        ("postgres://app:s3cret@db/x".to_owned(), Kind::UrlPassword),
        ("password = \"hunter2\"".to_owned(), Kind::AssignedSecret),
        ("password: hunter2".to_owned(), Kind::AssignedSecret),
        ("PASSWORD=correcthorse".to_owned(), Kind::AssignedSecret),
        ("DB_PASS=hunter22".to_owned(), Kind::AssignedSecret),
        (
            "{\"password\": \"hunter2\"}".to_owned(),
            Kind::AssignedSecret,
        ),
        (
            "{\\\"password\\\": \\\"hunter2\\\"}".to_owned(),
            Kind::AssignedSecret,
        ),
        (
            "config[\"api_key\"] = 'a1b2c3d4e5'".to_owned(),
            Kind::AssignedSecret,
        ),
        (
            "const API_KEY: &str = \"a1b2c3d4e5\";".to_owned(),
            Kind::AssignedSecret,
        ),
        ("api-key: a1b2c3d4e5".to_owned(), Kind::AssignedSecret),
        ("apiKey := \"a1b2c3d4e5\"".to_owned(), Kind::AssignedSecret),
        ("--token=a1b2c3d4e5".to_owned(), Kind::AssignedSecret),
        (
            "client_secret = a1b2c3d4e5".to_owned(),
            Kind::AssignedSecret,
        ),
        (
            "Server=x;Password=hunter2;".to_owned(),
            Kind::AssignedSecret,
        ),
        (
            "passphrase = \"correct horse battery\"".to_owned(),
            Kind::AssignedSecret,
        ),
        (format!("secret = \"{}\"", hex(64)), Kind::AssignedSecret),
    ];
    for (text, kind) in rows {
        assert_eq!(kinds(&text), [kind], "{text}");
    }
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
    assert_eq!(
        found,
        [Finding {
            kind: Kind::AssignedSecret,
            start: 24,
            length: 7
        }]
    );
    assert_eq!(
        redact(text.as_bytes(), Context::Text).text,
        "user = \"me\"\npassword = \"[REDACTED:assigned_secret]\"\n"
    );
}

#[test]
fn a_named_text_is_a_secret_as_a_whole() {
    assert_eq!(findings(b"hunter2!", Context::Named("password")).len(), 1);
    assert_eq!(findings(b"hunter2!", Context::Named("message")), []);
    assert_eq!(
        redact(b"hunter2!", Context::Named("db.password")).text,
        "[REDACTED:assigned_secret]"
    );
}

#[test]
fn json_is_searched_in_values_and_names_and_never_tells_the_value() {
    let name = format!("cs_{}", hex(64));
    let value =
        json!({"a": [{"password": "hunter2"}], "b/c": {name.clone(): 1}, "d": format!("x {name}")});
    let places: Vec<(String, bool)> = find(&value)
        .into_iter()
        .map(|l| (l.pointer, l.in_name))
        .collect();
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
    let (one, two) = (
        format!("cs_{}", hex(64)),
        format!("cs_{}", hex(64).replace('0', "f")),
    );
    let (redacted, _) = redact_value(json!({one: 1, two: 2}));
    assert_eq!(redacted.as_object().unwrap().len(), 2);
}

#[test]
fn a_window_hides_a_secret_that_reaches_into_it() {
    let secret = format!("cs_{}", hex(64));
    let text = format!("before {secret} after");
    let shown = redact_from(text.as_bytes(), 20);
    assert_eq!(shown.text, "[REDACTED:countersign_key] after");
    // The window begins inside something unknown: its end is not shown.
    assert_eq!(
        redact_from(b"rest-of-a-secret and more", 4).text,
        " and more"
    );
    assert_eq!(redact_from(b"word rest", 5).text, "rest");
}
