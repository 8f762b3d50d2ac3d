//! Proxies from the variables that CI servers and their agents set, and which addresses go around them. Reads the snapshot only.
//! Called by [`super::Net`], and by the redactor for the passwords that stand in them.

use std::net::IpAddr;

use url::Url;

use crate::settings::{Env, Secret};

/// For `http` addresses: the first that is set counts. The same order as in Go, so that helm goes the same way. The last is what
/// Harness' runner hands to plugins.
const HTTP: [&str; 3] = ["HTTP_PROXY", "http_proxy", "HARNESS_HTTP_PROXY"];
const HTTPS: [&str; 3] = ["HTTPS_PROXY", "https_proxy", "HARNESS_HTTPS_PROXY"];
const NO: [&str; 3] = ["NO_PROXY", "no_proxy", "HARNESS_NO_PROXY"];

/// The proxies of a run.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Proxies {
    http: Option<Way>,
    https: Option<Way>,
    direct: Vec<String>,
}

/// A proxy, whose address may hold a password, and the variable that names it.
#[derive(Clone, PartialEq, Eq)]
struct Way {
    variable: &'static str,
    address: Secret,
}

impl Proxies {
    /// Those of the snapshot; one that cannot be used is a problem: a request that goes around a proxy mostly ends in a firewall.
    pub(super) fn of(env: &Env, problem: &mut impl FnMut(&'static str, &str)) -> Self {
        let mut way = |names: [&'static str; 3]| {
            let (variable, value) = first(env, names)?;
            let Some(address) = address(value) else {
                problem(
                    variable,
                    "expected a proxy such as `http://proxy.example.com:3128`; got a value that is hidden here",
                );
                return None;
            };
            Some(Way { variable, address: Secret::new(address) })
        };
        let (http, https) = (way(HTTP), way(HTTPS));
        let direct = first(env, NO).map(|(_, value)| value).unwrap_or_default();
        let direct = direct.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty());
        Self { http, https, direct: direct.map(str::to_lowercase).collect() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.http.is_none() && self.https.is_none()
    }

    /// The proxy for an address.
    pub(super) fn of_address(&self, address: &Url) -> Option<Url> {
        Url::parse(self.way(address)?.address.expose()).ok()
    }

    /// The proxy for an address, without its user and password.
    pub(super) fn in_words(&self, address: &Url) -> Option<String> {
        let variable = self.way(address)?.variable;
        let mut proxy = self.of_address(address)?;
        // Both fail only for addresses that have no host.
        let _ = proxy.set_username("");
        let _ = proxy.set_password(None);
        Some(format!("`{}` ({variable})", proxy.as_str().trim_end_matches('/')))
    }

    fn way(&self, address: &Url) -> Option<&Way> {
        let way = if address.scheme() == "http" { &self.http } else { &self.https };
        way.as_ref().filter(|_| !self.direct.iter().any(|entry| is_meant(entry, address)))
    }
}

/// What must never be shown of the proxies: passwords, and users without one, which are tokens. Also of a value that cannot be used.
pub(crate) fn secrets(env: &Env) -> Vec<String> {
    let values = [HTTP, HTTPS].into_iter().flatten().filter_map(|name| env.variable(name));
    values
        .map(str::to_owned)
        .flat_map(
            |value| if value.contains("://") { vec![value] } else { vec![format!("http://{value}"), value] },
        )
        .collect()
}

fn first<'a>(env: &'a Env, names: [&'static str; 3]) -> Option<(&'static str, &'a str)> {
    names.into_iter().find_map(|name| Some((name, env.variable(name)?)))
}

/// A bare `host:port` is meant as `http`.
fn address(value: &str) -> Option<String> {
    let value = value.trim();
    let address = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    let url = Url::parse(&address).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(address)
}

/// Whether an entry of `NO_PROXY` means an address: `*`, a network such as `10.0.0.0/8`, an IP address, or a domain with all that is below it;
/// all but the first two also with a port.
fn is_meant(entry: &str, address: &Url) -> bool {
    let host = address.host_str().unwrap_or_default().trim_matches(['[', ']']).to_lowercase();
    let ip: Option<IpAddr> = host.parse().ok();
    if entry == "*" {
        return true;
    }
    if let (Some(ip), Some((network, bits))) = (ip, entry.split_once('/')) {
        return is_in(ip, network, bits);
    }
    let (name, port) = match entry.rsplit_once(':') {
        Some((name, port)) if entry.parse::<IpAddr>().is_err() => (name, port.parse::<u16>().ok()),
        _ => (entry, None),
    };
    if port.is_some() && port != address.port_or_known_default() {
        return false;
    }
    let name = name.trim_matches(['[', ']']);
    if let Some(ip) = ip {
        return name.parse() == Ok(ip);
    }
    let domain = name.trim_start_matches("*.").trim_start_matches('.');
    !domain.is_empty() && (host == domain || host.ends_with(&format!(".{domain}")))
}

fn is_in(ip: IpAddr, network: &str, bits: &str) -> bool {
    let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>()) else { return false };
    let mask = |length: u32| u128::MAX.checked_shl(length.saturating_sub(bits)).unwrap_or_default();
    match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => {
            bits <= 32 && u128::from(ip.to_bits() ^ network.to_bits()) & mask(32) == 0
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) => {
            bits <= 128 && (ip.to_bits() ^ network.to_bits()) & mask(128) == 0
        }
        _ => false,
    }
}
