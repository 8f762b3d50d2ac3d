//! How a text is written as a YAML scalar. The quotes of the value before are kept; a plain value gets quotes when without them a reader
//! would take it for something else than text – a reader of YAML 1.1, because Helm is one (`1.10` would become the number 1.1, `no` false).

use saphyr_parser::ScalarStyle;

const WORDS: [&str; 10] = ["~", "null", "true", "false", "yes", "no", "on", "off", "y", "n"];

/// The text as a scalar in the given style, on one line; none for styles that are not edited.
#[must_use]
pub(super) fn written(text: &str, style: ScalarStyle) -> Option<String> {
    match style {
        ScalarStyle::Plain if is_plain_text(text) => Some(text.to_owned()),
        ScalarStyle::SingleQuoted => Some(format!("'{}'", text.replace('\'', "''"))),
        ScalarStyle::Plain | ScalarStyle::DoubleQuoted => {
            Some(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
        }
        ScalarStyle::Literal | ScalarStyle::Folded => None,
    }
}

/// How many bytes a quoted scalar at the beginning of `source` takes, with its quotes.
#[must_use]
pub(super) fn quoted_length(source: &str) -> Option<usize> {
    let quote = source.chars().next()?;
    let mut is_escaped = false;
    for (index, char) in source.char_indices().skip(1) {
        let is_doubled = quote == '\'' && source.get(index + 1..).is_some_and(|rest| rest.starts_with(quote));
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' if quote == '"' => is_escaped = true,
            _ if char == quote && is_doubled => is_escaped = true,
            _ if char == quote => return Some(index + 1),
            _ => {}
        }
    }
    None
}

/// Whether a plain value is a text, and no number, date, truth value or nothing at all.
#[must_use]
pub(super) fn is_text(plain: &str) -> bool {
    !plain.is_empty() && !is_number(plain) && !WORDS.contains(&plain.to_ascii_lowercase().as_str())
}

/// Whether every reader takes it for this text when it stands without quotes, inside `[]` and `{}` too. Rather too strict than too lax:
/// quotes around what did not need them do no harm.
fn is_plain_text(text: &str) -> bool {
    let is_harmless =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '@' | '+' | ':');
    let begins_well = text.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '_'));
    let is_one_word = text.chars().all(is_harmless) && begins_well && !text.ends_with(':');
    is_one_word && is_text(text)
}

/// Numbers, dates and times of YAML 1.1 and 1.2, and a little more: anything with at most one dot that begins with a digit or a dot and is
/// made of what they are made of. So `1.2.3` is none, and `1.10`, `0123`, `1e5`, `1_000`, `12:30`, `2026-11-22` and `0x1F` are.
fn is_number(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    if matches!(lower.as_str(), ".inf" | ".nan") {
        return true;
    }
    for (prefix, digits) in [("0x", "0123456789abcdef_"), ("0o", "01234567_"), ("0b", "01_")] {
        if lower.strip_prefix(prefix).is_some_and(|rest| rest.chars().all(|c| digits.contains(c))) {
            return true;
        }
    }
    let begins_so = lower.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let is_made_so = lower.chars().all(|c| c.is_ascii_digit() || ".e+-_:tz".contains(c));
    begins_so && is_made_so && lower.matches('.').count() <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_added_only_where_a_plain_value_would_not_be_a_text() {
        for text in [
            "1.2.3",
            "12.1.2310",
            "v1.10",
            "12.1.2310-1a2b3c4d",
            "1.0.0+build.7",
            "registry/app:1.10",
            "sha256:aa",
            "latest",
            "12-rc1",
        ] {
            assert_eq!(written(text, ScalarStyle::Plain).as_deref(), Some(text));
        }
        for text in [
            "1.10",
            "12.10",
            "true",
            "No",
            "0123",
            "1e5",
            "1E+5",
            "12e4567",
            "",
            "~",
            "null",
            ".5",
            "5.",
            ".inf",
            ".NaN",
            "1_000",
            "12:30",
            "0x1F",
            "0o17",
            "0b1",
            "2026-11-22",
            "2026-11-22T10:00:00Z",
            "20261122",
            "+1",
            "-1",
            "=",
            "a: b",
            "a #b",
            "a:",
            "[a]",
            "{a",
            "a,b",
            "*a",
            "&a",
            "!a",
            "|",
            "y",
            "é",
        ] {
            assert_eq!(written(text, ScalarStyle::Plain), Some(format!("\"{text}\"")), "{text}");
        }
    }

    #[test]
    fn quotes_are_kept_and_their_like_inside_escaped() {
        assert_eq!(written("1.2", ScalarStyle::SingleQuoted).as_deref(), Some("'1.2'"));
        assert_eq!(written("it's", ScalarStyle::SingleQuoted).as_deref(), Some("'it''s'"));
        assert_eq!(written("a\"b\\c", ScalarStyle::DoubleQuoted).as_deref(), Some("\"a\\\"b\\\\c\""));
        assert_eq!(written("x", ScalarStyle::Literal), None);
    }

    #[test]
    fn a_quoted_value_ends_at_its_own_quote() {
        for (source, value) in [
            ("'a' # it's", "'a'"),
            ("'it''s' # c", "'it''s'"),
            ("''", "''"),
            ("\"a\\\"b\" # \"", "\"a\\\"b\""),
            ("\"a\\\\\" # \"", "\"a\\\\\""),
            ("\"é\"", "\"é\""),
        ] {
            assert_eq!(quoted_length(source), Some(value.len()), "{source}");
        }
        assert_eq!(quoted_length("'a"), None);
    }
}
