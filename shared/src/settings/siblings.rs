//! The names of all settings of all five plugins. Jenkins stages share one environment, so a name that a sibling knows is no
//! mistake here. Each plugin's tests check that its own names are in this list.

/// Every setting name of the project, a block per owner.
#[rustfmt::skip]
pub const SIBLING_NAMES: &[&str] = &[
    // shared: common, bucket, cluster
    "dry_run", "log_level", "log_format", "report_dir", "output_as", "output_file", "handoff",
    "bucket", "endpoint", "region", "access_key", "secret_key", "session_token",
    "kubeconfig", "server", "token", "ca",
    // shared: CI server, notification
    "action", "ci_server", "ci_url", "ci_token", "ci_user", "trigger", "trigger_parameters", "trigger_wait", "trigger_timeout",
    "trigger_when", "schedule", "schedule_name", "schedule_repository", "schedule_branch", "schedule_timezone",
    "notify_url", "notify_format",
    // plugin-rpo
    "release", "rpo_source", "rpo_source_mi", "rpo_name", "result", "patch_pontual", "patch_source", "expcont", "expcont_next",
    "expcont_source", "module_publish_blacklist", "module_latest_allow", "unsuffixed", "gera_mi", "apply_old", "appserver",
    "environment", "apply_timeout", "idle_timeout", "claim_timeout", "jitt", "app_version", "so_version", "build_image",
    // plugin-package
    "source", "source_prefix", "kind", "components", "dicionario_padrao_path", "dicionario_mi_path", "rpo", "rpo_component",
    "rpo_version", "mirror", "overwrite", "compression", "upddistr", "upddistrcond", "update_webfiles", "update_meurh",
    "update_treports", "gera_imagem", "imagem_repo", "imagem_branch", "gera_chart", "chart_repo", "chart_branch", "chart_values",
    // plugin-image-bump
    "git_server", "git_token", "repository", "base", "branch", "components", "components_file", "components_variable", "values",
    "values_file", "version_file", "version", "title", "message", "author_name", "author_email",
    // plugin-chart-publish
    "chart", "version", "version_file", "prefix", "chart_url", "helm", "conflict_timeout",
    // plugin-rollout
    "action", "profile", "version", "namespaces", "names", "selector", "exclude", "concurrency", "max_failures", "retry_failed", "chart",
    "values_backup", "set", "backup", "backup_timeout", "helm", "helm_timeout", "wait_timeout", "uptimerobot_key", "uptimerobot_url",
    "monitors",
];
