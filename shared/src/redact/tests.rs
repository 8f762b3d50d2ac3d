use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use url::form_urlencoded::byte_serialize;

use super::*;

#[test]
fn hides_every_form_of_a_secret() {
    let secret = "pa\"ss wörd/+=";
    let redactor = Redactor::knowing(&[secret]);
    let encoded: String = byte_serialize(secret.as_bytes()).collect();
    let text =
        format!("{secret} {} {encoded} {}", STANDARD.encode(secret), serde_json::json!({ "k": secret }));
    assert_eq!(redactor.clean(&text), "[hidden] [hidden] [hidden] {\"k\":\"[hidden]\"}");
}

#[test]
fn hides_the_tokens_of_a_document_and_not_its_words() {
    let key = "-----BEGIN KEY-----\nAAAABBBBCCCCDDDDEEEE\n-----END KEY-----\n";
    let kubeconfig = "kind: Config\nclusters:\n- cluster: {server: https://10.0.0.1:6443}\nusers:\n- user: {token: eyJhbGciOiJSUzI1NiJ9.x.y}\n";
    let redactor = Redactor::knowing(&[key, kubeconfig]);
    assert_eq!(redactor.clean("got AAAABBBBCCCCDDDDEEEE there"), "got [hidden] there");
    assert_eq!(redactor.clean("Bearer eyJhbGciOiJSUzI1NiJ9.x.y"), "Bearer [hidden]");
    assert_eq!(
        redactor.clean("kind: Config at https://10.0.0.1:6443"),
        "kind: Config at https://10.0.0.1:6443"
    );
}

#[test]
fn hides_what_a_document_calls_a_secret_even_if_it_is_short() {
    let yaml = "users:\n- name: administrator\n  user:\n    password: \"two words 1\"\n    token: abcd1234\n- user: {client-key-data: QUJDRA==, x: short678}\n";
    let redactor = Redactor::knowing(&[yaml]);
    for secret in ["two words 1", "abcd1234", "QUJDRA=="] {
        assert_eq!(redactor.clean(secret), "[hidden]");
    }
    assert_eq!(redactor.clean("administrator short678"), "administrator short678");
    let json = "{\"type\": \"service_account\", \"auth\": {\"client_secret\": \"two words 2\"}, \"pem\": \"A\\nAAAABBBBCCCCDDDD\\n\"}";
    let redactor = Redactor::knowing(&[json]);
    assert_eq!(redactor.clean("two words 2, AAAABBBBCCCCDDDD"), "[hidden], [hidden]");
}

#[test]
fn a_report_keeps_its_shape_whatever_the_secret_is() {
    let redactor = Redactor::knowing(&["null", "false", "error"]);
    let report = serde_json::json!({ "error": [null, false, "it is null"], "n": 1 });
    let clean = serde_json::json!({ "error": [null, false, "it is [hidden]"], "n": 1 });
    assert_eq!(redactor.clean_texts(report), clean);
}

#[test]
fn knows_a_secret_that_an_earlier_step_left() {
    const SETTINGS: &[Setting] = &[Setting::new("token", "", "").secret()];
    let env = Env::of(&[("PLUGIN_TOKEN", "@login.token")]).with_output("login", "token", "t0p-secret");
    let redactor = Redactor::of(&env, &[SETTINGS]);
    assert_eq!(redactor.clean("t0p-secret of @login.token"), "[hidden] of @login.token");
}

#[test]
fn knows_the_secret_settings_only() {
    const SETTINGS: &[Setting] = &[Setting::new("token", "", "").secret(), Setting::new("name", "", "")];
    let env = Env::of(&[("PLUGIN_TOKEN", "t0p-secret"), ("PLUGIN_NAME", "public")]);
    assert_eq!(Redactor::of(&env, &[SETTINGS]).clean("t0p-secret public"), "[hidden] public");
}

#[test]
fn hides_a_secret_inside_of_a_longer_base64_text() {
    let secret = "s3cr3t-of-9";
    let redactor = Redactor::knowing(&[secret]);
    for before in ["", "a", "ab", "abc", "user:", "x-access-token:"] {
        for after in ["", "y", "yz", "yza"] {
            let text = format!("{before}{secret}{after}");
            for encoded in [STANDARD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
                let clean = redactor.clean(&format!("Basic {encoded}."));
                assert!(clean.contains(HIDDEN), "{text}: {clean}");
                // Of the letters that carry only this secret's bits none is left.
                assert!(
                    clean.len() <= "Basic .".len() + HIDDEN.len() + 4 + (before.len() + after.len() + 2) * 2,
                    "{text}: {clean}"
                );
            }
        }
    }
}

