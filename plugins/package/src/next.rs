//! What comes after the packing: the pipelines of the image and the chart repository, as `.config` names them. No IO; `entry` starts them.

use std::collections::BTreeMap;

use shared::ci::{CiSettings, Start, target};
use shared::settings::{Reader, parse};

use crate::settings::Raw;

/// The pipelines to start; problems are noted in `read`.
pub(crate) fn read(read: &mut Reader<'_>, raw: &mut Raw, ci: &CiSettings) -> Vec<Start> {
    let image = Next {
        switch: ("gera_imagem", raw.gera_imagem.take()),
        repository: ("imagem_repo", raw.imagem_repo.take()),
        branch: ("imagem_branch", raw.imagem_branch.take()),
        parameters: BTreeMap::new(),
    };
    let values = read.optional("chart_values", raw.chart_values.take(), parse::inner_path);
    let chart = Next {
        switch: ("gera_chart", raw.gera_chart.take()),
        repository: ("chart_repo", raw.chart_repo.take()),
        branch: ("chart_branch", raw.chart_branch.take()),
        parameters: values.map(|values| ("CHART_VALUES".to_owned(), values)).into_iter().collect(),
    };
    [image, chart].into_iter().filter_map(|next| next.read(read, ci)).collect()
}

/// Name and text of the settings for one pipeline.
struct Next {
    switch: (&'static str, Option<String>),
    repository: (&'static str, Option<String>),
    branch: (&'static str, Option<String>),
    parameters: BTreeMap<String, String>,
}

impl Next {
    fn read(self, read: &mut Reader<'_>, ci: &CiSettings) -> Option<Start> {
        let (switch, is_on) = self.switch;
        if !read.or(switch, is_on, parse::boolean, false) {
            return None;
        }
        ci.need(read, switch);
        let (name, repository) = self.repository;
        let mut target = read.required(name, repository, target)?;
        let (branch_name, branch) = self.branch;
        if let Some(branch) = read.optional(branch_name, branch, parse::text) {
            if target.branch.is_some() {
                read.problem(branch_name, &format!("`{name}` names a branch already"));
            }
            target.branch = Some(branch);
        }
        ci.check(read, name, std::iter::once(&target));
        Some(Start { target, parameters: self.parameters })
    }
}

#[cfg(test)]
mod tests {
    use shared::settings::Env;

    use crate::settings::Settings;

    const MINIMAL: [(&str, &str); 2] = [("PLUGIN_BUCKET", "file:///b"), ("PLUGIN_SOURCE", "c")];
    const SERVER: [(&str, &str); 3] = [
        ("PLUGIN_CI_SERVER", "drone"),
        ("PLUGIN_CI_URL", "https://drone.example.com"),
        ("PLUGIN_CI_TOKEN", "t"),
    ];

    #[test]
    fn the_config_file_names_the_next_pipelines() {
        let file = "GERA_IMAGEM=true\nIMAGEM_REPO=erp/images\nIMAGEM_BRANCH=develop\nGERA_CHART=yes\nCHART_REPO=erp/chart\nCHART_VALUES=values-prod.yaml\n";
        let env = Env::of(&[&MINIMAL[..], &SERVER].concat()).with_config_file(file);
        let starts = Settings::from_env(&env).unwrap().starts;
        let names: Vec<String> = starts.iter().map(|start| start.target.to_string()).collect();
        assert_eq!(names, ["erp/images@develop", "erp/chart"]);
        assert!(starts[0].parameters.is_empty());
        assert_eq!(starts[1].parameters["CHART_VALUES"], "values-prod.yaml");
    }

    #[test]
    fn what_they_need_is_asked_for_only_then() {
        let problems = |file: &str| {
            Settings::from_env(&Env::of(&MINIMAL).with_config_file(file))
                .map_err(|problems| problems.to_string())
        };
        assert!(problems("IMAGEM_REPO=erp/images\n").unwrap().starts.is_empty());
        let text = problems("GERA_IMAGEM=true\n").unwrap_err();
        for name in ["PLUGIN_IMAGEM_REPO", "PLUGIN_CI_SERVER", "PLUGIN_CI_TOKEN"] {
            assert!(text.contains(name), "{text}");
        }
    }
}
