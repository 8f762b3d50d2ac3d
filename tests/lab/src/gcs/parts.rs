//! Uploads in parts: nothing of them is an object before they are complete.
//! It may not write objects. Called by `front`.

use std::collections::{BTreeMap, HashMap};

use axum::body::Bytes;
use axum::http::HeaderMap;

use crate::folder::unique_name;

/// The uploads that have begun.
#[derive(Default)]
pub(super) struct Uploads(HashMap<String, Upload>);

/// One of them.
pub(super) struct Upload {
    object: String,
    /// Those of the beginning: they become the object's.
    pub(super) headers: HeaderMap,
    parts: BTreeMap<u32, (String, Bytes)>,
}

impl Uploads {
    pub(super) fn begin(&mut self, object: &str, headers: &HeaderMap) -> String {
        let id = unique_name("upload");
        let upload = Upload { object: object.to_owned(), headers: headers.clone(), parts: BTreeMap::new() };
        self.0.insert(id.clone(), upload);
        id
    }

    /// Takes a part, again if need be, and gives its tag; `None` when there is no such upload.
    pub(super) fn take(&mut self, id: &str, number: u32, body: Bytes) -> Option<String> {
        let tag = format!("\"part-{number}-{}\"", body.len());
        self.0.get_mut(id)?.parts.insert(number, (tag.clone(), body));
        Some(tag)
    }

    /// Ends an upload without an object.
    pub(super) fn abort(&mut self, id: &str) -> bool {
        self.0.remove(id).is_some()
    }

    /// The whole content, when the list of parts is that of the parts that were taken.
    pub(super) fn whole(&self, id: &str, object: &str, list: &str) -> Option<(HeaderMap, Vec<u8>)> {
        let upload = self.0.get(id).filter(|upload| upload.object == object)?;
        let listed: Vec<_> = list.split("<Part>").skip(1).collect();
        let are_all_there = listed.len() == upload.parts.len()
            && listed.iter().zip(&upload.parts).all(|(text, (number, (tag, _)))| {
                text.contains(&format!("<PartNumber>{number}</PartNumber>")) && text.contains(tag.as_str())
            });
        let content = upload.parts.values().flat_map(|(_, body)| body.iter().copied());
        are_all_there.then(|| (upload.headers.clone(), content.collect()))
    }
}
