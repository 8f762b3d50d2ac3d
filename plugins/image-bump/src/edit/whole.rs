//! A file that holds one version and nothing else, such as `VERSION`. White space around it stays as found, the final newline above all.

use super::{Edit, Refusal};

/// The edit that makes `content` hold `version`.
///
/// # Errors
/// When the file holds more than one line.
pub fn edit(content: &[u8], version: &str) -> Result<Option<Edit>, Vec<Refusal>> {
    let old = content.trim_ascii();
    let start = content.len() - content.trim_ascii_start().len();
    // An empty file has its newline, if any, after the version.
    let start = if old.is_empty() { 0 } else { start };
    let line = content.iter().take(start).filter(|byte| **byte == b'\n').count() + 1;
    if let Some(more) =
        old.split(|byte| *byte == b'\n').skip(1).position(|line| !line.trim_ascii().is_empty())
    {
        let reason = "a second line, where one version and nothing else was expected";
        return Err(vec![Refusal::at(line + more + 1, reason)]);
    }
    if old == version.as_bytes() {
        return Ok(None);
    }
    Ok(Some(Edit {
        name: String::new(),
        line,
        old: String::from_utf8_lossy(old).into_owned(),
        new: version.to_owned(),
        span: start..start + old.len(),
        text: version.to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::super::splice;
    use super::*;

    fn becomes(content: &str) -> String {
        let edits: Vec<Edit> = edit(content.as_bytes(), "1.1.0").unwrap().into_iter().collect();
        String::from_utf8(splice(content.as_bytes(), &edits)).unwrap()
    }

    #[test]
    fn the_end_of_the_file_stays_as_found() {
        for (before, after) in [
            ("1.0.0\n", "1.1.0\n"),
            ("1.0.0", "1.1.0"),
            ("1.0.0\r\n", "1.1.0\r\n"),
            ("1.0.0\n\n", "1.1.0\n\n"),
            ("", "1.1.0"),
            ("\n", "1.1.0\n"),
            ("1.1.0\n", "1.1.0\n"),
        ] {
            assert_eq!(becomes(before), after, "{before:?}");
        }
    }

    #[test]
    fn lines_above_are_counted() {
        assert_eq!(edit(b"\r\n 1.0.0 \r\n", "1.1.0").unwrap().unwrap().line, 2);
        assert_eq!(edit(b"\n1.0.0\n\nmore\n", "1.1.0").unwrap_err()[0].line, Some(4));
    }

    #[test]
    fn a_file_with_more_in_it_is_refused() {
        assert_eq!(edit(b"1.0.0\nbuilt by hand\n", "1.1.0").unwrap_err()[0].line, Some(2));
    }
}
