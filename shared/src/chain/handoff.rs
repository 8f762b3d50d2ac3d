//! Outputs in the bucket: one object per name under the prefix `handoff`, with who wrote it and when. Compare-and-swap, so that two runs that hand
//! on the same name cannot mix.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Error;
use crate::bucket::{BUCKET, Bucket, BucketSettings, Key, Kind, Put};
use crate::run::Run;
use crate::settings::{COMMON, Common, Env, Problems, Reader};

const TRIES: u32 = 5;

/// What stands in the bucket.
#[derive(Debug, Deserialize, Serialize)]
struct Handed {
    written_by: String,
    written_at: Timestamp,
    outputs: Map<String, Value>,
}

/// The snapshot with the outputs that settings ask for and the workspace does not have.
pub(crate) async fn take(mut env: Env, common: &Common) -> Result<Env, Error> {
    // What the workspace has comes first, and nobody knows what it has.
    if env.unreadable_outputs().is_some() {
        return Ok(env);
    }
    let wanted = env.lacking_outputs();
    let Some((bucket, prefix)) = place(&env, common).filter(|_| !wanted.is_empty()) else { return Ok(env) };
    let bucket = bucket?;
    for step in wanted {
        let key = key(&prefix, &step);
        let found = match bucket.fetch(&key).await? {
            Some(object) => {
                let Handed { written_by, written_at, outputs } = parse(&key, &object.bytes)?;
                tracing::info!(
                    "outputs of `{step}` come from `{key}`, written by {written_by} at {written_at:.0}"
                );
                Ok(outputs)
            }
            None => Err(format!("neither the workspace has `.esteira/{step}.json` nor the bucket `{key}`")),
        };
        env.add_outputs(step, found);
    }
    Ok(env)
}

/// Keeps the outputs in the bucket, if that is asked for. What is there already is not written again.
pub(super) async fn give(
    env: &Env,
    common: &Common,
    name: &str,
    outputs: &Map<String, Value>,
) -> Result<(), Error> {
    let Some((bucket, prefix)) = place(env, common) else { return Ok(()) };
    let (bucket, key) = (bucket?, key(&prefix, name));
    for _ in 0..TRIES {
        let handed = Handed {
            written_by: Run::this(env).to_string(),
            written_at: Timestamp::now(),
            outputs: outputs.clone(),
        };
        let text = serde_json::to_vec_pretty(&handed)
            .map_err(|error| Error::Strange { key: key.to_string(), reason: error.to_string() })?;
        let put = match bucket.fetch(&key).await? {
            // Whatever else it is, it is replaced: a rerun must not be stopped by what a person left there.
            Some(object) if parse(&key, &object.bytes).is_ok_and(|handed| handed.outputs == *outputs) => {
                return Ok(());
            }
            Some(object) => bucket.put_if_unchanged(&key, text.into(), &object.version).await?,
            None => bucket.put_new(&key, text.into()).await?,
        };
        if let Put::Written(_) = put {
            tracing::info!("outputs are handed on in `{key}` of `{bucket}`");
            return Ok(());
        }
    }
    Err(Error::Contended { key: key.to_string() })
}

/// The bucket and the prefix in it, if outputs are to be handed on there.
fn place(env: &Env, common: &Common) -> Option<(Result<Bucket, Error>, String)> {
    let prefix = common.handoff.clone()?;
    let mut read = Reader::quiet(env, &[COMMON, BUCKET]);
    let settings = BucketSettings::read(&mut read, env)?;
    // Problems are the plugin's to report, together with all others.
    let _: Result<(), Problems> = read.finish(|| Some(()));
    Some((Bucket::open(&settings).map_err(Error::from), prefix))
}

fn key(prefix: &str, name: &str) -> Key {
    Key::new(format!("{prefix}/{name}.json"), Kind::Json)
}

fn parse(key: &Key, bytes: &[u8]) -> Result<Handed, Error> {
    serde_json::from_slice(bytes)
        .map_err(|error| Error::Strange { key: key.to_string(), reason: error.to_string() })
}
