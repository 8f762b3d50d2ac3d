//! A patch file, judged by its name and first bytes before any AppServer starts. The header's layout was read on six public `.ptm` files
//! of three producers; `.pak` and `.upd` have no known header and are judged by their name alone.

use std::cmp::Ordering;
use std::fmt;

/// Bytes of a patch that the preflight needs.
pub const HEADER_LENGTH: u64 = 64;

/// The header and trailer of a `.ptm` file around its payload, in bytes: between these two in all files seen.
const FRAME: std::ops::RangeInclusive<u64> = 20_525..=20_592;

/// Which RPO something is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Edition {
    /// Brazil.
    Brazil,
    /// The international market (MI).
    International,
}

/// Which RPOs a patch is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suits {
    /// Only this one.
    Only(Edition),
    /// Both.
    Both,
}

impl Suits {
    /// Whether a patch goes into this RPO.
    #[must_use]
    pub fn includes(self, edition: Edition) -> bool {
        match self {
            Self::Only(only) => only == edition,
            Self::Both => true,
        }
    }
}

impl fmt::Display for Edition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Brazil => "Brazil",
            Self::International => "international",
        })
    }
}

/// Whether a file is a patch at all.
#[must_use]
pub fn is_patch(name: &str) -> bool {
    let name = name.to_lowercase();
    [".ptm", ".pak", ".upd"].iter().any(|extension| name.ends_with(extension))
}

/// Which RPO a patch is for, by the suffix before its extension; `unsuffixed` says what no suffix means.
#[must_use]
pub fn suits(name: &str, unsuffixed: Suits) -> Suits {
    let name = name.to_lowercase();
    let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
    if stem.ends_with("_portuguese") {
        Suits::Only(Edition::Brazil)
    } else if stem.ends_with("_spanish") {
        Suits::Only(Edition::International)
    } else if stem.ends_with("_multi") {
        Suits::Both
    } else {
        unsuffixed
    }
}

/// Says why a patch must not be applied to the RPO called `target` (without `.rpo`), from its first bytes and size.
///
/// # Errors
/// The reason.
pub fn check(name: &str, head: &[u8], size: u64, target: &str) -> Result<(), String> {
    if size == 0 {
        return Err("it is empty".to_owned());
    }
    if !name.to_lowercase().ends_with(".ptm") {
        return Ok(());
    }
    let (Some(length), Some(rest)) = (head.first_chunk::<4>(), head.get(4..)) else {
        return Err(format!("it has only {size} bytes, too few for a patch"));
    };
    let payload = u64::from(u32::from_le_bytes(*length));
    if !FRAME.contains(&size.saturating_sub(payload)) {
        return Err(format!(
            "its header announces {payload} bytes, but the file has {size}: truncated, or no patch"
        ));
    }
    let bytes: Vec<u8> = rest.iter().copied().take_while(|byte| *byte != 0).collect();
    let made_for = String::from_utf8_lossy(&bytes);
    if made_for != target {
        return Err(format!("it was made for the RPO `{made_for}`, not for `{target}`"));
    }
    Ok(())
}

/// The module a patch belongs to: the part of its name between the release and the RPO's name, as in
/// `expedicao_continua_12_1_2310_fin_tttm120_hp.ptm`.
#[must_use]
pub fn module(name: &str, target: &str) -> Option<String> {
    let name = name.to_lowercase();
    let (before, _) = name.split_once(&format!("_{target}"))?;
    let parts: Vec<&str> = before.split('_').collect();
    // The last one: dates in front look the same.
    let is_number = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    let release_at = parts.windows(3).rposition(|three| three.iter().all(is_number))?;
    let module = parts.get(release_at + 3..)?.join("_");
    (!module.is_empty()).then_some(module)
}

/// Orders names as a person would: runs of digits by their number, so that `9-…` comes before `10-…`.
#[must_use]
pub fn natural_order(left: &str, right: &str) -> Ordering {
    let key = |text: &str| -> Vec<(u128, String)> {
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()).min(38);
            let number = rest[..digits].parse().unwrap_or(0);
            rest = &rest[digits..];
            let words = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            parts.push((number, rest[..words].to_lowercase()));
            rest = &rest[words..];
        }
        parts
    };
    key(left).cmp(&key(right)).then_with(|| left.cmp(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(payload: u32, target: &str) -> Vec<u8> {
        let mut bytes = payload.to_le_bytes().to_vec();
        bytes.extend(target.as_bytes());
        bytes.resize(64, 0);
        bytes
    }

    #[test]
    fn a_sound_patch_passes() {
        assert_eq!(check("a.ptm", &header(1000, "tttm120"), 21_540, "tttm120"), Ok(()));
    }

    #[test]
    fn truncated_foreign_and_empty_patches_are_refused() {
        let reason = |head: &[u8], size| check("a.ptm", head, size, "tttm120").unwrap_err();
        assert!(reason(&header(1000, "tttm120"), 5000).contains("truncated"));
        assert!(reason(&header(1000, "tttp120"), 21_540).contains("made for the RPO `tttp120`"));
        assert!(reason(&[1, 2], 2).contains("too few"));
        assert!(reason(&[], 0).contains("empty"));
    }

    #[test]
    fn the_suffix_says_which_rpo() {
        assert_eq!(suits("x_portuguese.ptm", Suits::Both), Suits::Only(Edition::Brazil));
        assert_eq!(suits("X_SPANISH.PTM", Suits::Both), Suits::Only(Edition::International));
        assert_eq!(suits("x_multi.ptm", Suits::Only(Edition::Brazil)), Suits::Both);
        assert_eq!(suits("x.ptm", Suits::Only(Edition::Brazil)), Suits::Only(Edition::Brazil));
    }

    #[test]
    fn finds_the_module_in_real_names() {
        assert_eq!(
            module("expedicao_continua_12_1_2410_taf_tttm120_op.ptm", "tttm120").as_deref(),
            Some("taf")
        );
        assert_eq!(
            module("expedicao_continua_12_1_33_tss_protheus_tttm120_hp.ptm", "tttm120").as_deref(),
            Some("tss_protheus")
        );
        assert_eq!(module("2026_01_15_13_2_2610_fin_tttm120.ptm", "tttm120").as_deref(), Some("fin"));
        assert_eq!(module("12_1_2410_tttm120.ptm", "tttm120"), None);
        assert_eq!(module("23-11-01-LIB_LABEL_09102023_P12_HARPIA-TTTM120.PTM", "tttm120"), None);
    }

    #[test]
    fn numbers_in_names_count_as_numbers() {
        let mut names = vec!["10-b.ptm", "9-a.ptm", "a.ptm"];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(names, ["a.ptm", "9-a.ptm", "10-b.ptm"]);
    }
}
