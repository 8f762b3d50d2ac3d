//! The log: one line per event on stdout, without timestamps (the CI server adds them), every line redacted.

use std::fmt;
use std::io::{self, Write};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

use crate::redact::{Redacting, Redactor};
use crate::settings::common::LogFormat;

/// Starts the log. Other crates' own events are shown from `debug` on only.
pub(crate) fn start(level: &str, format: LogFormat, redactor: &Redactor) {
    // Other crates log errors that they also return; whoever gets them says it once.
    let others = if matches!(level, "debug" | "trace") { "info" } else { "off" };
    let ours: Vec<String> = [
        "shared",
        "plugin_rpo",
        "plugin_package",
        "plugin_image_bump",
        "plugin_chart_publish",
        "plugin_rollout",
    ]
    .iter()
    .map(|name| format!("{name}={level}"))
    .collect();
    let filter = EnvFilter::new(format!("{others},{}", ours.join(",")));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(RedactedStdout(redactor.clone()));
    // Fails only when a log is running already, as in tests.
    let _ = match format {
        LogFormat::Text => log.event_format(Lines).try_init(),
        LogFormat::Json => {
            log.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
        }
    };
}

/// `message field=value`, with the level in front where it is not `info`.
struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        match *event.metadata().level() {
            Level::ERROR => writer.write_str("error: ")?,
            Level::WARN => writer.write_str("warning: ")?,
            Level::INFO => {}
            Level::DEBUG => writer.write_str("debug: ")?,
            Level::TRACE => writer.write_str("trace: ")?,
        }
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

/// Hands out one buffer per event; the whole line is redacted when the event is complete.
struct RedactedStdout(Redactor);

impl MakeWriter<'_> for RedactedStdout {
    type Writer = Line;

    fn make_writer(&self) -> Line {
        Line(Redacting::new(self.0.clone(), Vec::new()))
    }
}

struct Line(Redacting<Vec<u8>>);

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // One write for the whole line. A closed stdout must not end the run, and memory takes everything.
        let _ = self.0.finish().map(|line| io::stdout().lock().write_all(line));
    }
}