#[test]
fn hides_what_other_programs_make_of_a_secret() {
    let secret = "p/ä'\"<&$ w+1=";
    let redactor = Redactor::knowing(&[secret]);
    for form in [
        "p%2F%C3%A4%27%22%3C%26%24%20w%2B1%3D",
        "p%2f%c3%a4%27%22%3c%26%24+w%2b1%3d",
        "p%2F%C3%A4'%22%3C%26%24%20w%2B1%3D",
        "p/%C3%A4'%22%3C&$%20w+1=",
        "p/ä'\\\"<&$ w+1=",
        "p\\/ä'\\\"<&$ w+1=",
        "p/\\u00e4'\\\"\\u003c\\u0026$ w+1=",
        "p/ä'\\\\\\\"<&$ w+1=",
        "p/ä'\\''\"<&$ w+1=",
        "p/ä'\"'\"'\"<&$ w+1=",
        "p/ä'\\\"<&\\$ w+1=",
        "p/ä\\'\\\"\\<\\&\\$\\ w+1=",
        "p/ä&#39;&#34;&lt;&amp;$ w+1=",
        "702fc3a427223c262420772b313d",
        "702FC3A427223C262420772B313D",
    ] {
        assert_eq!(redactor.clean(&format!("<{form}>")), "<[hidden]>", "{form}");
    }
}

#[test]
fn of_secrets_that_overlap_or_stand_in_each_other_nothing_is_left() {
    let redactor = Redactor::knowing(&["abcdefgh", "efghijkl", "cdef", "token", "token-of-mine"]);
    assert_eq!(redactor.clean("1abcdefghijkl2"), "1[hidden]2");
    assert_eq!(redactor.clean("token-of-mine, token"), "[hidden], [hidden]");
}

#[test]
fn a_secret_that_is_split_between_two_pieces_is_hidden() {
    let redactor = Redactor::knowing(&["abcdefgh", "ghijkl", "0123456789"]);
    let text = "x abcdefgh y abcdefghijkl 01234567890 abc z012345678";
    let whole = redactor.clean(text);
    assert_eq!(whole, "x [hidden] y [hidden] [hidden]0 abc z012345678");
    for length in 1..text.len() {
        let mut stream = Redacting::new(redactor.clone(), Vec::new());
        for piece in text.as_bytes().chunks(length) {
            stream.write_all(piece).unwrap();
        }
        assert_eq!(String::from_utf8_lossy(stream.finish().unwrap()), whole, "in pieces of {length}");
    }
}

#[test]
fn a_stream_holds_back_no_more_than_the_longest_secret() {
    let redactor = Redactor::knowing(&["abcdefgh"]);
    let longest = redactor.known(|known| known.longest);
    let mut stream = Redacting::new(redactor, Vec::new());
    stream.write_all(&vec![b'x'; 10_000]).unwrap();
    assert!(longest < 100);
    assert!(stream.finish().unwrap().len() == 10_000);
}

#[test]
fn knows_passwords_in_addresses_and_in_proxies() {
    const SETTINGS: &[Setting] = &[Setting::new("source", "", "")];
    let env = Env::of(&[
        ("PLUGIN_SOURCE", "https://me:pa%2Fss-1@host/a,https://t0ken-alone@host/b@c"),
        ("HTTPS_PROXY", "http://user:proxy-pw@proxy:3128"),
        ("http_proxy", "user:other/pw@proxy:3128"),
    ]);
    let redactor = Redactor::of(&env, &[SETTINGS]);
    for secret in ["pa%2Fss-1", "pa/ss-1", "t0ken-alone", "proxy-pw", "other/pw"] {
        assert_eq!(redactor.clean(secret), HIDDEN, "{secret}");
    }
    let basic = STANDARD.encode("user:proxy-pw");
    assert_eq!(redactor.clean(&basic), HIDDEN);
    assert_eq!(redactor.clean("host proxy 3128 b@c"), "host proxy 3128 b@c");
}

#[test]
fn knows_the_token_of_a_secret_address_alone() {
    let redactor =
        Redactor::knowing(&["https://hooks.example.com/services/T0001/XyzXyzXyz123?sig=abc%2Fdef%3D"]);
    assert_eq!(
        redactor.clean("no answer from hooks.example.com for XyzXyzXyz123"),
        "no answer from hooks.example.com for [hidden]"
    );
    assert_eq!(redactor.clean("sig: abc/def="), "sig: [hidden]");
}

#[test]
fn knows_what_stands_in_the_file_that_a_setting_names() {
    const SETTINGS: &[Setting] = &[Setting::new("kubeconfig", "", "").secret_document()];
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("kube"), "users:\n- user:\n    token: abcd1234efgh\n").unwrap();
    let variables = [("PLUGIN_KUBECONFIG".to_owned(), "kube".to_owned())];
    let env = Env::in_workspace(variables.into(), folder.path().to_owned());
    assert_eq!(Redactor::of(&env, &[SETTINGS]).clean("Bearer abcd1234efgh"), "Bearer [hidden]");
}

#[test]
fn knows_the_parts_of_a_document_that_came_in_base64_or_on_one_line() {
    let document = "password: two words 3\nother: thing\n";
    for secret in [STANDARD.encode(document), document.replace('\n', "\\n")] {
        assert_eq!(Redactor::knowing(&[&secret]).clean("two words 3"), HIDDEN, "{secret}");
    }
}

#[test]
fn a_text_of_several_lines_is_hidden_line_by_line() {
    let redactor = Redactor::knowing(&["first words\r\nsecond words\r\n"]);
    assert_eq!(redactor.clean("a: second words\nb: first words"), "a: [hidden]\nb: [hidden]");
}

#[test]
fn what_is_too_short_is_left() {
    assert_eq!(Redactor::knowing(&["abc", ""]).clean("abc abcabc"), "abc abcabc");
    assert!(!format!("{:?}", Redactor::knowing(&["abcdef"])).contains("abcdef"));
}
