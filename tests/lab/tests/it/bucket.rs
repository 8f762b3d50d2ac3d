//! What a bucket promises, held by every kind of bucket: the same checks on a folder, on MinIO and on Google's interface.

mod checks;
mod crashes;
mod faults;
mod streams;

use lab::bucket::open;
use shared::bucket::Bucket;
use shared::settings::Env;

/// A bucket that no other test has, as the settings of a plugin.
pub(crate) struct Place {
    pub(crate) kind: &'static str,
    pub(crate) settings: Vec<(&'static str, String)>,
}

impl Place {
    pub(crate) fn folder() -> Self {
        let folder = std::fs::canonicalize(lab::folder::temporary("bucket").unwrap()).unwrap();
        Self { kind: "folder", settings: vec![("bucket", format!("file://{}", folder.display()))] }
    }

    pub(crate) async fn s3() -> Self {
        let s3 = lab::s3();
        let settings = vec![
            ("bucket", format!("s3://{}", s3.create_bucket().await.unwrap())),
            ("endpoint", s3.endpoint().to_owned()),
            ("access_key", s3.access_key().to_owned()),
            ("secret_key", s3.secret_key().to_owned()),
        ];
        Self { kind: "MinIO", settings }
    }

    pub(crate) async fn gcs() -> Self {
        let gcs = lab::gcs();
        let settings = vec![
            ("bucket", format!("gs://{}", gcs.create_bucket().await.unwrap())),
            ("endpoint", gcs.endpoint().to_owned()),
            ("gcs_key", gcs.key()),
        ];
        Self { kind: "GCS", settings }
    }

    /// The same bucket, by way of another address.
    pub(crate) fn by(&self, url: &str) -> Self {
        let mut settings = self.settings.clone();
        settings.retain(|(name, _)| *name != "endpoint");
        settings.push(("endpoint", url.to_owned()));
        Self { kind: self.kind, settings }
    }

    pub(crate) fn name(&self) -> &str {
        self.settings[0].1.split_once("://").unwrap().1
    }

    pub(crate) fn variables(&self) -> Vec<(String, &str)> {
        let variable = |name: &str| format!("PLUGIN_{}", name.to_uppercase());
        self.settings.iter().map(|(name, value)| (variable(name), value.as_str())).collect()
    }

    pub(crate) fn open(&self) -> Bucket {
        let variables = self.variables();
        let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        open(&Env::of(&variables)).unwrap()
    }

    /// Work on this bucket in a process of its own.
    pub(crate) fn command(&self, work: &[&str]) -> std::process::Command {
        let mut command = lab::process::command(env!("CARGO_BIN_EXE_lab"));
        command.arg("bucket").args(work).envs(self.variables());
        command
    }
}
