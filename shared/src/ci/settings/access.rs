//! Which CI server, and how it is reached: by the settings, or else the one that runs this step. No IO.

use url::Url;

use super::Raw;
use crate::net::Net;
use crate::settings::{Env, Reader, Secret, parse};

/// Which CI server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Drone,
    Woodpecker,
    Jenkins,
}

/// A CI server that can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) kind: Kind,
    pub(crate) url: Url,
    pub(crate) token: Secret,
    pub(crate) user: Option<String>,
    pub(crate) net: Net,
}

/// Reads it; what is missing comes back as setting and reason, for whoever needs it.
pub(super) fn read_access(
    read: &mut Reader<'_>,
    raw: &Raw,
    kind: Option<Kind>,
    env: &Env,
) -> (Option<Access>, Vec<(&'static str, &'static str)>) {
    let url = read.optional("ci_url", raw.ci_url.clone(), parse::url).or_else(|| own_url(kind, env));
    let token = read.optional("ci_token", raw.ci_token.clone(), parse::secret);
    let user = read.optional("ci_user", raw.ci_user.clone(), parse::text);
    let mut lacking = Vec::new();
    if kind.is_none() {
        lacking.push(("ci_server", "which CI server is it? This step runs on none that is known"));
    }
    if url.is_none() {
        lacking.push(("ci_url", "the CI server's address is not in the environment"));
    }
    if token.is_none() {
        lacking.push(("ci_token", "the CI server asks for a token"));
    }
    if user.is_none() && kind == Some(Kind::Jenkins) {
        lacking.push(("ci_user", "Jenkins asks for the user whose token it is"));
    }
    let access = (lacking.is_empty()).then_some(()).and(kind).zip(url).zip(token);
    let net = Net::read(read, env);
    (access.map(|((kind, url), token)| Access { kind, url, token, user, net }), lacking)
}

/// The server that runs this step. Woodpecker also sets some of Drone's variables, so it is asked first.
pub(super) fn guess(env: &Env) -> Option<Kind> {
    if env.variable("CI") == Some("woodpecker") {
        Some(Kind::Woodpecker)
    } else if env.variable("DRONE") == Some("true") {
        Some(Kind::Drone)
    } else {
        env.variable("JENKINS_URL").map(|_| Kind::Jenkins)
    }
}

/// The address that the server gives to its steps, if it is of the kind that is meant: whoever starts a step may set the variables of the others,
/// and the token goes to that address.
pub(super) fn own_url(kind: Option<Kind>, env: &Env) -> Option<Url> {
    let text = match guess(env).filter(|own| Some(*own) == kind)? {
        Kind::Drone => {
            format!("{}://{}", env.variable("DRONE_SYSTEM_PROTO")?, env.variable("DRONE_SYSTEM_HOST")?)
        }
        Kind::Woodpecker => env.variable("CI_SYSTEM_URL")?.to_owned(),
        Kind::Jenkins => env.variable("JENKINS_URL")?.to_owned(),
    };
    parse::url(&text).ok()
}

/// A variable of the server that runs this step, if it is of the kind that is meant.
pub(super) fn own(kind: Option<Kind>, env: &Env, drone: &str, woodpecker: &str) -> Option<String> {
    let name = match guess(env).filter(|own| Some(*own) == kind)? {
        Kind::Drone => drone,
        Kind::Woodpecker => woodpecker,
        Kind::Jenkins => return None,
    };
    env.variable(name).map(str::to_owned)
}

/// Reads a kind of server.
///
/// # Errors
/// When it is none.
pub(super) fn kind(value: &str) -> parse::Parsed<Kind> {
    match value.trim() {
        "drone" => Ok(Kind::Drone),
        "woodpecker" => Ok(Kind::Woodpecker),
        "jenkins" => Ok(Kind::Jenkins),
        _ => Err("`drone`, `woodpecker` or `jenkins`".to_owned()),
    }
}
