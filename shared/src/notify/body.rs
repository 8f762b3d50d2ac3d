//! The same message in three forms. Slack: `text` and blocks (docs.slack.dev, "Sending messages using incoming webhooks", "Text object": three characters
//! are escaped, a text has at most 3,000). Teams: an Adaptive Card in a `message` (learn.microsoft.com, "Create incoming webhooks with Workflows"; 28 KB).

use serde_json::{Value, json};

use super::{Format, Message};
use crate::report::Ending;

/// Longer texts are cut: both services refuse long ones whole.
const LONGEST: usize = 2000;

pub(super) fn of(format: Format, message: &Message<'_>) -> Value {
    match format {
        Format::Json => serde_json::to_value(message).unwrap_or_default(),
        Format::Slack => slack(message),
        Format::Teams => teams(message),
    }
}

fn title(message: &Message<'_>) -> String {
    let ending = match message.ending {
        Ending::Done => "done",
        Ending::NothingToDo => "nothing to do",
        Ending::DryRun => "dry run",
        Ending::Failed => "failed",
    };
    format!("{}: {ending}", message.plugin)
}

/// The error's causes below its first line, which is the summary.
fn details(message: &Message<'_>) -> String {
    message.error.iter().skip(1).map(|cause| format!("because: {cause}")).collect::<Vec<_>>().join("\n")
}

fn slack(message: &Message<'_>) -> Value {
    let (title, summary) = (escaped(&title(message)), escaped(&cut(&message.summary)));
    let mut blocks = vec![section(format!("*{title}*\n{summary}"))];
    let details = details(message);
    if !details.is_empty() {
        blocks.push(section(format!("```{}```", escaped(&cut(&details)))));
    }
    if !message.hints.is_empty() {
        blocks.push(section(escaped(&cut(&message.hints.join("\n")))));
    }
    if let Some(link) = message.link {
        blocks.push(section(format!("<{}|the build>", escaped(link).replace('|', "%7C"))));
    }
    json!({ "text": format!("{title}: {summary}"), "blocks": blocks })
}

fn section(text: String) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } })
}

fn teams(message: &Message<'_>) -> Value {
    let color = if message.ending == Ending::Failed { "attention" } else { "good" };
    let block = |text: String| json!({ "type": "TextBlock", "text": text, "wrap": true });
    let mut body = vec![
        json!({ "type": "TextBlock", "text": title(message), "weight": "bolder", "size": "medium", "color": color, "wrap": true }),
        block(cut(&message.summary)),
    ];
    let texts = std::iter::once(details(message)).chain(std::iter::once(message.hints.join("\n\n")));
    body.extend(texts.filter(|text| !text.is_empty()).map(|text| block(cut(&text))));
    let mut card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    });
    if let Some(link) = message.link {
        card["actions"] = json!([{ "type": "Action.OpenUrl", "title": "The build", "url": link }]);
    }
    let attachment = json!({ "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card });
    json!({ "type": "message", "attachments": [attachment] })
}

/// What Slack takes for control characters; without this a text could call a whole channel.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<'a>(error: &'a [String], hints: &'a [String], summary: &str) -> Message<'a> {
        Message {
            plugin: "plugin-rpo",
            version: "1",
            ending: Ending::Failed,
            exit_code: 1,
            seconds: 1.5,
            summary: summary.to_owned(),
            link: Some("https://ci/1"),
            error,
            hints,
        }
    }

    #[test]
    fn a_text_cannot_call_a_whole_channel() {
        let body = of(Format::Slack, &message(&[], &[], "<!channel> a & b"));
        assert_eq!(body["blocks"][0]["text"]["text"], "*plugin-rpo: failed*\n&lt;!channel&gt; a &amp; b");
        assert_eq!(body["blocks"][1]["text"]["text"], "<https://ci/1|the build>");
    }

    #[test]
    fn long_texts_are_cut_to_what_is_taken() {
        let error = ["no".to_owned(), "x".repeat(100_000)];
        let hints = ["y".repeat(100_000)];
        let body = of(Format::Slack, &message(&error, &hints, &"&".repeat(500)));
        for block in body["blocks"].as_array().unwrap() {
            assert!(block["text"]["text"].as_str().unwrap().chars().count() <= 3000, "{block}");
        }
        let body = of(Format::Teams, &message(&error, &hints, "no")).to_string();
        assert!(body.len() < 28_000, "{}", body.len());
    }
}
