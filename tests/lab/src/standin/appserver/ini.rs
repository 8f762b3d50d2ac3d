//! `appserver.ini`: sections and keys, neither case-sensitive; `;` begins a comment line.

use std::path::PathBuf;

/// The text of an ini file.
pub(super) struct Ini(String);

impl Ini {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }

    /// The first value of `key` in `section`.
    pub(super) fn get(&self, section: &str, key: &str) -> Option<&str> {
        self.section(section)?.find_map(|line| {
            let (name, value) = line.split_once('=')?;
            name.trim().eq_ignore_ascii_case(key).then_some(value.trim())
        })
    }

    /// Where the RPO of the environment `env` lies. Its name follows from language and version: `tttm120` is the
    /// multi-language repository, `tttp120` the Portuguese one.
    pub(super) fn rpo(&self, env: &str) -> Result<PathBuf, String> {
        if self.section(env).is_none() {
            return Err(format!("Environment {env} not found"));
        }
        let source = self.get(env, "SourcePath").ok_or_else(|| format!("SourcePath not found in {env}"))?;
        let language = self.get(env, "RpoLanguage").unwrap_or("multi").to_ascii_lowercase();
        let version = self.get(env, "RpoVersion").unwrap_or("120");
        let initial = language.chars().next().unwrap_or('m');
        Ok(PathBuf::from(source).join(format!("ttt{initial}{version}.rpo")))
    }

    fn section(&self, name: &str) -> Option<impl Iterator<Item = &str>> {
        let mut lines = self.0.lines().map(str::trim).filter(|line| !line.starts_with(';'));
        lines.find(|line| {
            let inner = line.strip_prefix('[').and_then(|line| line.strip_suffix(']'));
            inner.is_some_and(|inner| inner.eq_ignore_ascii_case(name))
        })?;
        Some(lines.take_while(|line| !line.starts_with('[')))
    }
}
