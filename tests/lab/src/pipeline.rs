//! The pipelines of `examples`, made ready for an engine on this machine as an operator's server would make them.
//! It may not change what a step does. Replaced are the addresses, names and secrets that are somebody's own ([`Operator::of`]), and what a
//! test names ([`Operator::with`]); added are `network_mode`, Drone's `pull` and, beside a setting that a step has, another one. Called by the tests of the chain in the engines and by `make drone` and `make woodpecker`.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, json};

use crate::containers::Containers;
use crate::demo::World;
use crate::engine::{Engine, Event};
use crate::error::{Attempt as _, Error};

/// A pipeline of the chain, in the order in which a release goes through them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// In the repository with the release's parameters: from patches to pull requests.
    Release,
    /// In the chart's repository, after the merge: the chart and the homologation environments.
    Chart,
    /// The same pipeline, promoted to production.
    Production,
}

impl Run {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Release, Self::Chart, Self::Production];

    /// The folder of the example below that of its engine.
    fn folder(self) -> &'static str {
        if self == Self::Release { "" } else { "chart" }
    }

    /// The pipeline's name.
    pub fn name(self) -> &'static str {
        if self == Self::Release { "release" } else { "chart" }
    }

    /// What starts it.
    pub fn event(self, engine: Engine) -> Event<'static> {
        let (name, target) = match (self, engine) {
            (Self::Production, Engine::Drone) => ("promote", "production"),
            (Self::Production, Engine::Woodpecker) => ("deployment", "production"),
            _ => ("push", ""),
        };
        Event { name, branch: "develop", target }
    }
}

/// Where the examples of an engine are.
pub fn examples(engine: Engine) -> PathBuf {
    let name = if engine == Engine::Drone { "drone" } else { "woodpecker" };
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name)
}

/// Who has the secrets and the servers.
#[derive(Clone, Debug)]
pub struct Operator {
    texts: BTreeMap<String, String>,
    secrets: BTreeMap<&'static str, String>,
    /// Setting that a step has, and the one that it gets with it.
    more: Vec<(&'static str, &'static str, String)>,
}

impl Operator {
    /// Of a world with a store: everything of the examples that is somebody's own, and what it is there.
    pub fn of(world: &World) -> Result<Self, Error> {
        let store = world.store.as_ref().ok_or_else(|| Error::new("this world has no S3 server"))?;
        let kubeconfig = fs::read_to_string(&world.kubeconfig);
        let own = |repository: String| format!("{}/{repository}", world.git_owner);
        let texts = [
            ("https://s3.example.com", store.endpoint.clone()),
            ("https://git.example.com", world.git_url.clone()),
            ("erp/images", own(world.image_repository())),
            ("erp/chart", own(world.chart_repository())),
        ];
        let secrets = [
            ("bucket_key", store.access_key.clone()),
            ("bucket_secret", store.secret_key.clone()),
            ("git_token", world.git_token.clone()),
            ("kubeconfig", kubeconfig.attempting(|| "cannot read the kubeconfig".to_owned())?),
            ("uptimerobot_key", world.uptime_key.clone()),
        ];
        Ok(Self {
            texts: texts.map(|(text, by)| (text.to_owned(), by)).into(),
            secrets: secrets.into(),
            // The examples use the public service.
            more: vec![("uptimerobot_key", "uptimerobot_url", world.uptime_url.clone())],
        })
    }

    /// Puts something else in the place of a text of the examples.
    #[must_use]
    pub fn with(mut self, text: &str, by: &str) -> Self {
        self.texts.insert(text.to_owned(), by.to_owned());
        self
    }

    /// Gives every step that has the setting `beside` another one.
    #[must_use]
    pub fn setting(mut self, beside: &'static str, name: &'static str, value: &str) -> Self {
        self.more.retain(|(place, known, _)| (*place, *known) != (beside, name));
        self.more.push((beside, name, value.to_owned()));
        self
    }

