//! How texts are taken apart for the forms of a report. Messages put literals into backticks; Markdown and HTML show these as
//! code. Knows no form; called by each of them.

/// A piece of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span<'a> {
    Plain(&'a str),
    /// What stood between two backticks.
    Code(&'a str),
}

/// A text as plain and code, in turn. One whose backticks are no pairs, or hold nothing or a line break, is plain as it stands.
pub(super) fn spans(text: &str) -> Vec<Span<'_>> {
    let pieces: Vec<&str> = text.split('`').collect();
    let is_code = |index: usize| index % 2 == 1;
    let is_strange =
        |(index, piece): (usize, &&str)| is_code(index) && (piece.trim().is_empty() || piece.contains('\n'));
    if pieces.len().is_multiple_of(2) || pieces.iter().enumerate().any(is_strange) {
        return vec![Span::Plain(text)];
    }
    let pieces = pieces.into_iter().enumerate().filter(|(_, piece)| !piece.is_empty());
    pieces.map(|(index, piece)| if is_code(index) { Span::Code(piece) } else { Span::Plain(piece) }).collect()
}

/// The first line, and all others as they stand: a plan follows the sentence that announces it.
pub(super) fn first_and_rest(text: &str) -> (&str, Option<&str>) {
    text.trim_end().split_once('\n').map_or((text.trim_end(), None), |(first, rest)| (first, Some(rest)))
}

/// The text in one line.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text in one line of at most `width` characters. Words are cut at their end; of a key, an address or a digest both ends
/// are kept, because the last part tells most.
pub(super) fn cut(text: &str, width: usize) -> String {
    let text = one_line(text);
    let length = text.chars().count();
    if length <= width {
        return text;
    }
    let (head, tail) = if text.contains(' ') { (width - 1, 0) } else { (width / 3, width - 1 - width / 3) };
    let first: String = text.chars().take(head).collect();
    let last: String = text.chars().skip(length - tail).collect();
    format!("{first}…{last}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backticks_in_pairs_are_code() {
        assert_eq!(
            spans("set `a`, not `b`"),
            [Span::Plain("set "), Span::Code("a"), Span::Plain(", not "), Span::Code("b")]
        );
        for text in ["one ` alone", "empty `` here", "`two\nlines`"] {
            assert_eq!(spans(text), [Span::Plain(text)]);
        }
    }

    #[test]
    fn words_are_cut_at_the_end_and_keys_in_the_middle() {
        assert_eq!(cut("short\n text", 20), "short text");
        assert_eq!(cut("helm failed and said much more", 12), "helm failed…");
        assert_eq!(cut("engenharia/bundle/apo/tttm120.rpo", 19), "engenh…/tttm120.rpo");
        assert_eq!(cut("çççççççççççç", 4).chars().count(), 4);
    }
}
