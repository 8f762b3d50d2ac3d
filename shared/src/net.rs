//! The way out of this machine: which certificate authorities are trusted and which proxies lie on the way. Made once from `ca_file` and
//! the snapshot's proxy variables; every client of ours takes it from here, and none reads the environment by itself.

mod proxies;

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use object_store::ClientOptions;
use reqwest::redirect::Policy;
use reqwest::{Certificate, ClientBuilder, Proxy};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::failure::chain;
use crate::redact::Redactor;
use crate::settings::{Env, Reader, Setting, Takes};

use proxies::Proxies;
pub(crate) use proxies::secrets;

/// The setting, one of the common ones.
pub(crate) const CA_FILE: Setting = Setting::of(
    "ca_file",
    Takes::Document("a path, or PEM"),
    "Certificates of authorities that are trusted besides the machine's own: for a Git server, bucket, CI server or web service with a certificate of your own authority. (The cluster has `ca`.)",
);

/// What to do when a server's certificate is not trusted.
const UNTRUSTED: &str = "the server's certificate is signed by an authority that this machine does not know: set `ca_file` to that authority's certificate (PEM)";

#[derive(Debug, Default, Deserialize, Serialize)]
struct RawNet {
    ca_file: Option<String>,
}

/// Trusted authorities and proxies. Cheap to clone.
#[derive(Clone, Default)]
pub struct Net {
    authorities: Option<Arc<str>>,
    proxies: Arc<Proxies>,
    redactor: Redactor,
}

impl Net {
    /// Reads `ca_file` and the proxy variables; a problem is noted once, whoever reads first.
    #[must_use]
    pub fn read(read: &mut Reader<'_>, env: &Env) -> Self {
        let raw: RawNet = read.raw();
        let authorities = raw.ca_file.and_then(|value| match authorities(&value, env) {
            Ok(pem) => Some(Arc::from(pem)),
            Err(text) => {
                read.problem_once("PLUGIN_CA_FILE", &text);
                None
            }
        });
        let proxies = Proxies::of(env, &mut |variable, text| read.problem_once(variable, text));
        Self { authorities, proxies: Arc::new(proxies), redactor: env.redactor().clone() }
    }

    /// The proxy for this address; none when it is asked directly.
    #[must_use]
    pub fn proxy(&self, address: &Url) -> Option<Url> {
        self.proxies.of_address(address)
    }

    /// The same for messages: the proxy without its user and password, and the variable that names it.
    pub(crate) fn proxy_in_words(&self, address: &Url) -> Option<String> {
        self.proxies.in_words(address)
    }

    /// For whoever cuts a text that came from outside: secrets go before the cut, so that no half of one is left.
    pub(crate) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// A client that follows no redirect by itself: where a secret may be carried, the caller decides.
    pub(crate) fn client(&self) -> ClientBuilder {
        let proxies = Arc::clone(&self.proxies);
        let mut client = ClientBuilder::new()
            .user_agent(concat!("esteira/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .connect_timeout(Duration::from_secs(10))
            // Else the library would look at the environment.
            .no_proxy();
        if !proxies.is_empty() {
            client = client.proxy(Proxy::custom(move |address| proxies.of_address(address)));
        }
        let pem = self.authorities.as_deref().unwrap_or_default();
        // They were readable when the settings were read.
        client.tls_certs_merge(Certificate::from_pem_bundle(pem.as_bytes()).unwrap_or_default())
    }

    /// The same for the bucket's client, which talks to one server: `endpoint`, or the store's own `host`.
    #[must_use]
    pub fn options(&self, options: ClientOptions, endpoint: Option<&Url>, host: &str) -> ClientOptions {
        let server = endpoint.cloned().or_else(|| Url::parse(&format!("https://{host}/")).ok());
        // Without any proxy of its own the library would look at the environment: one that is for nothing keeps it from that (`*` alone
        // means names).
        let options = match server.and_then(|server| self.proxy(&server)) {
            Some(proxy) => options.with_proxy_url(proxy),
            None => options.with_proxy_url("http://127.0.0.1:9").with_proxy_excludes("*,0.0.0.0/0,::/0"),
        };
        let pem = self.authorities.as_deref().unwrap_or_default();
        let certificates =
            object_store::Certificate::from_pem_bundle(pem.as_bytes()).unwrap_or_default().into_iter();
        certificates.fold(options, ClientOptions::with_root_certificate)
    }
}

/// What to do about an error of any client, if its cause is a certificate that is not trusted.
#[must_use]
pub fn untrusted(error: &(dyn Error + 'static)) -> Option<&'static str> {
    // By its words: the type is lost where a library keeps no more of its causes.
    chain(error).contains("invalid peer certificate: UnknownIssuer").then_some(UNTRUSTED)
}

/// Certificates in PEM, from a file in the workspace or from the text itself.
fn authorities(value: &str, env: &Env) -> Result<String, String> {
    let value = value.trim();
    let (pem, from) = if value.contains("-----BEGIN") {
        // A secret or variable that cannot hold line breaks holds them written out.
        let pem = if value.contains('\n') { value.to_owned() } else { value.replace("\\n", "\n") };
        (pem, "the text".to_owned())
    } else {
        let path = env.workspace().join(value);
        let text = std::fs::read_to_string(&path).map_err(|error| {
            format!("expected a file with certificates in PEM; `{}` cannot be read: {error}", path.display())
        })?;
        (text, format!("`{}`", path.display()))
    };
    let mut trusted = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate =
            certificate.map_err(|error| format!("expected certificates in PEM; {from}: {error}"))?;
        trusted.add(certificate).map_err(|error| format!("expected certificates in PEM; {from}: {error}"))?;
    }
    if trusted.is_empty() {
        return Err(format!("expected certificates in PEM; {from} has none (`-----BEGIN CERTIFICATE-----`)"));
    }
    Ok(pem)
}

/// The redactor is no part of what was set.
impl PartialEq for Net {
    fn eq(&self, other: &Self) -> bool {
        self.authorities == other.authorities && self.proxies == other.proxies
    }
}

impl Eq for Net {}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Net").field("has_authorities", &self.authorities.is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
