//! When a request is sent again, and after which pause. Pure, but for the clock of `Retry-After` dates.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::{rfc2822, strtime};
use reqwest::Method;

use super::Reply;
use crate::jitter::jittered;

/// A server may ask for more; a run that waits longer looks dead.
const LONGEST_PAUSE: Duration = Duration::from_secs(65);
/// Runs that were told the same moment do not come at the same moment.
const SPREAD: Duration = Duration::from_millis(250);

/// The pause before the next try, if the answer is one after which there may be a next.
pub(super) fn pause_asked_for(method: &Method, reply: &Reply, tried: u32) -> Option<Duration> {
    let asked = reply.header("retry-after").and_then(|text| asked_for(text, Timestamp::now()));
    let is_get = *method == Method::GET;
    let may_pass = match reply.status {
        // Refused unread.
        429 => true,
        // A gateway says 503 also when a server broke off in mid-work; only one that names a time has surely not begun.
        503 => is_get || asked.is_some(),
        502 | 504 => is_get,
        _ => false,
    };
    may_pass.then(|| {
        asked.map_or_else(|| backoff(tried), |pause| pause.min(LONGEST_PAUSE) + jittered(SPREAD) - SPREAD)
    })
}

/// 0.25 s, 0.5 s, 1 s, plus up to as much again so that parallel runs do not knock together.
pub(super) fn backoff(tried: u32) -> Duration {
    jittered(Duration::from_millis(250) * 2_u32.saturating_pow(tried - 1))
}

/// `Retry-After`: seconds, or a date in any of the three forms of RFC 9110, section 5.6.7. A moment that is past means no pause.
fn asked_for(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let of_format = |format| {
        strtime::parse(format, text).and_then(|time| time.to_datetime()?.to_zoned(jiff::tz::TimeZone::UTC))
    };
    let date = rfc2822::DateTimeParser::new()
        .relaxed_weekday(true)
        .parse_zoned(text)
        .or_else(|_| of_format("%A, %d-%b-%y %H:%M:%S GMT"))
        .or_else(|_| of_format("%a %b %e %H:%M:%S %Y"))
        .ok()?;
    Some(Duration::try_from(date.timestamp().duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, headers: &[(&'static str, &str)]) -> Reply {
        Reply::of(status, headers, "")
    }

    #[test]
    fn only_what_is_safe_is_repeated() {
        let pause = |method, status| pause_asked_for(&method, &reply(status, &[]), 1).is_some();
        assert!(pause(Method::POST, 429));
        assert!(pause(Method::GET, 502) && pause(Method::GET, 503) && pause(Method::GET, 504));
        assert!(!pause(Method::POST, 502), "the server behind the gateway may have acted");
        assert!(!pause(Method::POST, 503) && !pause(Method::PATCH, 504));
        assert!(!pause(Method::GET, 404) && !pause(Method::GET, 500));
        let asked = reply(503, &[("retry-after", "2")]);
        assert!(
            pause_asked_for(&Method::POST, &asked, 1).is_some(),
            "a server that names a time has not begun"
        );
    }

    #[test]
    fn waits_as_long_as_the_server_asks_and_no_longer_than_65_s() {
        let pause = |text| pause_asked_for(&Method::GET, &reply(429, &[("retry-after", text)]), 1).unwrap();
        assert!((Duration::from_secs(7)..Duration::from_millis(7500)).contains(&pause("7")));
        assert!(pause("86400") < LONGEST_PAUSE + SPREAD);
        assert!(pause("Sun, 06 Nov 2094 08:49:37 GMT") >= LONGEST_PAUSE);
        assert!(pause("soon") <= Duration::from_millis(500), "what says nothing is a usual pause");
    }

    #[test]
    fn reads_the_three_forms_of_a_date() {
        let now: Timestamp = "1994-11-06T08:49:00Z".parse().unwrap();
        for text in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(asked_for(text, now), Some(Duration::from_secs(37)), "{text}");
        }
        assert_eq!(asked_for("Sun, 06 Nov 1994 08:48:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(asked_for("-1", now), None);
    }
}
