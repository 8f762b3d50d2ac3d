//! Cron expressions, as the CI servers read them: how many fields, what is surely not meant, and when they next come round. No IO.

use croner::parser::{CronParser, Seconds, Year};
use jiff::Zoned;

use super::settings::Kind;
use crate::settings::parse::Parsed;

/// Shorthands of robfig/cron and gdgvda/cron, which Drone and Woodpecker use; Jenkins has most of them too.
const SHORTHANDS: [&str; 7] =
    ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

/// How many fields an expression has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fields {
    /// Minute, hour, day of the month, month, day of the week.
    Five,
    /// The same with the second in front.
    Six,
}

/// An expression that this kind of server takes. Woodpecker's depends on its version, which is not known here: before version 3 it is Drone's.
///
/// # Errors
/// What was expected.
pub(super) fn checked(kind: Option<Kind>, value: &str) -> Parsed<String> {
    let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
    match kind {
        Some(Kind::Drone) => in_fields(Fields::Six, &value)?,
        Some(Kind::Woodpecker) if value.split(' ').count() == 6 => in_fields(Fields::Six, &value)?,
        Some(Kind::Woodpecker) => in_fields(Fields::Five, &value)?,
        Some(Kind::Jenkins) => for_jenkins(&value)?,
        None => {}
    }
    Ok(value)
}

/// Whether an expression of so many fields is one.
///
/// # Errors
/// What was expected.
pub(super) fn in_fields(fields: Fields, value: &str) -> Parsed<()> {
    if value.starts_with('@') {
        return match SHORTHANDS.contains(&value) || value.starts_with("@every ") {
            true => Ok(()),
            false => {
                Err(format!("{} or `@every 12h`", SHORTHANDS.map(|name| format!("`{name}`")).join(", ")))
            }
        };
    }
    let parts: Vec<&str> = value.split(' ').collect();
    match (fields, parts.len()) {
        (Fields::Five, 5) | (Fields::Six, 6) => {}
        // robfig/cron takes the day of the week for optional, and reads five fields from the second on.
        (Fields::Six, 5) => {
            return Err(format!(
                "six fields, the first of which is the second: with five, the minute would be read as the second; `0 {value}` may be meant"
            ));
        }
        (Fields::Six, _) => {
            return Err(
                "six fields: second, minute, hour, day, month, day of the week, such as `0 0 10 * * 4`"
                    .to_owned(),
            );
        }
        (Fields::Five, 6) => {
            return Err(format!(
                "five fields: minute, hour, day, month, day of the week; without the second it is `{}`",
                parts[1..].join(" ")
            ));
        }
        (Fields::Five, _) => {
            return Err(
                "five fields: minute, hour, day, month, day of the week, such as `0 10 * * 4`".to_owned()
            );
        }
    }
    if fields == Fields::Six && parts[0].parse::<u8>().is_err() {
        let meant = match parts[1] {
            "*" => format!("0 0 {}", parts[2..].join(" ")),
            _ => format!("0 {}", parts[1..].join(" ")),
        };
        return Err(format!(
            "one second in the first field of six: `{}` there starts a build in many seconds of the minute; `{meant}` may be meant",
            parts[0]
        ));
    }
    let known = |c: char| c.is_ascii_alphanumeric() || "*/,-? ".contains(c);
    // `L` and `W`, which other crons have, are unknown to these.
    let are_names = value.split(|c: char| !c.is_ascii_alphabetic()).all(|name| matches!(name.len(), 0 | 3));
    if !value.chars().all(known) || !are_names {
        return Err("an expression of numbers, names, `*`, `/`, `,`, `-` and `?`".to_owned());
    }
    if parts.last().is_some_and(|day| day.contains('7')) {
        return Err("a day of the week from 0 (Sunday) to 6".to_owned());
    }
    parsed(fields, value).map(drop)
}

