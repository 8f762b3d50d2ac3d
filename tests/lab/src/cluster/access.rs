//! Keys, certificates, tokens and kubeconfig files of the control plane.
//! It may not talk to the cluster.
//! Called by `cluster` before the API server starts.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

use crate::error::{Attempt as _, Error};
use crate::folder::{create, kept_secret, write_private};

/// Files that prove who is who, kept over restarts so that tokens stay valid.
pub(crate) struct Access {
    folder: PathBuf,
    /// The administrator's bearer token.
    pub(crate) token: String,
    /// The certificate that signed the API server's, in PEM.
    pub(crate) authority: String,
}

impl Access {
    /// Reads them from `folder`, making what is missing.
    pub(crate) fn prepare(folder: PathBuf) -> Result<Self, Error> {
        create(&folder)?;
        let authority = folder.join("ca.crt");
        // Written last, so its presence says that the others are complete.
        if !authority.exists() {
            make_keys(&folder)?;
        }
        let token = kept_secret(&folder.join("admin.token"))?;
        write_private(&folder.join("tokens.csv"), &format!("{token},admin,admin,\"system:masters\"\n"))?;
        let authority = fs::read_to_string(&authority).attempting(|| "cannot read the authority".into())?;
        Ok(Self { folder, token, authority })
    }

    /// One of the files: `ca.crt`, `apiserver.{crt,key}`, `service-account.{key,pub}`, `tokens.csv`.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A kubeconfig for whoever holds `token`.
    pub(crate) fn kubeconfig(&self, server: &str, user: &str, token: &str) -> String {
        let authority = STANDARD.encode(&self.authority);
        format!(
            "apiVersion: v1
kind: Config
current-context: lab
clusters:
  - name: lab
    cluster:
      server: {server}
      certificate-authority-data: {authority}
contexts:
  - name: lab
    context:
      cluster: lab
      user: {user}
users:
  - name: {user}
    user:
      token: {token}
"
        )
    }
}

fn make_keys(folder: &Path) -> Result<(), Error> {
    let keys = keys().attempting(|| "cannot make the keys of the control plane".into())?;
    for (name, content) in keys {
        write_private(&folder.join(name), &content)?;
    }
    Ok(())
}

fn keys() -> Result<[(&'static str, String); 5], rcgen::Error> {
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "lab");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;

    let server_key = KeyPair::generate()?;
    let mut server = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()])?;
    server.distinguished_name.push(DnType::CommonName, "kube-apiserver");
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let server = server.signed_by(&server_key, &authority)?;

    // Elliptic keys: the API server signs tokens with ES256 then, and they are made in no time.
    let accounts = KeyPair::generate()?;
    Ok([
        ("service-account.key", accounts.serialize_pem()),
        ("service-account.pub", accounts.public_key_pem()),
        ("apiserver.key", server_key.serialize_pem()),
        ("apiserver.crt", server.pem()),
        ("ca.crt", authority.pem()),
    ])
}
