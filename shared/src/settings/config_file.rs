//! The user's `.config` file: `KEY=VALUE` lines with the team's own Portuguese keys. It supplies defaults to the plugins whose
//! settings name a `.config` key.

use std::collections::BTreeMap;

use super::Problems;

/// Reads `KEY=VALUE` lines. `#` begins a comment line; one pair of quotes around a value is taken off.
#[must_use]
pub fn read(text: &str, problems: &mut Problems) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = format!(".config line {}", index + 1);
        let Some((key, value)) = line.split_once('=') else {
            problems.add(place, "expected `KEY=VALUE` or a `#` comment");
            continue;
        };
        let key = key.trim().to_uppercase();
        if values.insert(key.clone(), unquoted(value.trim()).to_owned()).is_some() {
            problems.add(place, format!("`{key}` is set twice; which one is meant?"));
        }
    }
    values
}

fn unquoted(value: &str) -> &str {
    ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote)).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_comments_quotes_and_windows_line_ends() {
        let mut problems = Problems::default();
        let values = read("# weekly\r\nRELEASE = \"12.1.2310\"\r\n\r\nGERAMI='true'\r\n", &mut problems);
        assert_eq!(problems, Problems::default());
        assert_eq!(values["RELEASE"], "12.1.2310");
        assert_eq!(values["GERAMI"], "true");
    }

    #[test]
    fn names_the_lines_it_cannot_use() {
        let mut problems = Problems::default();
        let _ = read("RELEASE=1\njust words\nRELEASE=2\n", &mut problems);
        let places: Vec<_> = problems.0.iter().map(|problem| problem.name.as_str()).collect();
        assert_eq!(places, [".config line 2", ".config line 3"]);
    }
}