    /// The text of a pipeline that the engine can run here. It is JSON, which every YAML parser reads.
    pub fn pipeline(&self, engine: Engine, run: Run) -> Result<String, Error> {
        let path = examples(engine).join(run.folder()).join(engine.file());
        let attempt = || format!("cannot use `{}`", path.display());
        let text = fs::read_to_string(&path).attempting(attempt)?;
        let Pipeline { steps, mut rest } = serde_saphyr::from_str(&text).attempting(attempt)?;
        let steps: Result<Vec<Value>, Error> =
            steps.0.into_iter().map(|step| self.step(engine, step).attempting(attempt)).collect();
        rest.insert("steps".to_owned(), Value::Array(steps?));
        serde_json::to_string_pretty(&rest).attempting(attempt)
    }

    fn step(&self, engine: Engine, mut step: Map<String, Value>) -> Result<Value, Error> {
        // The servers listen on 127.0.0.1, and the images are on this machine alone.
        step.insert("network_mode".to_owned(), json!("host"));
        if engine == Engine::Drone {
            step.insert("pull".to_owned(), json!("never"));
        }
        if let Some(settings) = step.get_mut("settings").and_then(Value::as_object_mut) {
            for (beside, name, value) in &self.more {
                if settings.contains_key(*beside) {
                    settings.insert((*name).to_owned(), json!(value));
                }
            }
        }
        self.replaced(Value::Object(step))
    }

    /// A secret is handed over as its value: Drone's `exec` cannot resolve `from_secret`, and Woodpecker's takes none.
    fn replaced(&self, value: Value) -> Result<Value, Error> {
        Ok(match value {
            Value::String(text) => Value::String(self.texts.get(&text).cloned().unwrap_or(text)),
            Value::Array(items) => {
                Value::Array(items.into_iter().map(|item| self.replaced(item)).collect::<Result<_, _>>()?)
            }
            Value::Object(map) => match map.get("from_secret").and_then(Value::as_str) {
                Some(name) => {
                    let known = self.secrets.get(name);
                    Value::String(known.cloned().ok_or_else(|| Error::new(format!("no secret `{name}`")))?)
                }
                None => {
                    let entries = map.into_iter().map(|(key, value)| Ok((key, self.replaced(value)?)));
                    Value::Object(entries.collect::<Result<_, Error>>()?)
                }
            },
            other => other,
        })
    }

    /// The engine about to run a pipeline in `folder`, which it becomes the workspace of, as the build `number` of its repository.
    pub fn command(
        &self,
        containers: &Containers,
        (engine, run): (Engine, Run),
        folder: &Path,
        number: u32,
    ) -> Result<Command, Error> {
        let file = folder.join(engine.file());
        let text = self.pipeline(engine, run)?;
        crate::folder::write_private(&file, &text)?;
        let mut command = engine.command(containers, folder, run.name(), run.event(engine))?;
        let repository = format!("erp/{}", run.name());
        match engine {
            Engine::Drone => {
                command.args(["--build-number", &number.to_string(), "--repo-slug", &repository]);
            }
            Engine::Woodpecker => {
                command.env("CI_PIPELINE_NUMBER", number.to_string()).env("CI_REPO", repository);
            }
        }
        Ok(command)
    }
}

#[derive(Deserialize)]
struct Pipeline {
    steps: Steps,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// Steps in their order: Drone has a list of them, Woodpecker a map.
struct Steps(Vec<Map<String, Value>>);

impl<'de> Deserialize<'de> for Steps {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Steps;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list or a map of steps")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Steps, A::Error> {
                let mut steps = Vec::new();
                while let Some(step) = list.next_element()? {
                    steps.push(step);
                }
                Ok(Steps(steps))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Steps, A::Error> {
                let mut steps = Vec::new();
                while let Some((name, mut step)) = map.next_entry::<String, Map<String, Value>>()? {
                    step.insert("name".to_owned(), Value::String(name));
                    steps.push(step);
                }
                Ok(Steps(steps))
            }
        }
        deserializer.deserialize_any(Either)
    }
}
