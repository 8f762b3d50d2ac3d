//! Scalars of a YAML file, changed in place: the parser says where a value is, only these bytes are replaced, and the result is parsed
//! again to prove that this value alone is another one. All documents of a file are searched; a path must lead to exactly one value.

mod path;
mod scalar;
mod tree;

use std::collections::BTreeMap;
use std::ops::Range;

use saphyr_parser::{Event, ScalarStyle};

pub use self::path::{KeyPath, Step};
use self::tree::{Node, Tree};
use super::{Edit, Refusal, splice};

/// The edits that set these values.
///
/// # Errors
/// All paths that do not lead to exactly one value that can be changed safely.
pub fn edits(content: &[u8], wanted: &BTreeMap<KeyPath, String>) -> Result<Vec<Edit>, Vec<Refusal>> {
    let text = std::str::from_utf8(content).map_err(|error| {
        let line = content.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count() + 1;
        vec![Refusal::at(line, "is not UTF-8")]
    })?;
    let tree = Tree::parse(text).map_err(|refusal| vec![refusal])?;
    let mut edits = Vec::new();
    let mut changed = BTreeMap::new();
    let mut refusals = Vec::new();
    for (path, new) in wanted {
        match find(&tree, path).and_then(|node| edit(text, &tree, node, path, new).map(|edit| (node, edit))) {
            Ok((_, None)) => {}
            Ok((node, Some(edit))) => {
                edits.push(edit);
                changed.insert(node.event, new.as_str());
            }
            Err(refusal) => refusals.push(refusal),
        }
    }
    if refusals.is_empty() {
        prove(content, &tree, &edits, &changed).map_err(|refusal| vec![refusal])?;
        return Ok(edits);
    }
    Err(refusals)
}

/// The one node that a path leads to.
fn find<'t>(tree: &'t Tree<'_>, path: &KeyPath) -> Result<&'t Node, Refusal> {
    let found: Vec<&Node> = tree.nodes.iter().filter(|node| node.path == path.steps()).collect();
    let (first, others) = found.split_first().ok_or_else(|| absent(tree, path))?;
    if let Some(other) = others.first() {
        let reason = if other.document == first.document {
            "the key is there twice"
        } else {
            "it is in several documents"
        };
        let lines = format!("lines {} and {}", first.line, other.line);
        return Err(Refusal::at(
            other.line,
            format!("which `{path}` is meant cannot be told: {reason} ({lines})"),
        ));
    }
    for length in 1..path.steps().len() {
        let (above, _) = path.steps().split_at(length);
        if let Some(second) = tree.at(first.document, above).nth(1) {
            let above = path::shown(above);
            return Err(Refusal::at(
                second.line,
                format!("`{path}` is ambiguous: the key `{above}` is there twice"),
            ));
        }
    }
    Ok(first)
}

/// Why a path leads nowhere: it ends at an alias, it may be inherited through a merge key, or it is just not there.
fn absent(tree: &Tree<'_>, path: &KeyPath) -> Refusal {
    for length in (0..path.steps().len()).rev() {
        let (above, _) = path.steps().split_at(length);
        let Some(node) = tree.nodes.iter().find(|node| node.path == above) else { continue };
        let shown = path::shown(above);
        match tree.events.get(node.event) {
            Some(Event::Alias(_)) => {
                return Refusal::at(node.line, format!("`{path}` is not written out: `{shown}` is an alias"));
            }
            Some(Event::Scalar(..)) => {
                return Refusal::at(node.line, format!("there is no `{path}`: `{shown}` is a single value"));
            }
            _ => {}
        }
        let merge: Vec<Step> = above.iter().cloned().chain([Step::Key("<<".to_owned())]).collect();
        if let Some(merge) = tree.at(node.document, &merge).next() {
            return Refusal::at(
                merge.line,
                format!("`{path}` is not written out, only inherited through a merge key `<<`"),
            );
        }
        let (_, below) = path.steps().split_at(length);
        let step = path::shown(below.get(..1).unwrap_or_default());
        return match above {
            [] => Refusal::of_file(format!("there is no `{path}`: the file has no `{step}`")),
            _ => Refusal::at(node.line, format!("there is no `{path}`: `{shown}` has no `{step}`")),
        };
    }
    Refusal::of_file(format!("there is no `{path}`: the file is empty"))
}

