//! HTTP on the wire: a server and a proxy in one that records every request and answers as a test says, with or without TLS, also wrongly: with half an
//! answer, none, or one that does not end. It may not know what is asked of it.
//! As a proxy it speaks as RFC 9112 (absolute form, sections 3.2.2) and RFC 9110 (`CONNECT`, section 9.3.6) say.
//! Called by tests of whatever speaks HTTP.

mod message;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::error::{Attempt as _, Error};
use crate::http::choose_tls;
use crate::listen;

pub use message::{Answer, Heard};

/// A client that says nothing for so long is gone.
const PATIENCE: Duration = Duration::from_secs(60);

/// A listening server; it stops accepting when the test process ends.
pub struct Wire {
    address: SocketAddr,
    authority: Option<String>,
    heard: Arc<Mutex<Vec<Heard>>>,
}

type Say = dyn Fn(&Heard) -> Answer + Send + Sync;

impl Wire {
    /// Answers every request as `say` says.
    pub fn start(say: impl Fn(&Heard) -> Answer + Send + Sync + 'static) -> Result<Self, Error> {
        Self::listen(Arc::new(say), None, None)
    }

    /// The same with TLS, by a certificate of an authority that nobody knows: [`Wire::authority`].
    pub fn start_tls(say: impl Fn(&Heard) -> Answer + Send + Sync + 'static) -> Result<Self, Error> {
        choose_tls();
        let (authority, config) = certificate()?;
        Self::listen(Arc::new(say), Some(Arc::new(config)), Some(authority))
    }

    fn listen(
        say: Arc<Say>,
        tls: Option<Arc<ServerConfig>>,
        authority: Option<String>,
    ) -> Result<Self, Error> {
        let heard = Arc::<Mutex<Vec<Heard>>>::default();
        let record = Arc::clone(&heard);
        let address = listen::accept("a server on the wire", move |stream| {
            let (say, tls, record) = (Arc::clone(&say), tls.clone(), Arc::clone(&record));
            // A connection that breaks off is the client's business.
            thread::spawn(move || serve(stream, tls, &record, &*say));
        })?;
        Ok(Self { address, authority, heard })
    }

    /// `host:port`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it answers, without a slash at the end.
    pub fn url(&self) -> String {
        let scheme = if self.authority.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The certificate of the authority that signed the server's, in PEM; empty without TLS.
    pub fn authority(&self) -> &str {
        self.authority.as_deref().unwrap_or_default()
    }

    /// The requests since the start.
    pub fn heard(&self) -> Vec<Heard> {
        lock(&self.heard).clone()
    }
}

fn lock(heard: &Mutex<Vec<Heard>>) -> MutexGuard<'_, Vec<Heard>> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    record: &Mutex<Vec<Heard>>,
    say: &Say,
) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let Some(config) = tls else { return exchange(&mut stream.try_clone()?, Some(stream), record, say) };
    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut secured = StreamOwned::new(connection, stream);
    exchange(&mut secured, None, record, say)?;
    secured.conn.send_close_notify();
    secured.flush()
}

/// One request and its answer; `plain` is the connection itself where it can be handed on.
fn exchange(
    stream: &mut (impl Read + Write),
    plain: Option<TcpStream>,
    record: &Mutex<Vec<Heard>>,
    say: &Say,
) -> io::Result<()> {
    let Some(heard) = Heard::read(stream)? else { return Ok(()) };
    let answer = say(&heard);
    lock(record).push(heard.clone());
    match answer {
        Answer::Bytes(bytes) => stream.write_all(&bytes)?,
        Answer::Silence(time) => thread::sleep(time),
        Answer::Forward(to) => {
            let mut server = TcpStream::connect(to)?;
            if heard.method == "CONNECT" {
                stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
                let Some(client) = plain else { return Ok(()) };
                return tunnel(&client, &server);
            }
            server.write_all(&heard.in_origin_form())?;
            io::copy(&mut server, stream)?;
        }
    }
    stream.flush()
}

/// Passes bytes both ways until either side ends.
fn tunnel(client: &TcpStream, server: &TcpStream) -> io::Result<()> {
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    let up = thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        to.shutdown(std::net::Shutdown::Write)
    });
    io::copy(&mut &*server, &mut &*client)?;
    let _ = client.shutdown(std::net::Shutdown::Both);
    let _ = up.join();
    Ok(())
}

fn certificate() -> Result<(String, ServerConfig), Error> {
    let attempt = || "cannot make the server's certificate".to_owned();
    let (authority, certificate, key) = keys().attempting(attempt)?;
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).attempting(attempt)?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).attempting(attempt)?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
    Ok((authority, config.attempting(attempt)?))
}

/// The authority's certificate, the server's, and its key, in PEM.
fn keys() -> Result<(String, String, String), rcgen::Error> {
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "an authority of our own");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let server = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()])?;
    let server = server.signed_by(&key, &authority)?;
    Ok((authority.pem(), server.pem(), key.serialize_pem()))
}
