//! Finds the place in an index's text where an entry goes. A YAML parser says where things stand, so that quotes, comments and block texts cannot
//! mislead; whatever stands in an unusual form is refused.

use std::ops::Range;

use saphyr_parser::{Event, Parser, Span, StrInput};

/// Where an entry goes; positions are byte offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Before the first item of the chart's list, whose dash stands in this column.
    Item { at: usize, column: usize },
    /// A chart of its own: before the next one by name, or after the last one.
    Chart { at: usize, column: usize },
    /// The chart is there, with an empty list as its value.
    EmptyChart { value: Range<usize>, column: usize },
    /// `entries` is there, with nothing in it.
    EmptyEntries { value: Range<usize> },
}

/// Finds the place for an entry of the chart `name`.
///
/// # Errors
/// What cannot be spliced, in words.
pub(super) fn find(text: &str, name: &str) -> Result<Place, String> {
    let mut walk = Walk { text, parser: Parser::new_from_str(text) };
    let (mut event, mut span) = walk.next()?;
    while matches!(event, Event::StreamStart | Event::DocumentStart(_)) {
        (event, span) = walk.next()?;
    }
    if !matches!(event, Event::MappingStart(..)) || walk.byte_at(span.start.index()) == Some(b'{') {
        return Err("it is written as JSON or in braces".to_owned());
    }
    loop {
        let (event, span) = walk.next()?;
        let key = match event {
            Event::Scalar(key, ..) => key,
            Event::MappingEnd => return Err("it has no `entries`".to_owned()),
            _ => return Err("one of its fields has no plain name".to_owned()),
        };
        if key == "entries" {
            return walk.entries(name, &span);
        }
        walk.skip()?;
    }
}

/// What stands as the value of a key.
enum Node {
    /// Nothing: no value, `null`, `{}` or `[]`.
    Empty(Range<usize>),
    /// A map or list in lines that begins here; the parser is before its first key or item.
    Block(usize),
}

struct Walk<'a> {
    text: &'a str,
    parser: Parser<'a, StrInput<'a>>,
}

impl<'a> Walk<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), String> {
        match self.parser.next() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(format!("it is no YAML: {error}")),
            None => Err("it ends too early".to_owned()),
        }
    }

    /// Passes one whole node.
    fn skip(&mut self) -> Result<(), String> {
        let mut depth = 0_usize;
        loop {
            match self.next()?.0 {
                Event::MappingStart(..) | Event::SequenceStart(..) => depth += 1,
                Event::MappingEnd | Event::SequenceEnd => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    /// The value of `key`, which must be a map or list in lines, or nothing.
    fn value(&mut self, what: &str, key: &Span) -> Result<Node, String> {
        let start = self.value_start(key);
        let rest = &self.text[start..];
        let (event, span) = self.next()?;
        match event {
            Event::Scalar(text, ..) if text.is_empty() => {
                let after_colon = self.after_colon(key);
                Ok(Node::Empty(after_colon..after_colon))
            }
            Event::Scalar(text, ..) if matches!(&*text, "null" | "~") => {
                Ok(Node::Empty(start..self.byte(span.end.index())))
            }
            Event::MappingStart(..) | Event::SequenceStart(..) if rest.starts_with(['{', '[']) => {
                let (end, span) = self.next()?;
                // The span reaches to the next word; only its first character is the closing one.
                let last = self.byte(span.start.index());
                let is_end = matches!(end, Event::MappingEnd | Event::SequenceEnd)
                    && self.text[last..].starts_with(['}', ']']);
                if is_end {
                    Ok(Node::Empty(start..last + 1))
                } else {
                    Err(format!("{what} is written in braces or brackets"))
                }
            }
            Event::MappingStart(..) | Event::SequenceStart(..) => Ok(Node::Block(start)),
            _ => Err(format!("{what} is neither a list nor a map in lines")),
        }
    }

    /// Where a value itself begins: behind its key, comments, anchor and tag. The parser's own position of a list is sometimes that of its anchor.
    fn value_start(&self, key: &Span) -> usize {
        let mut rest = self.text[self.after_colon(key)..].trim_start();
        while rest.starts_with(['#', '&', '!']) {
            let is_end = |c: char| if rest.starts_with('#') { c == '\n' } else { c.is_whitespace() };
            rest = rest.find(is_end).map_or("", |length| rest[length..].trim_start());
        }
        self.text.len() - rest.len()
    }

    fn after_colon(&self, key: &Span) -> usize {
        let key_end = self.byte(key.end.index());
        self.text[key_end..].find(':').map_or(key_end, |length| key_end + length + 1)
    }

    fn entries(&mut self, name: &str, key: &Span) -> Result<Place, String> {
        match self.value("`entries`", key)? {
            Node::Empty(value) => return Ok(Place::EmptyEntries { value }),
            Node::Block(_) => {}
        }
        // Names are in order in what helm writes; a new one goes before the first that is greater.
        let mut next_chart = None;
        let mut column = None;
        loop {
            let (event, span) = self.next()?;
            let key = match event {
                Event::Scalar(key, ..) => key,
                Event::MappingEnd => break,
                _ => return Err("one of the charts has no plain name".to_owned()),
            };
            column.get_or_insert(span.start.col());
            if key == name {
                return self.chart(name, &span);
            }
            if next_chart.is_none() && *key > *name {
                next_chart = Some(span);
            }
            self.skip()?;
        }
        let column = column.ok_or_else(|| "`entries` is no map in lines".to_owned())?;
        let at = match next_chart {
            Some(span) => self.above_comments(self.byte(span.start.index()), column),
            None => self.end_of_entries()?,
        };
        Ok(Place::Chart { at, column })
    }

    fn chart(&mut self, name: &str, key: &Span) -> Result<Place, String> {
        match self.value(&format!("the list of `{name}`"), key)? {
            Node::Empty(value) => Ok(Place::EmptyChart { value, column: key.start.col() }),
            Node::Block(dash) => {
                let column = dash - self.line_start(dash);
                let is_dash =
                    self.text[dash..].starts_with('-') && self.text[dash - column..dash].trim().is_empty();
                if is_dash {
                    Ok(Place::Item { at: self.above_comments(dash, column), column })
                } else {
                    Err(format!("`{name}` has no list in lines"))
                }
            }
        }
    }

    /// After the last chart: where the next field of the index begins, or where the text ends.
    fn end_of_entries(&mut self) -> Result<usize, String> {
        let (event, span) = self.next()?;
        match event {
            Event::MappingEnd => Ok(self.text.len()),
            _ => Ok(self.above_comments(self.byte(span.start.index()), span.start.col())),
        }
    }

    /// The start of the line that `at` is in, or of the comments right above it that are indented alike: they belong to what follows them. A block text
    /// of the chart before cannot be mistaken for one, being indented further.
    fn above_comments(&self, at: usize, column: usize) -> usize {
        let mut start = self.line_start(at);
        while start > 0 {
            let above = self.line_start(start - 1);
            let line = &self.text[above..start];
            if line.len() - line.trim_start_matches(' ').len() != column
                || !line.trim_start().starts_with('#')
            {
                break;
            }
            start = above;
        }
        start
    }

    fn line_start(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |end| end + 1)
    }

    fn byte_at(&self, index: usize) -> Option<u8> {
        self.text.as_bytes().get(self.byte(index)).copied()
    }

    /// The parser counts characters, slices count bytes.
    fn byte(&self, index: usize) -> usize {
        self.text.char_indices().nth(index).map_or(self.text.len(), |(byte, _)| byte)
    }
}
