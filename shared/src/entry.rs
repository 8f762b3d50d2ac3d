//! How every plugin starts and ends: snapshot, log, run, hand on, report, exit code.

mod arguments;
mod crash;
mod describe;
mod show;

use std::future::Future;
use std::process::ExitCode;
use std::time::Instant;

use tokio::runtime::Runtime;

use self::crash::Crash;
use crate::chain;
use crate::ci;
use crate::failure::{Exit, Failure};
use crate::log;
use crate::notify;
pub use crate::plugin::Plugin;
#[cfg(feature = "process")]
use crate::process::shim;
use crate::redact::Redactor;
use crate::report::{self, Ending, Record, Report};
use crate::settings::{Common, Env, Problems, Reader};
use crate::stop::Stop;

/// What is known of a run once it has begun.
#[derive(Clone)]
struct Begun {
    at: Instant,
    env: Env,
    common: Common,
    redactor: Redactor,
}

/// Runs a plugin from its environment to its exit code.
pub fn main<F, Running>(plugin: &Plugin, run: F) -> ExitCode
where
    F: FnOnce(Env, Stop) -> Running,
    Running: Future<Output = Result<Report, Failure>>,
{
    #[cfg(feature = "process")]
    {
        if let Some(code) = shim::play(std::env::args_os().skip(1)) {
            return code;
        }
        shim::arm();
    }
    if let Some(code) = arguments::answer(plugin) {
        return code;
    }
    crash::watch();
    let begun = match crash::caught(|| begin(plugin)) {
        Ok(begun) => begun,
        Err(crash) => return ExitCode::from(show::cannot_begin(&crash)),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("cannot start: {error}");
            return ExitCode::from(Exit::Temporary as u8);
        }
    };
    let result = crash::guarded(|| {
        runtime.block_on(async {
            let stop = Stop::on_signals().map_err(|error| Failure {
                exit: Exit::Temporary,
                hints: Vec::new(),
                report: None,
                source: Box::new(error),
            })?;
            whole(plugin, begun.clone(), stop, run).await
        })
    });
    ExitCode::from(end(plugin, &begun, &result, runtime))
}

/// Takes the snapshot and starts the log.
fn begin(plugin: &Plugin) -> Begun {
    let at = Instant::now();
    // Both kube and reqwest are compiled without a default provider of cryptography; see docs/DEPENDENCIES.md.
    // Fails only when one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let env = Env::snapshot();
    let redactor = Redactor::of(&env, plugin.settings);
    let (common, _) = common_settings(plugin, &env);
    if let Some(folder) = &common.report_dir {
        report::clear(folder);
    }
    log::start(&common.log_level, common.log_format, &redactor);
    tracing::info!("{} {}", plugin.name, env!("CARGO_PKG_VERSION"));
    Begun { at, env, common, redactor }
}

/// Tells everybody how the run ended, and gives the exit code, also if the telling itself breaks.
fn end(plugin: &Plugin, begun: &Begun, result: &Result<Report, Failure>, runtime: Runtime) -> u8 {
    let Begun { at, env, common, redactor } = begun;
    let told = crash::caught(|| {
        let mut record = Record::of(plugin, env, result, *at).cleaned(redactor);
        show::tell(&mut record, common, redactor);
        record
    });
    let record = match told {
        Ok(record) => record,
        Err(crash) => {
            runtime.shutdown_background();
            let code = result.as_ref().map_or_else(|failure| failure.exit as u8, |_| 0);
            return show::complain(code, false, &crash);
        }
    };
    let mut code = record.exit_code;
    // Of every other code but 0 an error was told already.
    let mut broke = |crash: Crash| code = show::complain(code, code != 0, &crash);
    if let (Some(notify), false) = (&common.notify, common.dry_run) {
        let notified = crash::caught(|| runtime.block_on(notify::tell(notify, &common.net, &record)));
        notified.unwrap_or_else(&mut broke);
    }
    // A blocking read of a dead file system must not keep the process from ending.
    runtime.shutdown_background();
    crash::caught(|| show::emit_card(&record, common, env)).unwrap_or_else(broke);
    code
}

/// A run, with what earlier steps have handed on.
async fn whole<F, Running>(plugin: &Plugin, begun: Begun, stop: Stop, run: F) -> Result<Report, Failure>
where
    F: FnOnce(Env, Stop) -> Running,
    Running: Future<Output = Result<Report, Failure>>,
{
    let Begun { at, env, common, redactor } = begun;
    let taken = chain::take(env, &common, plugin.settings, own_name(plugin, &common));
    let (env, not_taken) = stop.or(async { Ok(taken.await) }).await?;
    redactor.learn(&env, plugin.settings);
    // Outputs that came from the bucket may be in them.
    let (common, _) = common_settings(plugin, &env);
    let result = work(plugin, &Begun { at, env, common, redactor }, stop, run).await;
    match not_taken {
        None => result,
        Some(error) => result.map_err(|failure| error.or_other_problems(failure)),
    }
}

/// The plugin's work, and what follows from its success: its outputs are handed on to later steps, then other pipelines are started.
async fn work<F, Running>(plugin: &Plugin, begun: &Begun, stop: Stop, run: F) -> Result<Report, Failure>
where
    F: FnOnce(Env, Stop) -> Running,
    Running: Future<Output = Result<Report, Failure>>,
{
    let Begun { env, common, redactor, .. } = begun;
    let name = own_name(plugin, common);
    if common.ci.is_schedule {
        // It has no outputs: those of the plugin's own runs stay as they are.
        return ci::schedule::run(plugin, env, &stop).await;
    }
    if let Err(Problems(more)) = ci::check_parameters(&common.ci, env, name) {
        let (_, Problems(problems)) = common_settings(plugin, env);
        return Err(Problems([problems, more].concat()).into());
    }
    let report = run(env.clone(), stop.clone()).await?;
    if report.ending == Ending::DryRun {
        return Ok(ci::would_start(&common.ci, report));
    }
    let report = hand_on(env, common, redactor, name, report).await?;
    let count = report.outputs.len();
    let report = ci::start_pipelines(&common.ci, env, name, report, &stop).await?;
    if report.outputs.len() == count {
        Ok(report)
    } else {
        hand_on(env, common, redactor, name, report).await
    }
}

/// The name of this step's outputs.
fn own_name<'a>(plugin: &Plugin, common: &'a Common) -> &'a str {
    common.output_as.as_deref().unwrap_or_else(|| plugin.name.trim_start_matches("plugin-"))
}

/// Hands the outputs of a report on; it comes back with them as they were handed on, without any secret.
async fn hand_on(
    env: &Env,
    common: &Common,
    redactor: &Redactor,
    name: &str,
    mut report: Report,
) -> Result<Report, Failure> {
    report.outputs = redactor.clean_map(report.outputs);
    match chain::give(env, common, name, &report.outputs).await {
        Ok(()) => Ok(report),
        Err(error) => Err(Failure::from(error).after(report)),
    }
}

/// The common settings and what is wrong with them, before the plugin reads all of them and reports that.
fn common_settings(plugin: &Plugin, env: &Env) -> (Common, Problems) {
    let mut read = Reader::quiet(env, plugin.settings);
    let common = Common::read(&mut read, env);
    (common, read.finish(|| Some(())).err().unwrap_or_default())
}