/// Jenkins reads five fields too, and `H` for a number that differs from job to job.
fn for_jenkins(value: &str) -> Parsed<()> {
    let is_plain = value.chars().all(|c| c.is_ascii_alphanumeric() || "*/,-()@ ".contains(c));
    if !is_plain {
        return Err("an expression such as `H 10 * * 4`".to_owned());
    }
    if value.starts_with('@') {
        return match SHORTHANDS.contains(&value) {
            true => Ok(()),
            false => Err(SHORTHANDS.map(|name| format!("`{name}`")).join(", ")),
        };
    }
    match (value.split(' ').count(), value.contains('H')) {
        (5, true) => Ok(()),
        (5, false) => parsed(Fields::Five, value).map(drop),
        (6, _) => in_fields(Fields::Five, value),
        _ => Err("five fields: minute, hour, day, month, day of the week, such as `H 10 * * 4`".to_owned()),
    }
}

fn parsed(fields: Fields, value: &str) -> Parsed<croner::Cron> {
    let seconds = if fields == Fields::Six { Seconds::Required } else { Seconds::Disallowed };
    let parser = CronParser::builder().seconds(seconds).year(Year::Disallowed).build();
    parser.parse(&value.replace('?', "*")).map_err(|error| format!("a cron expression ({error})"))
}

/// The next times after `from`; none where they cannot be told (`@every`, Jenkins' `H`).
pub(super) fn next_times(value: &str, from: &Zoned, count: usize) -> Vec<Zoned> {
    let fields = if value.split(' ').count() == 6 { Fields::Six } else { Fields::Five };
    let value = match value {
        "@midnight" => "@daily",
        other => other,
    };
    match parsed(fields, value) {
        Ok(cron) => cron.iter_after(from.clone()).take(count).collect(),
        Err(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(kind: Kind, value: &str) -> String {
        checked(Some(kind), value).unwrap_err()
    }

    #[test]
    fn the_first_of_drones_six_fields_is_the_second() {
        assert_eq!(checked(Some(Kind::Drone), "0 0 10  * * 4"), Ok("0 0 10 * * 4".to_owned()));
        assert!(refused(Kind::Drone, "* 0 10 * * 4").ends_with("`0 0 10 * * 4` may be meant"));
        assert!(refused(Kind::Drone, "* * 10 * * 4").ends_with("`0 0 10 * * 4` may be meant"));
        assert!(refused(Kind::Drone, "0 10 * * 4").ends_with("`0 0 10 * * 4` may be meant"));
        assert!(refused(Kind::Drone, "*/5 0 10 * * 4").contains("one second"));
        assert_eq!(checked(Some(Kind::Drone), "@weekly"), Ok("@weekly".to_owned()));
        for wrong in ["0 0 25 * * 4", "0 0 10 * * 7", "0 0 10 L * *", "@sometimes", "soon"] {
            refused(Kind::Drone, wrong);
        }
    }

    #[test]
    fn the_others_read_five() {
        assert_eq!(checked(Some(Kind::Woodpecker), "0 10 * * THU"), Ok("0 10 * * THU".to_owned()));
        assert!(in_fields(Fields::Five, "0 0 10 * * 4").unwrap_err().contains("`0 10 * * 4`"));
        assert!(checked(Some(Kind::Jenkins), "H H(8-11) * * 7").is_ok());
        assert!(refused(Kind::Jenkins, "0 0 10 * * 4").contains("`0 10 * * 4`"));
        refused(Kind::Jenkins, "0 10 * * 4') } } evil");
    }

    #[test]
    fn says_when_it_comes_round() {
        let from: Zoned = "2026-08-27T12:00[UTC]".parse().unwrap();
        let times = |text: &str| -> Vec<String> {
            next_times(text, &from, 2).iter().map(|time| time.strftime("%F %T").to_string()).collect()
        };
        assert_eq!(times("0 0 10 * * 4"), ["2026-09-03 10:00:00", "2026-09-10 10:00:00"]);
        assert_eq!(times("0 10 * * ?"), ["2026-08-28 10:00:00", "2026-08-29 10:00:00"]);
        assert_eq!(times("@midnight"), ["2026-08-28 00:00:00", "2026-08-29 00:00:00"]);
        assert!(times("@every 3h").is_empty());
    }
}
