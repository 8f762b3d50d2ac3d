//! Labels of the namespace and keys of its ConfigMap, and putting both back to what they were.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use serde_json::{Value, json};
use shared::cluster::{label_namespace, merge};

use super::Work;
use crate::Error;

impl Work<'_> {
    pub(super) async fn label_namespace(&mut self, labels: &BTreeMap<String, String>) -> Result<(), Error> {
        let before = labels
            .keys()
            .map(|name| (name.clone(), self.target.environment.labels.get(name).cloned()))
            .collect();
        // What was first written down counts: a rerun sees its own values.
        remember(&mut self.record.labels_before, before);
        self.write_record().await?;
        label_namespace(&self.worlds.client, self.name(), &self.environment().uid, &json!(labels)).await?;
        Ok(())
    }

    pub(super) async fn set_config(&mut self, data: &BTreeMap<String, String>) -> Result<(), Error> {
        let config = self.environment().config.clone().unwrap_or_default();
        remember(
            &mut self.record.config_before,
            data.keys().map(|key| (key.clone(), config.get(key).cloned())).collect(),
        );
        self.write_record().await?;
        self.patch_config(&json!(data)).await
    }

    /// Nothing was taken apart yet: the environment becomes what it was.
    pub(super) async fn put_back(&mut self) -> Result<(), Error> {
        if !self.record.labels_before.is_empty() {
            label_namespace(
                &self.worlds.client,
                self.name(),
                &self.environment().uid,
                &json!(self.record.labels_before),
            )
            .await?;
        }
        if !self.record.config_before.is_empty() {
            self.patch_config(&json!(self.record.config_before)).await?;
        }
        Ok(())
    }

    async fn patch_config(&self, data: &Value) -> Result<(), Error> {
        let Some(name) = &self.settings.profile.config_map else {
            return Err(Error::Refused("the profile sets configuration but names no ConfigMap".to_owned()));
        };
        let api: Api<ConfigMap> = Api::namespaced(self.worlds.client.clone(), self.name());
        let what = format!("set {data} in the ConfigMap `{name}` of `{}`", self.name());
        merge(&api, name, &json!({ "data": data }), &what).await?;
        Ok(())
    }
}

fn remember(known: &mut BTreeMap<String, Option<String>>, before: BTreeMap<String, Option<String>>) {
    for (name, value) in before {
        known.entry(name).or_insert(value);
    }
}
