//! Prints the certificate authorities that the images trust, as PEM: Mozilla's, as `Cargo.lock` pins them.
//!
//! They are not copied from the machine that builds: it may trust authorities of its own that nobody else should.

use std::io::{self, Write as _};

use pem::Pem;

fn main() -> io::Result<()> {
    let certificates = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
    let bundle: Vec<_> = certificates.map(|der| Pem::new("CERTIFICATE", der.as_ref())).collect();
    io::stdout().write_all(pem::encode_many(&bundle).as_bytes())
}
