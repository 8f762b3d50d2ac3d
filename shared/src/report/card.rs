//! The Drone card: what the build's page shows of a step. Drone's runner takes it out of the step's output, if a chunk of that begins
//! with the sequence and ends with it (drone/runner-go, `livelog/extractor`), and shows it by a template that it fetches by its address.
//! May only show a cleaned [`Record`]: Drone masks no secrets here. Called by `entry`, last of all.

use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use url::Url;

use super::file::write_whole;
use super::record::Tone;
use super::words::cut;
use super::{Record, RowResult};

/// Where the card goes; Drone's runners set it to `/dev/stdout`.
pub(crate) const PATH: &str = "DRONE_CARD_PATH";
/// A card is a glance: the report files have the rest.
const ROWS: usize = 20;
const WIDEST: usize = 300;
/// The reader of a pipe gets what was written before together with the card if both lie in it, and then finds no card. Nothing
/// tells when it has read; this is long enough for one that is waiting.
const UNTIL_READ: Duration = Duration::from_millis(100);

/// Writes the card to where `path` says.
pub(crate) fn emit(path: &str, template: &Url, record: &Record) -> io::Result<()> {
    let card = serde_json::to_vec(&json!({ "schema": template.as_str(), "data": data(record) }))?;
    let stream = match path {
        "/dev/stdout" | "/dev/fd/1" | "/proc/self/fd/1" => {
            io::stdout().flush()?;
            io::stdout().as_fd().try_clone_to_owned()?
        }
        "/dev/stderr" | "/dev/fd/2" | "/proc/self/fd/2" => io::stderr().as_fd().try_clone_to_owned()?,
        file => return write_whole(Path::new(file), &card),
    };
    std::thread::sleep(UNTIL_READ);
    // Not `Stdout`, which may write in pieces.
    std::fs::File::from(stream).write_all(&sequence(&card))
}

/// Docker hands a long line on in pieces of this size (moby, `daemon/logger/copier.go`).
const PIECE: usize = 16 << 10;
const END: &str = "\x1b]0m";

/// The runner puts pieces together until it sees the end, but not an end that lies in two of them: blanks after the JSON move it.
fn sequence(card: &[u8]) -> Vec<u8> {
    let mut card = card.to_vec();
    loop {
        let text = format!("\x1b]1338;{}{END}", STANDARD.encode(&card));
        if !(1..END.len()).contains(&(text.len() % PIECE)) {
            return format!("{text}\n").into_bytes();
        }
        card.push(b' ');
    }
}

/// What `docs/cards/template.json` shows. Colours are names of Adaptive Cards: <https://adaptivecards.io/explorer/TextBlock.html>.
pub(super) fn data(record: &Record) -> Value {
    let short = |text: &str| cut(text, WIDEST);
    let line = |text: &str| json!({ "text": short(text) });
    let verdict = record.verdict();
    let colour = match verdict.tone {
        Tone::Good => "Good",
        Tone::Neutral => "Default",
        Tone::Warning => "Warning",
        Tone::Bad => "Attention",
    };
    let facts = record.report.iter().flat_map(|report| &report.facts);
    let causes = record.error.iter().skip(1).map(|cause| line(&format!("because: {cause}")));
    let changed = record.changed_before.iter().map(|changed| line(&format!("changed before: {changed}")));
    json!({
        "plugin": record.plugin,
        "version": record.version,
        "verdict": verdict.words,
        "colour": colour,
        "summary": short(record.headline()),
        "time": record.time(),
        "build": record.build.as_deref().unwrap_or_default(),
        "exit": format!("{}: {}", record.exit_code, record.meaning),
        "details": causes.chain(changed).collect::<Vec<_>>(),
        "advice": record.advice().map(line).collect::<Vec<_>>(),
        "facts": facts.map(|(name, value)| json!({ "title": short(name), "value": short(value) })).collect::<Vec<_>>(),
        "rows": rows(record),
    })
}

/// Those that failed first; the last line says how many are not shown.
fn rows(record: &Record) -> Vec<Value> {
    let table = record.report.as_ref().and_then(|report| report.table.as_ref());
    let mut rows: Vec<_> = table.into_iter().flat_map(|table| &table.rows).collect();
    rows.sort_by_key(|row| !row.has_failed());
    let left_out = rows.len().saturating_sub(ROWS);
    let shown = rows.into_iter().take(ROWS).map(|row| {
        let cells: Vec<&str> =
            row.cells.iter().skip(1).map(String::as_str).filter(|cell| !cell.is_empty()).collect();
        let colour = match row.result {
            RowResult::Done => "Good",
            RowResult::Failed => "Attention",
            RowResult::Unchanged | RowResult::Skipped => "Default",
        };
        let name = row.cells.first().map_or("", String::as_str);
        json!({ "name": cut(name, WIDEST), "text": cut(&cells.join(" · "), WIDEST), "colour": colour })
    });
    let rest = (left_out > 0)
        .then(|| json!({ "name": "…", "text": format!("{left_out} more in the report files"), "colour": "Default" }));
    shown.chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_card_lies_in_one_piece_however_long_the_card_is() {
        let mut moved = 0;
        for length in 12_200..12_400 {
            let card = [b"{}", &b" ".repeat(length)[..]].concat();
            let sequence = sequence(&card);
            let has_end = |piece: &[u8]| piece.windows(END.len()).any(|part| part == END.as_bytes());
            assert!(sequence.chunks(PIECE).any(has_end), "{length}");
            let base64 = sequence.strip_prefix(b"\x1b]1338;").unwrap().strip_suffix(b"\x1b]0m\n").unwrap();
            let read = STANDARD.decode(base64).unwrap();
            assert!(read.starts_with(&card), "{length}");
            moved += usize::from(read.len() > card.len());
        }
        assert!(moved > 0, "none of these lengths needed it");
    }
}
