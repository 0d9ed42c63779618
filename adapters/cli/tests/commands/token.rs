//! `portcullis token`.

use portcullis_core::{
    encoding::{base64url, scratch::Scratch},
    jwt::{HmacKey, KeyId, KeyRing, UnverifiedJwt},
    limits::{SCRATCH_LEN, TOKEN_LEN_MAX},
    token::TokenError,
};
use serde_json::{Value, json};

use crate::harness::*;

const NOW: &str = "1800000000";

/// A token for `device.json` with these further arguments.
#[track_caller]
fn minted(folder: &Folder, further: &[&str]) -> String {
    let arguments = [&["token", "mint", "--provisioning", "device.json"], further].concat();
    folder.run_with(&arguments, "").ok().trim_end().to_owned()
}

/// The key of a provisioning document, as a ring.
fn ring(folder: &Folder, document: &str) -> KeyRing {
    let document: Value = serde_json::from_str(&folder.read(document)).unwrap();
    let entry = &document["keys"][0];
    let mut bytes = [0; 32];
    let key = entry["key"].as_str().unwrap();
    base64url::decode_into(key.as_bytes(), &mut bytes).unwrap();
    let id = KeyId::new(entry["kid"].as_str().unwrap()).unwrap();
    KeyRing::new(id, HmacKey::new(&bytes).unwrap())
}

#[test]
fn sec_511_a_minted_token_verifies_by_its_devices_key_and_by_no_other() {
    let folder = Folder::provisioned();
    let token = minted(&folder, &["--scope", "device:read device:write"]);
    let verify = |document: &str| {
        let mut room = [0; SCRATCH_LEN];
        let mut scratch = Scratch::new(&mut room);
        let jwt = UnverifiedJwt::parse(&token, &mut scratch).unwrap();
        let facts = jwt.verify(&ring(&folder, document))?.claims(&mut scratch)?;
        let text = |text: Option<&str>| text.unwrap().to_owned();
        Ok((text(facts.subject), facts.scope.as_str().to_owned(), facts.audience.to_vec().concat()))
    };
    let expected = ("somebody".into(), "device:read device:write".into(), RESOURCE.to_owned());
    assert_eq!(verify("device.json"), Ok(expected));
    assert_eq!(verify("other.json"), Err(TokenError::Signature));

    let by_command = |document: &str| {
        folder.run_with(&["token", "verify", &token, "--provisioning", document, "--json"], "")
    };
    let admitted = by_command("device.json");
    assert_eq!((admitted.status, &admitted.json()["admitted"]), (0, &true.into()));
    let refused = by_command("other.json");
    assert_eq!(refused.status, 1);
    let expected =
        json!({ "admitted": false, "status": 401, "reason": "signature does not verify" });
    assert_eq!(refused.json(), expected);
}

#[test]
fn every_source_of_the_same_key_signs_and_verifies_alike() {
    let folder = Folder::provisioned();
    folder
        .run(&format!("key derive --master-key master.key --resource {RESOURCE} --out rs.key"))
        .ok();
    let named = format!("--resource {RESOURCE} --issuer {ISSUER}");
    let sources = [
        "--provisioning device.json".to_owned(),
        format!("--key rs.key {named}"),
        format!("--master-key master.key {named} --kid 1"),
    ];
    for signs in &sources {
        let token = folder.run(&format!("token mint {signs}")).ok();
        for verifies in &sources {
            let command = format!("token verify - {verifies}");
            let ended = folder.run_with(&command.split(' ').collect::<Vec<_>>(), &token);
            assert_eq!(ended.status, 0, "{signs}: {verifies}: {ended:?}");
        }
        let other_kid = format!("token verify - --master-key master.key {named} --kid 2");
        let ended = folder.run_with(&other_kid.split(' ').collect::<Vec<_>>(), &token);
        assert_eq!((ended.status, ended.stdout.contains("no such key")), (1, true), "{ended:?}");
    }
}

