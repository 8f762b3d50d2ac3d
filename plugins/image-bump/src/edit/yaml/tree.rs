//! A YAML file as a flat list: every node with its path and place, in the order of the file. Nothing is resolved: an alias is an alias,
//! a merge key a key, and duplicate keys are two nodes with the same path. All documents of the file are in it.

use std::collections::BTreeMap;
use std::ops::Range;

use saphyr_parser::{Event, Parser, Span};

use super::path::Step;
use crate::edit::Refusal;

/// A parsed file.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    /// What the parser said, in order.
    pub(super) events: Vec<Event<'a>>,
    /// Every value that a path can name.
    pub(super) nodes: Vec<Node>,
    /// Anchors that an alias refers to, with the line of the first such alias.
    pub(super) aliased: BTreeMap<usize, usize>,
}

/// A value that a path can name.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Which document of the file, from 0.
    pub(super) document: usize,
    /// Path from the top of the document.
    pub(super) path: Vec<Step>,
    /// Its event.
    pub(super) event: usize,
    /// Line, from 1.
    pub(super) line: usize,
    /// Bytes, with anchor and tag.
    pub(super) span: Range<usize>,
    /// Its own anchor and those of all collections it is in.
    pub(super) anchors: Vec<usize>,
}

/// Where the next event will be put.
struct Frame {
    /// None below a key that is no scalar: no path leads there.
    path: Option<Vec<Step>>,
    anchors: Vec<usize>,
    inside: Inside,
}

enum Inside {
    Document,
    Sequence { next: usize },
    Mapping { key: Option<Option<String>> },
}

impl<'a> Tree<'a> {
    /// Parses a file.
    ///
    /// # Errors
    /// When it is not valid YAML.
    pub(super) fn parse(text: &'a str) -> Result<Self, Refusal> {
        let offsets = Offsets::of(text);
        let mut tree = Self { events: Vec::new(), nodes: Vec::new(), aliased: BTreeMap::new() };
        let mut frames: Vec<Frame> = Vec::new();
        let mut documents = 0;
        for parsed in Parser::new_from_str(text) {
            let (event, span) = parsed.map_err(|error| {
                Refusal::at(error.marker().line(), format!("is not valid YAML: {}", error.info()))
            })?;
            match &event {
                Event::DocumentStart(_) => {
                    frames.push(Frame {
                        path: Some(Vec::new()),
                        anchors: Vec::new(),
                        inside: Inside::Document,
                    });
                    documents += 1;
                }
                Event::DocumentEnd | Event::SequenceEnd | Event::MappingEnd => {
                    frames.pop();
                }
                Event::Scalar(..) | Event::Alias(_) | Event::SequenceStart(..) | Event::MappingStart(..) => {
                    if let Some(frame) = tree.place(&event, span, &offsets, frames.last_mut(), documents - 1)
                    {
                        frames.push(frame);
                    }
                }
                Event::Nothing | Event::StreamStart | Event::StreamEnd => {}
            }
            tree.events.push(event);
        }
        Ok(tree)
    }

    /// Notes a node where `frame` says, and gives the frame of what is inside it, if it is a collection.
    fn place(
        &mut self,
        event: &Event<'_>,
        span: Span,
        offsets: &Offsets,
        frame: Option<&mut Frame>,
        document: usize,
    ) -> Option<Frame> {
        let frame = frame?;
        let path = frame.next_path(event);
        let mut anchors = frame.anchors.clone();
        let line = span.start.line();
        let (anchor, inside) = match event {
            Event::Alias(anchor) => {
                self.aliased.entry(*anchor).or_insert(line);
                (0, None)
            }
            Event::Scalar(_, _, anchor, _) => (*anchor, None),
            Event::SequenceStart(anchor, _) => (*anchor, Some(Inside::Sequence { next: 0 })),
            Event::MappingStart(anchor, _) => (*anchor, Some(Inside::Mapping { key: None })),
            _ => return None,
        };
        // The parser numbers anchors from 1.
        anchors.extend((anchor > 0).then_some(anchor));
        if let Some(path) = &path {
            let span = offsets.byte(span.start.index())..offsets.byte(span.end.index());
            self.nodes.push(Node {
                document,
                path: path.clone(),
                event: self.events.len(),
                line,
                span,
                anchors: anchors.clone(),
            });
        }
        inside.map(|inside| Frame { path, anchors, inside })
    }

    /// The nodes at a path in a document: none, one, or several where keys are duplicate.
    pub(super) fn at<'n>(&'n self, document: usize, path: &'n [Step]) -> impl Iterator<Item = &'n Node> {
        self.nodes.iter().filter(move |node| node.document == document && node.path == path)
    }
}

impl Frame {
    /// The path of the event that comes next in this frame; none for keys, and below keys that are no scalars.
    fn next_path(&mut self, event: &Event<'_>) -> Option<Vec<Step>> {
        let step = match &mut self.inside {
            Inside::Document => None,
            Inside::Sequence { next } => {
                *next += 1;
                Some(Step::Index(*next - 1))
            }
            Inside::Mapping { key } => match key.take() {
                None => {
                    *key = Some(match event {
                        Event::Scalar(text, ..) => Some(text.to_string()),
                        _ => None,
                    });
                    return None;
                }
                Some(name) => Some(Step::Key(name?)),
            },
        };
        let mut path = self.path.clone()?;
        path.extend(step);
        Some(path)
    }
}

/// From the parser's count of characters to bytes.
struct Offsets(Vec<usize>);

impl Offsets {
    fn of(text: &str) -> Self {
        Self(text.char_indices().map(|(offset, _)| offset).chain([text.len()]).collect())
    }

    fn byte(&self, index: usize) -> usize {
        self.0.get(index).or(self.0.last()).copied().unwrap_or(0)
    }
}
