//! Where an answer sends a request, and whether it may go there: never from https to http, never with a secret to another server, and nothing that
//! changes something to another server at all.

use reqwest::header::LOCATION;
use reqwest::{Method, Response};
use url::Url;

/// The address to go on to; none where the answer itself is the result.
pub(super) fn target(method: &Method, from: &Url, response: &Response) -> Option<Url> {
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    followed(method, from, response.status().as_u16(), location)
}

fn followed(method: &Method, from: &Url, status: u16, location: &str) -> Option<Url> {
    let next = from.join(location).ok().filter(|next| matches!(next.scheme(), "http" | "https"))?;
    if from.scheme() == "https" && next.scheme() == "http" {
        return None;
    }
    let may_follow = match status {
        301 | 302 | 303 | 307 | 308 if *method == Method::GET => true,
        // The only two that mean: the same method and body once more.
        307 | 308 => is_same_origin(from, &next),
        _ => false,
    };
    may_follow.then_some(next)
}

/// The same scheme, host and port: only there does a secret go.
pub(super) fn is_same_origin(one: &Url, other: &Url) -> bool {
    one.origin() == other.origin()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(method: Method, status: u16, location: &str) -> Option<String> {
        let from = Url::parse("https://git.example/api/v1/repos").unwrap();
        followed(&method, &from, status, location).map(|next| next.to_string())
    }

    #[test]
    fn what_only_reads_goes_on_but_never_without_tls() {
        assert_eq!(next(Method::GET, 301, "/api/v2").as_deref(), Some("https://git.example/api/v2"));
        assert_eq!(
            next(Method::GET, 302, "https://other.example/x").as_deref(),
            Some("https://other.example/x")
        );
        assert_eq!(next(Method::GET, 302, "http://git.example/api"), None);
        assert_eq!(next(Method::GET, 302, "file:///etc/passwd"), None);
        assert_eq!(next(Method::GET, 201, "/made"), None);
    }

    #[test]
    fn what_changes_something_stays_with_its_server() {
        assert_eq!(next(Method::POST, 307, "/api/v2").as_deref(), Some("https://git.example/api/v2"));
        assert_eq!(next(Method::POST, 308, "https://other.example/x"), None);
        assert_eq!(next(Method::POST, 302, "/api/v2"), None, "it would become a GET");
    }

    #[test]
    fn another_port_or_scheme_is_another_server() {
        let url = |text| Url::parse(text).unwrap();
        assert!(is_same_origin(&url("https://a.example/x"), &url("https://A.example:443/y")));
        for other in
            ["http://a.example/", "https://a.example:8443/", "https://b.example/", "https://a.example.b/"]
        {
            assert!(!is_same_origin(&url("https://a.example/"), &url(other)), "{other}");
        }
    }
}