#[test]
fn the_key_to_come_signs_when_it_is_named() {
    let folder = Folder::provisioned();
    let derive = format!(
        "key derive --master-key master.key --resource {RESOURCE} --provisioning --issuer {ISSUER} --next-kid 2 --out both.json"
    );
    folder.run(&derive).ok();
    let token = folder.run("token mint --provisioning both.json --kid 2").ok();
    let verify = |rest: &str| {
        let command = format!("token verify --provisioning {rest}");
        folder.run_with(&command.split(' ').collect::<Vec<_>>(), &token).status
    };
    assert_eq!(verify("both.json"), 0);
    assert_eq!(verify("both.json --kid 2"), 0);
    assert_eq!(verify("both.json --kid 1"), 1);
    assert_eq!(verify("device.json"), 1);
    folder.run("token mint --provisioning both.json --kid 3").refused(1, "no key of this id");
}

#[test]
fn each_check_of_a_server_refuses_by_its_name() {
    let folder = Folder::provisioned();
    let at_now = |further: &[&str]| minted(&folder, &[&["--at", NOW], further].concat());
    let good = at_now(&["--scope", "device:read"]);
    folder.write_changed("issuer.json", ISSUER, "http://localhost:9001");
    let signature_at = good.rfind('.').unwrap() + 1;
    let flipped = match good.as_bytes()[signature_at] {
        b'A' => "B",
        _ => "A",
    };
    let forged = format!("{}{flipped}{}", &good[..signature_at], &good[signature_at + 1..]);
    let device = "--provisioning device.json";
    let cases = [
        (good.clone(), "--at 1800000000 --scope device:read", "admitted"),
        (good.clone(), "--at 1800000959", "admitted"),
        (good.clone(), "--at 1800000960", "token expired"),
        (good.clone(), "--at 1799999939", "token not yet valid"),
        (good.clone(), "--at 1800000000 --scope device:write", "token lacks a needed scope"),
        (at_now(&["--audience", OTHER_RESOURCE]), "--at 1800000000", "token for another resource"),
        (
            at_now(&["--audience", RESOURCE, "--audience", OTHER_RESOURCE]),
            "--at 1800000000",
            "token for another resource",
        ),
        (at_now(&["--lifetime", "3600"]), "--at 1800000000", "admitted"),
        (at_now(&["--lifetime", "3601"]), "--at 1800000000", "token lives too long"),
        (at_now(&["--lifetime", "3601"]), "--at 1800000000 --lifetime-max 3601", "admitted"),
        (forged, "--at 1800000000", "signature does not verify"),
        ("opaque".into(), "--at 1800000000", "token malformed"),
        (good[..good.len() - 44].to_owned(), "--at 1800000000", "token malformed"),
        ("a b".into(), "--at 1800000000", ""),
        (String::new(), "--at 1800000000", ""),
        ("x".repeat(TOKEN_LEN_MAX), "--at 1800000000", "token malformed"),
    ];
    for (token, rest, words) in cases {
        let command = format!("token verify - {device} {rest}");
        let ended = folder.run_with(&command.split(' ').collect::<Vec<_>>(), &token);
        let (status, verdict) = if words == "admitted" { (0, "admitted") } else { (1, "refused") };
        assert_eq!(ended.status, status, "{words}: {ended:?}");
        assert!(ended.stdout.starts_with(&format!("verdict  {verdict}\n")), "{ended:?}");
        assert!(ended.stdout.contains(words), "{words}: {ended:?}");
        assert!(ended.stderr.is_empty() && !ended.stdout.contains('\u{1b}'), "{ended:?}");
    }
    let of_other = ["token", "verify", &good, "--provisioning", "issuer.json", "--at", NOW];
    let ended = folder.run_with(&of_other, "");
    assert!(ended.status == 1 && ended.stdout.contains("token of another issuer"), "{ended:?}");
}

