//! How every plugin starts and ends: snapshot, log, run, hand on, report, exit code.

mod arguments;
mod crash;
mod describe;
mod show;

use std::future::Future;
use std::process::ExitCode;
use std::time::Instant;

use crate::chain;
use crate::ci;
use crate::failure::{Exit, Failure};
use crate::log;
use crate::notify;
#[cfg(feature = "process")]
use crate::process::{self, shim};
use crate::redact::Redactor;
use crate::report::{self, Ending, Record, Report};
use crate::settings::{Common, Env, Problems, Reader, Setting};
use crate::stop::Stop;

/// What `entry` knows about a plugin.
#[derive(Clone, Copy, Debug)]
pub struct Plugin {
    /// Name of the crate and the binary, such as `plugin-rpo`.
    pub name: &'static str,
    /// One sentence on what it does.
    pub about: &'static str,
    /// Every setting it knows, in groups.
    pub settings: &'static [&'static [Setting]],
    /// The codes it ends with, and what each means for this plugin.
    pub exit_codes: &'static [(u8, &'static str)],
}

/// Runs a plugin from its environment to its exit code.
pub fn main<F, Running>(plugin: &Plugin, run: F) -> ExitCode
where
    F: FnOnce(Env, Stop) -> Running,
    Running: Future<Output = Result<Report, Failure>>,
{
    let begun = Instant::now();
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
    // Both kube and reqwest are compiled without a default provider of cryptography; see docs/DEPENDENCIES.md.
    // Fails only when one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();

    let env = Env::snapshot();
    let redactor = Redactor::of(&env, plugin.settings);
    #[cfg(feature = "process")]
    process::redact_with(&redactor);
    let common = common_settings(plugin, &env);
    if let Some(folder) = &common.report_dir {
        report::clear(folder);
    }
    log::start(&common.log_level, common.log_format, &redactor);
    crash::tell_in_the_log();
    tracing::info!("{} {}", plugin.name, env!("CARGO_PKG_VERSION"));

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
            whole(plugin, env.clone(), &common, &redactor, stop, run).await
        })
    });

    let record = Record::of(plugin, &env, &result, begun).cleaned(&redactor);
    let code = show::tell(&record, &common);
    if let Some(notify) = common.notify.as_ref().filter(|_| !common.dry_run) {
        runtime.block_on(notify::tell(notify, &common.net, &record));
    }
    // A blocking read of a dead file system must not keep the process from ending.
    runtime.shutdown_background();
    ExitCode::from(show::emit_card(code, &record, &common, &env))
}

/// A run, and what follows from its success: its outputs are handed on to later steps, then other pipelines are started.
async fn whole<F, Running>(
    plugin: &Plugin,
    env: Env,
    common: &Common,
    redactor: &Redactor,
    stop: Stop,
    run: F,
) -> Result<Report, Failure>
where
    F: FnOnce(Env, Stop) -> Running,
    Running: Future<Output = Result<Report, Failure>>,
{
    let env = stop.or(async { Ok(chain::take(env, common).await?) }).await?;
    redactor.learn(&env, plugin.settings);
    // Outputs that came from the bucket may be in them.
    let common = &common_settings(plugin, &env);
    let name = common.output_as.as_deref().unwrap_or_else(|| plugin.name.trim_start_matches("plugin-"));
    if common.ci.is_schedule {
        // It has no outputs: those of the plugin's own runs stay as they are.
        return ci::schedule::run(plugin, &env, &stop).await;
    }
    ci::check_parameters(&common.ci, &env, name)?;
    let report = run(env.clone(), stop.clone()).await?;
    if report.ending == Ending::DryRun {
        return Ok(report);
    }
    let report = hand_on(&env, common, redactor, name, report).await?;
    let count = report.outputs.len();
    let report = ci::start_pipelines(&common.ci, &env, name, report, &stop).await?;
    if report.outputs.len() == count {
        Ok(report)
    } else {
        hand_on(&env, common, redactor, name, report).await
    }
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

/// The common settings, before the plugin reads all of them and reports what cannot be used.
fn common_settings(plugin: &Plugin, env: &Env) -> Common {
    let mut read = Reader::quiet(env, plugin.settings);
    let common = Common::read(&mut read, env);
    // Problems are the plugin's to report, together with all others.
    let _: Result<(), Problems> = read.finish(|| Some(()));
    common
}
