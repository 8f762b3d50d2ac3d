//! The identity of the machine or pod a run works on, as Google's metadata server gives it out
//! (<https://cloud.google.com/compute/docs/access/authenticate-workloads#applications>).
//! It may not read the environment, which object_store's own provider of the same does. Called by object_store for every request.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use object_store::CredentialProvider;
use object_store::gcp::GcpCredential;
use serde::Deserialize;
use tokio::sync::Mutex;

/// The server gives out the same token until five minutes before its end, so asking earlier gains nothing.
const RESERVE: Duration = Duration::from_secs(240);
const TIMEOUT: Duration = Duration::from_secs(5);

/// Tokens of the machine's own service account, each kept while it is good.
#[derive(Debug)]
pub(super) struct MachineIdentity {
    address: String,
    token: Mutex<Option<Token>>,
}

struct Token {
    credential: Arc<GcpCredential>,
    good_until: Instant,
}

/// Shows no secret.
impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("good_until", &self.good_until).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Reply {
    access_token: String,
    /// In seconds.
    expires_in: u64,
}

impl MachineIdentity {
    pub(super) fn new(host: &str) -> Self {
        let address = format!("http://{host}/computeMetadata/v1/instance/service-accounts/default/token");
        Self { address, token: Mutex::default() }
    }

    async fn credential(&self) -> object_store::Result<Arc<GcpCredential>> {
        let mut token = self.token.lock().await;
        if let Some(token) = token.as_ref().filter(|token| token.good_until > Instant::now()) {
            return Ok(Arc::clone(&token.credential));
        }
        let asked = Instant::now();
        let reply = self.ask().await.map_err(|source| object_store::Error::Unauthenticated {
            path: self.address.clone(),
            source: format!("this machine has no identity of Google's: {}", crate::failure::chain(&source))
                .into(),
        })?;
        let credential = Arc::new(GcpCredential { bearer: reply.access_token });
        let life = Duration::from_secs(reply.expires_in);
        *token = Some(Token {
            credential: Arc::clone(&credential),
            good_until: asked + life.saturating_sub(RESERVE),
        });
        Ok(credential)
    }

    /// The server is on the machine's own link, never behind a proxy.
    async fn ask(&self) -> reqwest::Result<Reply> {
        let client = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build()?;
        let reply = client.get(&self.address).header("Metadata-Flavor", "Google").send().await?;
        reply.error_for_status()?.json().await
    }
}

impl CredentialProvider for MachineIdentity {
    type Credential = GcpCredential;

    fn get_credential<'a, 'b>(
        &'a self,
    ) -> Pin<Box<dyn Future<Output = object_store::Result<Arc<GcpCredential>>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(self.credential())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;

    use super::*;

    /// Answers requests one after the other, each with one of `replies`, and gives the requests.
    fn server(replies: Vec<&'static str>) -> (String, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let answer = move |reply: &str| {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let request: Vec<String> =
                lines.map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", reply.len());
            stream.write_all(format!("{head}{reply}").as_bytes()).unwrap();
            request.join("\n").to_lowercase()
        };
        (host, std::thread::spawn(move || replies.into_iter().map(answer).collect()))
    }

    fn identity(host: &str) -> MachineIdentity {
        // An error says that another test was first, with the same choice.
        let _ = rustls::crypto::ring::default_provider().install_default();
        MachineIdentity::new(host)
    }

    #[tokio::test]
    async fn a_token_is_asked_for_as_documented_and_kept_while_it_is_good() {
        let short = r#"{"access_token": "one", "expires_in": 200, "token_type": "Bearer"}"#;
        let long = r#"{"access_token": "two", "expires_in": 3599, "token_type": "Bearer"}"#;
        let (host, server) = server(vec![short, long]);
        let identity = identity(&host);
        for expected in ["one", "two", "two", "two"] {
            assert_eq!(identity.get_credential().await.unwrap().bearer, expected);
        }
        let requests = server.join().unwrap();
        assert_eq!(requests.len(), 2);
        for request in requests {
            let asked = "get /computemetadata/v1/instance/service-accounts/default/token http/1.1";
            assert!(request.starts_with(asked) && request.contains("metadata-flavor: google"), "{request}");
        }
        assert!(!format!("{identity:?}").contains("two"), "{identity:?}");
    }

    #[tokio::test]
    async fn a_machine_without_an_identity_says_so() {
        let (host, server) = server(vec!["<html>no token here</html>"]);
        let error = identity(&host).get_credential().await.unwrap_err();
        server.join().unwrap();
        assert!(error.to_string().contains("this machine has no identity of Google's"), "{error}");
    }
}
