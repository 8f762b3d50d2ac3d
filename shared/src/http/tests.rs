//! Against a server that says exactly what a test wants, on a real socket.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use super::*;
use crate::failure::{Exit, Fault as _};

/// Answers one connection after the other with the given bytes, and hands out what was asked.
fn server(answers: Vec<String>) -> (Url, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    let (asked, heard) = channel();
    thread::spawn(move || {
        for answer in answers {
            let Ok((mut stream, _)) = listener.accept() else { return };
            // Nobody listens once the test is over.
            let _ = asked.send(request(&mut stream));
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (base, heard)
}

fn request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(length @ 1..) => bytes.extend_from_slice(&piece[..length]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&bytes).to_lowercase()
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
}

fn api(base: &Url) -> Api {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Api::new(base.clone(), Some(&Secret::new("token t0p")), &Net::default()).unwrap()
}

#[test]
fn a_branch_name_is_one_segment() {
    assert_eq!(segment("esteira/bump 1"), "esteira%2Fbump%201");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_temporary() {
    let (base, _) = server(Vec::new());
    let error = api(&base).send_json(Method::POST, "x", &()).await.unwrap_err();
    assert_eq!(error.exit(), Exit::Temporary);
    assert!(error.to_string().starts_with("no answer to POST http://127.0.0.1:"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_accepts_and_never_answers_is_given_up_within_two_minutes() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = Url::parse(&format!("http://{}/", silent.local_addr().unwrap())).unwrap();
    let begun = Instant::now();
    let error = api(&base).get("x").await.unwrap_err();
    assert_eq!(error.exit(), Exit::Temporary);
    assert!(begun.elapsed() <= LONGEST_SILENCE + LONGEST_GET, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_get_whose_body_breaks_off_is_asked_again_and_a_post_is_not() {
    let broken = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n[1,".to_owned();
    let (base, heard) = server(vec![broken.clone(), answer("200 OK", "", "[1,2]")]);
    assert_eq!(api(&base).get("x").await.unwrap().json::<Vec<u8>>().unwrap(), [1, 2]);
    assert_eq!(heard.iter().count(), 2);
    let (base, heard) = server(vec![broken, answer("200 OK", "", "[]")]);
    let error = api(&base).send_json(Method::POST, "x", &()).await.unwrap_err();
    assert_eq!(error.exit(), Exit::Temporary);
    assert_eq!(heard.try_iter().count(), 1, "the server may have acted");
}

#[tokio::test]
async fn a_get_that_is_reset_before_the_answer_is_asked_again() {
    let (base, heard) = server(vec![String::new(), answer("200 OK", "", "[]")]);
    api(&base).get("x").await.unwrap();
    assert_eq!(heard.iter().count(), 2);
}

#[tokio::test]
async fn a_busy_server_is_asked_again_when_it_says() {
    let busy = answer("503 Busy", "retry-after: 0\r\n", "");
    let (base, heard) = server(vec![busy.clone(), busy, answer("200 OK", "", "[]")]);
    api(&base).send_json(Method::POST, "x", &()).await.unwrap().ok().unwrap();
    assert_eq!(heard.iter().count(), 3);
}

#[tokio::test]
async fn a_post_behind_a_bad_gateway_is_sent_once() {
    let (base, heard) = server(vec![answer("502 Bad Gateway", "", "down"), answer("200 OK", "", "[]")]);
    let error = api(&base).post_form("x", &[("a", "b")]).await.unwrap().ok().unwrap_err();
    assert_eq!(error.exit(), Exit::Temporary);
    assert_eq!(heard.try_iter().count(), 1);
}

#[tokio::test]
async fn the_token_goes_on_to_the_same_server_and_to_no_other() {
    let (other, heard_there) = server(vec![answer("200 OK", "", "[]")]);
    let elsewhere = answer("302 Found", &format!("location: {other}y?sig=abc\r\n"), "");
    let (base, heard) = server(vec![answer("301 Moved", "location: /new\r\n", ""), elsewhere]);
    let reply = api(&base).get("x").await.unwrap();
    assert!(
        reply.request.ends_with(&format!("(redirected to {base}new) (redirected to {other}y)")),
        "{}",
        reply.request
    );
    for request in heard.iter() {
        assert!(request.contains("authorization: token t0p"), "{request}");
    }
    let request = heard_there.recv().unwrap();
    assert!(request.starts_with("get /y?sig=abc") && !request.contains("t0p"), "{request}");
}

#[tokio::test]
async fn a_form_is_never_sent_to_another_server() {
    let (other, heard_there) = server(vec![answer("200 OK", "", "[]")]);
    let (base, _heard) = server(vec![answer("308 Moved", &format!("location: {other}y\r\n"), "")]);
    let error = api(&base).post_form("x", &[("api_key", "t0p")]).await.unwrap().ok().unwrap_err();
    assert!(error.to_string().contains(&format!("it is to be sent to `{other}y`")), "{error}");
    assert!(heard_there.try_recv().is_err());
}

#[tokio::test]
async fn a_ring_of_redirects_ends() {
    let around = answer("302 Found", "location: /x\r\n", "");
    let (base, heard) = server(vec![around; REDIRECTS + 3]);
    let error = api(&base).get("x").await.unwrap().ok().unwrap_err();
    assert!(matches!(error, Error::Redirected { status: 302, .. }), "{error}");
    assert_eq!(heard.try_iter().count(), REDIRECTS + 1);
}

#[tokio::test]
async fn a_reply_that_does_not_end_is_cut_off() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
        while stream.write_all(&[b' '; 1 << 16]).is_ok() {}
    });
    let error = api(&base).get("x").await.unwrap_err();
    assert!(error.to_string().ends_with("is not the expected JSON (longer than 32 MiB)"), "{error}");
    assert_eq!(error.exit(), Exit::Failed);
}

#[tokio::test]
async fn an_answer_that_tells_the_token_back_is_shown_without_it() {
    const SETTINGS: &[crate::settings::Setting] =
        &[crate::settings::Setting::new("git_token", "", "").secret()];
    let secret = "s3cr3t-t0ken-of-the-test";
    let env = crate::settings::Env::of(&[("PLUGIN_GIT_TOKEN", secret)]);
    env.redactor().learn(&env, &[SETTINGS]);
    // The secret stands where the text is cut.
    let body = format!("{}{secret}", "x".repeat(290));
    let (base, _heard) = server(vec![answer("400 Bad", "", &body)]);
    let net = Net::read(&mut crate::settings::Reader::new(&env, &[SETTINGS]), &env);
    let _ = rustls::crypto::ring::default_provider().install_default();
    let error = Api::new(base, None, &net).unwrap().get("x").await.unwrap().ok().unwrap_err().to_string();
    assert!(!error.contains("s3cr3t") && error.ends_with("x[hidden]"), "{error}");
}