#[test]
fn sec_320_without_a_verdict_the_status_is_2_and_no_secret_is_told() {
    let folder = Folder::provisioned();
    let token = minted(&folder, &[]);
    let document: Value = serde_json::from_str(&folder.read("device.json")).unwrap();
    let key = document["keys"][0]["key"].as_str().unwrap();
    folder.write_changed("unknown.json", "\"issuer\"", "\"issued\"");
    folder.write_changed("version.json", "\"version\":1", &format!("\"version\":\"{key}\""));
    folder.write_changed("url.json", RESOURCE, "http://device.example/mcp");
    folder.write_changed("key.json", key, &format!("{key}="));
    folder.write("long.json", folder.read("device.json") + &" ".repeat(4000));
    folder.write("rs.key", &key[1..]);
    let named = format!("--resource {RESOURCE} --issuer {ISSUER}");
    for (rest, words) in [
        ("--provisioning unknown.json", "member"),
        ("--provisioning version.json", "member"),
        ("--provisioning url.json", "the resource is not https"),
        ("--provisioning key.json", "base64url"),
        ("--provisioning long.json", "longer than"),
        ("--provisioning none.json", "cannot be read"),
        ("--provisioning device.json --scope a\"b", "scope"),
        ("--provisioning device.json --scope offline_access", "offline_access"),
        ("--provisioning device.json --at never", "--at"),
        (&format!("--key rs.key {named}"), "rs.key: "),
        (&format!("--key device.json {named}"), "longer than"),
        ("--key rs.key", "--resource"),
        (&format!("--provisioning device.json {named}"), "cannot be used with"),
        (&named, "required"),
    ] {
        let command = format!("token verify - {rest}");
        let ended = folder.run_with(&command.split(' ').collect::<Vec<_>>(), &token);
        for secret in [&key[1..9], &token[token.len() - 9..]] {
            assert!(!ended.stderr.contains(secret), "{ended:?}");
        }
        ended.refused(2, words);
    }
    let too_long = "x".repeat(TOKEN_LEN_MAX + 1);
    let verify = ["token", "verify", "--provisioning", "device.json"];
    folder.run_with(&verify, &too_long).refused(2, "standard input: is longer than");
}

#[test]
fn what_cannot_be_a_token_is_not_minted() {
    let folder = Folder::provisioned();
    let long = "s".repeat(3000);
    for (further, status, words) in [
        (["--subject", ""], 1, "claim"),
        (["--client-id", ""], 1, "claim"),
        (["--audience", ""], 1, "claim"),
        (["--subject", &long], 1, "too long"),
        (["--scope", "a  b"], 1, "blank"),
        (["--at", "18446744073709551615"], 1, "claim"),
        (["--lifetime", "0"], 2, "--lifetime"),
        (["--lifetime", "-1"], 2, "error:"),
    ] {
        let arguments =
            [&["token", "mint", "--provisioning", "device.json"][..], &further].concat();
        folder.run_with(&arguments, "").refused(status, words);
    }
    let audiences = ["--audience", RESOURCE].repeat(9);
    let arguments = [&["token", "mint", "--provisioning", "device.json"], &audiences[..]].concat();
    folder.run_with(&arguments, "").refused(1, "claim");
}

#[test]
fn a_minted_token_is_answered_to_scripts_as_a_token_endpoint_does() {
    let folder = Folder::provisioned();
    let command = "token mint --provisioning device.json --scope device:read --lifetime 60 --json";
    let (first, second) = (folder.run(command).json(), folder.run(command).json());
    assert_eq!((&first["token_type"], &first["expires_in"]), (&"Bearer".into(), &60.into()));
    assert_eq!(first["scope"], "device:read");
    assert_ne!(first["access_token"], second["access_token"], "each has its own id");
}

#[test]
fn a_token_is_shown_as_not_verified_with_readable_times() {
    let folder = Folder::provisioned();
    let token = minted(&folder, &["--at", NOW, "--scope", "device:read"]);
    let inspect = |at: &str| folder.run_with(&["token", "inspect", "--at", at], &token).ok();
    let shown = inspect("1800000060");
    assert!(shown.starts_with("NOT VERIFIED  anybody could have written this\n"), "{shown}");
    for row in [
        "header alg    HS256\n",
        "header kid    1\n",
        "aud           http://127.0.0.1:8080/mcp\n",
        "iat           1800000000  2027-01-15T08:00:00Z  1 min ago\n",
        "exp           1800000900  2027-01-15T08:15:00Z  in 14 min\n",
    ] {
        assert!(shown.contains(row), "{row}: {shown}");
    }
    assert!(!shown.contains("EXPIRED") && !shown.contains("NOT YET"), "{shown}");
    assert!(inspect("1800000900").contains("08:15:00Z  now  EXPIRED\n"));
    assert!(inspect("1799999999").contains("08:00:00Z  in 1 s  NOT YET\n"));

    let inspect =
        |at: &str| folder.run_with(&["token", "inspect", &token, "--at", at, "--json"], "");
    let answer = inspect("1800000000").json();
    assert_eq!((&answer["verified"], &answer["expired"]), (&false.into(), &false.into()));
    assert_eq!(
        (&answer["header"]["typ"], &answer["claims"]["exp"]),
        (&"at+jwt".into(), &1_800_000_900.into())
    );
    assert_eq!(answer["utc"]["exp"], "2027-01-15T08:15:00Z");
    assert_eq!(inspect("1800000900").json()["expired"], true);
}

