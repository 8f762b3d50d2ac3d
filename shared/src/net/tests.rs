use super::*;
use crate::settings::COMMON;

fn net(variables: &[(&str, &str)]) -> (Net, Vec<String>) {
    let env = Env::of(variables);
    let mut read = Reader::new(&env, &[COMMON]);
    let net = Net::read(&mut read, &env);
    // Twice: by the common settings and by the bucket's.
    let _ = Net::read(&mut read, &env);
    let problems = read.finish(|| Some(())).err().map(|problems| problems.0).unwrap_or_default();
    (net, problems.iter().map(|problem| format!("{}: {}", problem.name, problem.text)).collect())
}

fn way(net: &Net, address: &str) -> Option<String> {
    net.proxy(&Url::parse(address).unwrap()).map(|proxy| proxy.to_string())
}

#[test]
fn each_scheme_has_its_proxy_and_harness_is_the_last_to_be_asked() {
    let (both, _) = net(&[
        ("HTTP_PROXY", "plain:3128"),
        ("https_proxy", "http://tls:3129/"),
        ("HARNESS_HTTP_PROXY", "http://h:1"),
    ]);
    assert_eq!(way(&both, "http://git.example/x").as_deref(), Some("http://plain:3128/"));
    assert_eq!(way(&both, "https://git.example/x").as_deref(), Some("http://tls:3129/"));
    let (harness, _) = net(&[("HARNESS_HTTPS_PROXY", "http://h:1"), ("HARNESS_NO_PROXY", "inner.example")]);
    assert_eq!(way(&harness, "https://git.example/").as_deref(), Some("http://h:1/"));
    assert_eq!(way(&harness, "https://a.inner.example/"), None);
    assert_eq!(way(&harness, "http://git.example/"), None);
}

#[test]
fn no_proxy_means_domains_networks_addresses_and_ports() {
    let is_direct = |no: &str, address: &str| {
        let (net, _) = net(&[("HTTP_PROXY", "p:1"), ("HTTPS_PROXY", "p:1"), ("NO_PROXY", no)]);
        way(&net, address).is_none()
    };
    for (no, address) in [
        ("*", "https://anything.example/"),
        ("a.example, b.example", "https://b.example/"),
        (".b.example", "https://x.b.example/"),
        ("*.b.example", "https://x.b.example/"),
        ("B.Example", "https://b.example:8443/"),
        ("b.example:8443", "https://b.example:8443/"),
        ("10.0.0.0/8", "http://10.96.0.1/"),
        ("10.96.0.1", "http://10.96.0.1:8080/"),
        ("fd00::/8", "http://[fd00::1]/"),
        ("fd00::1", "http://[fd00::1]/"),
        ("0.0.0.0/0", "http://192.0.2.1/"),
    ] {
        assert!(is_direct(no, address), "{no} means {address}");
    }
    for (no, address) in [
        ("b.example", "https://notb.example/"),
        ("b.example:8443", "https://b.example/"),
        ("10.0.0.0/8", "http://11.0.0.1/"),
        ("10.0.0.0/40", "http://10.0.0.1/"),
        ("10.96.0.1", "http://10.96.0.11/"),
        ("fd00::/8", "http://10.0.0.1/"),
        (",", "https://b.example/"),
    ] {
        assert!(!is_direct(no, address), "{no} does not mean {address}");
    }
}

#[test]
fn a_proxy_that_cannot_be_used_is_one_problem_without_its_password() {
    let (_, problems) = net(&[("HTTPS_PROXY", "socks5://me:s3cret@host:1")]);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("HTTPS_PROXY: expected a proxy such as"), "{problems:?}");
    assert!(!problems[0].contains("s3cret"));
}

#[test]
fn in_words_a_proxy_has_no_password() {
    let (net, _) = net(&[("HTTPS_PROXY", "http://me:s3cret@proxy:3128")]);
    let words = net.proxy_in_words(&Url::parse("https://git.example").unwrap());
    assert_eq!(words.as_deref(), Some("`http://proxy:3128` (HTTPS_PROXY)"));
    assert!(!format!("{net:?}").contains("s3cret"));
}

#[test]
fn a_ca_file_without_certificates_is_one_problem() {
    let (_, problems) = net(&[("PLUGIN_CA_FILE", "/nowhere/ca.pem")]);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with(
        "PLUGIN_CA_FILE: expected a file with certificates in PEM; `/nowhere/ca.pem` cannot be read"
    ));
    let key = "-----BEGIN PRIVATE KEY-----\\nAAAA\\n-----END PRIVATE KEY-----";
    let (_, problems) = net(&[("PLUGIN_CA_FILE", key)]);
    assert!(problems[0].ends_with("the text has none (`-----BEGIN CERTIFICATE-----`)"), "{problems:?}");
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
    assert_eq!(net_problems(broken).len(), 1);
}

fn net_problems(ca: &str) -> Vec<String> {
    net(&[("PLUGIN_CA_FILE", ca)]).1
}
