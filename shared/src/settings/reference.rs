//! `@step.key`: an output of an earlier step in place of a value, alone or as an item of a list or a value of a map.
//! It only finds and replaces; the snapshot has the outputs, and the reader says what is missing.

use serde_json::Value;

/// `@step.key` taken apart; other texts are no reference.
pub(crate) fn reference(value: &str) -> Option<(&str, &str)> {
    let (step, key) = value.trim().strip_prefix('@')?.split_once('.')?;
    let is_name = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    (is_name(step) && is_name(key)).then_some((step, key))
}

/// The steps whose outputs a value asks for, whatever its type is.
pub(super) fn steps(value: &str) -> Vec<String> {
    let mut steps = Vec::new();
    let mut note = |text: &str| {
        steps.extend(reference(text).map(|(step, _)| step.to_owned()));
        Ok(None)
    };
    // Nothing is replaced, so nothing can fail.
    let _ = match json(value) {
        Some(mut document) => replace_inside(&mut document, &mut note),
        None => value.split([',', '\n']).try_for_each(|item| note(item).map(drop)),
    };
    steps
}

/// The value with its references replaced by what `output` finds; `None` where it has none. Items are taken one by one only of a JSON
/// document and, where `is_list`, of `a,@step.key`; there an output that is a list adds all of its items.
pub(super) fn resolved(
    value: &str,
    is_list: bool,
    output: impl Fn(&str, &str) -> Result<Value, String>,
) -> Result<Option<String>, String> {
    let mut found = false;
    let mut take = |text: &str| -> Result<Option<Value>, String> {
        let Some((step, key)) = reference(text) else { return Ok(None) };
        found = true;
        output(step, key).map(Some)
    };
    if let Some(whole) = take(value)? {
        return Ok(Some(plain(&whole)));
    }
    let replaced = if let Some(mut document) = json(value) {
        replace_inside(&mut document, &mut take)?;
        document.to_string()
    } else if is_list && !value.trim().starts_with('[') {
        let items: Vec<&str> =
            value.split([',', '\n']).map(str::trim).filter(|item| !item.is_empty()).collect();
        let mut all = Vec::new();
        for item in items {
            match take(item)? {
                Some(Value::Array(more)) => all.extend(more),
                Some(one) => all.push(one),
                None => all.push(item.into()),
            }
        }
        Value::Array(all).to_string()
    } else {
        return Ok(None);
    };
    Ok(found.then_some(replaced))
}

fn json(value: &str) -> Option<Value> {
    value.trim().starts_with(['[', '{']).then(|| serde_json::from_str(value.trim()).ok()).flatten()
}

fn replace_inside(
    document: &mut Value,
    take: &mut impl FnMut(&str) -> Result<Option<Value>, String>,
) -> Result<(), String> {
    match document {
        Value::String(text) => {
            if let Some(output) = take(text)? {
                *document = output;
            }
            Ok(())
        }
        Value::Array(items) => items.iter_mut().try_for_each(|item| replace_inside(item, take)),
        Value::Object(entries) => entries.values_mut().try_for_each(|entry| replace_inside(entry, take)),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

/// An output as a setting's value: a text as it is, anything else as JSON.
fn plain(output: &Value) -> String {
    match output {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(step: &str, key: &str) -> Result<Value, String> {
        match (step, key) {
            ("rpo", "version") => Ok("12.1".into()),
            ("package", "archives") => Ok(serde_json::json!(["a", "b,c"])),
            ("package", "versions") => Ok(serde_json::json!({ "web": "1.0" })),
            _ => Err(format!("no {step}.{key}")),
        }
    }

    #[test]
    fn a_reference_is_replaced_alone_and_inside_of_lists_and_maps() {
        for (value, is_list, expected) in [
            ("@rpo.version", false, Some("12.1")),
            (" @package.versions\n", false, Some("{\"web\":\"1.0\"}")),
            ("x,@rpo.version", true, Some("[\"x\",\"12.1\"]")),
            ("@package.archives,x", true, Some("[\"a\",\"b,c\",\"x\"]")),
            ("[\"x\", \"@rpo.version\"]", true, Some("[\"x\",\"12.1\"]")),
            ("{\"image\":{\"tag\":\"@rpo.version\"}}", false, Some("{\"image\":{\"tag\":\"12.1\"}}")),
            ("x,@rpo.version", false, None),
            ("mail me@rpo.version", false, None),
            ("{\"a\":\"b\"}", false, None),
            ("a,b", true, None),
        ] {
            assert_eq!(resolved(value, is_list, output), Ok(expected.map(str::to_owned)), "{value}");
        }
        assert_eq!(resolved("{\"a\":\"@rpo.none\"}", false, output), Err("no rpo.none".to_owned()));
    }

    #[test]
    fn the_steps_of_a_value_are_known_without_its_type() {
        assert_eq!(steps("@rpo.version"), ["rpo"]);
        assert_eq!(steps("{\"a\":[\"@rpo.version\",\"@web.x\"]}"), ["rpo", "web"]);
        assert_eq!(steps("a,@rpo.version"), ["rpo"]);
        assert!(steps("me@rpo.version").is_empty());
    }
}