/// A token with this header and these claims, and a signature of nobody.
fn unsigned(header: &Value, claims: &Value) -> String {
    let segment = |value: &Value| {
        let mut room = [0; TOKEN_LEN_MAX];
        base64url::encode(value.to_string().as_bytes(), &mut room).unwrap().to_owned()
    };
    format!("{}.{}.AAAA", segment(header), segment(claims))
}

#[test]
fn sec_321_a_strangers_token_writes_nothing_but_text_to_the_terminal() {
    let folder = Folder::new();
    let header = json!({ "alg": "HS256", "typ": "at+jwt", "kid": "\u{1b}[2J" });
    let claims = json!({
        "iss": "i\r\niss  https://as.example", "aud": ["a", "b"], "sub": "\u{202e}s", "client_id": "c",
        "iat": 1, "exp": 2, "nbf": 1, "jti": "j", "x\u{7}": { "y": "\u{9b}" }
    });
    let shown = folder.run_with(&["token", "inspect"], &unsigned(&header, &claims)).ok();
    assert!(shown.bytes().all(|byte| byte == b'\n' || (0x20..0x7F).contains(&byte)), "{shown:?}");
    assert_eq!(shown.lines().count(), 13, "{shown}");
    assert!(shown.contains(r#"aud           ["a","b"]"#), "{shown}");
    assert!(shown.contains(r"x\u{7}"), "{shown}");
}

#[test]
fn what_no_server_would_read_is_not_shown() {
    let folder = Folder::new();
    let header = json!({ "alg": "HS256", "typ": "at+jwt" });
    let claims = json!({ "iss": "i", "aud": "a", "sub": "s", "client_id": "c", "iat": 1, "exp": 2, "jti": "j" });
    let with = |name: &str, value: Value| {
        let mut changed = claims.clone();
        changed[name] = value;
        unsigned(&header, &changed)
    };
    folder.run_with(&["token", "inspect"], &unsigned(&header, &claims)).ok();
    for (token, words) in [
        (unsigned(&json!({ "alg": "none", "typ": "at+jwt" }), &claims), "algorithm"),
        (unsigned(&json!({ "alg": "HS256", "typ": "JWT" }), &claims), "not an access token"),
        (unsigned(&json!({ "alg": "HS256", "typ": "at+jwt", "crit": ["x"] }), &claims), "header"),
        (with("exp", "soon".into()), "claim"),
        (with("sub", Value::Null), "claim"),
        (with("more", "x".repeat(2500).into()), "too long"),
        ("opaque".into(), "malformed"),
        (String::new(), "malformed"),
    ] {
        folder.run_with(&["token", "inspect"], &token).refused(1, words);
    }
}

#[test]
fn a_device_that_asks_has_no_key_to_sign_with() {
    let folder = Folder::new();
    folder.run("key certificate --host as.local --out certificates").ok();
    folder
        .run(&format!(
            "key derive --resource {RESOURCE} --provisioning --issuer {ISSUER} --introspection https://as.local/introspect --address 10.0.2.2:443 --certificate certificates/authority.der --out device.json"
        ))
        .ok();
    folder.run("token mint --provisioning device.json").refused(1, "asks its authorization server");
    folder
        .run("token verify x --provisioning device.json")
        .refused(2, "asks its authorization server");
}
