//! Outputs in the bucket: one object per name under the prefix `handoff`, with who wrote it and when. Compare-and-swap, so that two runs that hand
//! on the same name cannot mix.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Error;
use crate::bucket::{BUCKET, Bucket, BucketSettings, Key, Kind, Put};
use crate::failure::chain;
use crate::run::Run;
use crate::settings::{COMMON, Common, Env, Problems, Readable, Reader, Setting};

const TRIES: u32 = 5;

/// What stands in the bucket.
#[derive(Debug, Deserialize, Serialize)]
struct Handed {
    written_by: String,
    written_at: Timestamp,
    outputs: Map<String, Value>,
}

/// The snapshot with the outputs that the settings of the step `own` ask for and the workspace does not have. An error is noted in their place and
/// given back, so that it is told together with all other problems of the settings.
pub(crate) async fn take(
    mut env: Env,
    common: &Common,
    settings: &[&[Setting]],
    own: &str,
) -> (Env, Option<Error>) {
    // What the workspace has comes first, and nobody knows what it has.
    if env.unreadable_outputs().is_some() {
        return (env, None);
    }
    let wanted = env.lacking_outputs(settings, own);
    let Some((bucket, prefix)) = place(&env, common).filter(|_| !wanted.is_empty()) else {
        return (env, None);
    };
    let found = match bucket {
        Ok(bucket) => found(&bucket, &prefix, &wanted).await,
        Err(error) => Err(error),
    };
    match found {
        Ok(found) => {
            wanted.into_iter().zip(found).for_each(|(step, outputs)| env.add_outputs(step, outputs));
            (env, None)
        }
        Err(error) => {
            let reason = chain(&error);
            wanted.into_iter().for_each(|step| env.add_outputs(step, Err(reason.clone())));
            (env, Some(error))
        }
    }
}

/// What the bucket has of each step.
async fn found(
    bucket: &Bucket,
    prefix: &str,
    steps: &BTreeSet<String>,
) -> Result<Vec<Readable<Map<String, Value>>>, Error> {
    let mut all = Vec::new();
    for step in steps {
        let key = key(prefix, step);
        let object = bucket.fetch(&key).await?;
        all.push(match object.map(|object| parse(&key, &object.bytes)) {
            Some(Ok(Handed { written_by, written_at, outputs })) => {
                tracing::info!(
                    "outputs of `{step}` come from `{key}`, written by {written_by} at {written_at:.0}"
                );
                Ok(outputs)
            }
            Some(Err(strange)) => {
                Err(format!("{strange}; look at it, and remove it if nothing else needs it"))
            }
            None => Err(format!("neither the workspace has `.esteira/{step}.json` nor the bucket `{key}`")),
        });
    }
    Ok(all)
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