/// The edit of one node; none if it has the value already, as a text.
fn edit(
    text: &str,
    tree: &Tree<'_>,
    node: &Node,
    path: &KeyPath,
    new: &str,
) -> Result<Option<Edit>, Refusal> {
    let refused = |reason: String| Err(Refusal::at(node.line, format!("`{path}` {reason}")));
    let (old, style, is_tagged) = match tree.events.get(node.event) {
        Some(Event::Scalar(_, ScalarStyle::Literal | ScalarStyle::Folded, ..)) => {
            return refused("is a block of lines".into());
        }
        Some(Event::Scalar(_, _, _, Some(tag))) if !tag.is_yaml_core_schema() || tag.suffix != "str" => {
            return refused(format!("has the tag `{tag}`"));
        }
        Some(Event::Scalar(old, style, _, tag)) => (old, *style, tag.is_some()),
        Some(Event::Alias(_)) => return refused("is an alias: its value stands elsewhere".into()),
        _ => return refused("is not a single value".into()),
    };
    if let Some(line) = node.anchors.iter().find_map(|anchor| tree.aliased.get(anchor)) {
        return refused(format!("is also the value of an alias in line {line}"));
    }
    // `1.10` without quotes is the number 1.1, so it is changed even though it looks the same.
    let is_text = style != ScalarStyle::Plain || is_tagged || scalar::is_text(old);
    if old == new && is_text {
        return Ok(None);
    }
    let Some(span) = value_span(text, node.span.clone(), old, style) else {
        return refused(if old.is_empty() {
            "has no value yet".into()
        } else {
            "goes over several lines".into()
        });
    };
    let Some(written) = scalar::written(new, style) else { return refused("is a block of lines".into()) };
    Ok(Some(Edit {
        name: path.to_string(),
        line: node.line,
        old: old.to_string(),
        new: new.to_owned(),
        span,
        text: written,
    }))
}

/// The bytes of the value alone, without anchor and tag; none unless they are, on one line, exactly what the parser read.
fn value_span(text: &str, span: Range<usize>, value: &str, style: ScalarStyle) -> Option<Range<usize>> {
    let mut source = text.get(span.clone())?;
    while source.starts_with(['&', '!']) {
        source = source.split_once([' ', '\t'])?.1.trim_start_matches([' ', '\t']);
    }
    let start = span.end - source.len();
    // The parser's span of a quoted value takes in the comment behind it.
    let source = match style {
        ScalarStyle::Plain => source,
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
            source.get(..scalar::quoted_length(source)?)?
        }
        ScalarStyle::Literal | ScalarStyle::Folded => return None,
    };
    let is_the_value = match style {
        ScalarStyle::Plain => !value.is_empty() && source == value,
        // With `''` and `\` the value is written longer than it is; that it is the right one shows when the result is read again.
        _ => !source.contains(['\n', '\r']),
    };
    is_the_value.then(|| start..start + source.len())
}

/// Parses the edited content and compares everything: only the changed values may differ, and only in value and quotes.
fn prove(
    content: &[u8],
    before: &Tree<'_>,
    edits: &[Edit],
    changed: &BTreeMap<usize, &str>,
) -> Result<(), Refusal> {
    let edited = splice(content, edits);
    let failed = || Refusal::of_file("would read differently in other places too after this change");
    let text = std::str::from_utf8(&edited).map_err(|_| failed())?;
    let after = Tree::parse(text)?;
    let is_as_wanted =
        |(index, (old, new)): (usize, (&Event<'_>, &Event<'_>))| match (changed.get(&index), old, new) {
            (
                Some(wanted),
                Event::Scalar(_, old_style, old_anchor, old_tag),
                Event::Scalar(value, style, anchor, tag),
            ) => {
                let is_quoted_now = *old_style == ScalarStyle::Plain && *style == ScalarStyle::DoubleQuoted;
                value == wanted
                    && (style == old_style || is_quoted_now)
                    && (anchor, tag) == (old_anchor, old_tag)
            }
            (Some(_), ..) => false,
            (None, old, new) => old == new,
        };
    let is_same_length = before.events.len() == after.events.len();
    let all_as_wanted = before.events.iter().zip(&after.events).enumerate().all(is_as_wanted);
    if is_same_length && all_as_wanted { Ok(()) } else { Err(failed()) }
}

#[cfg(test)]
mod tests;
