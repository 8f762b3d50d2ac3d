//! Patches, judged by their first bytes, their size and their names; and the file `VERSION` of a component.

use std::cmp::Ordering;

use plugin_rpo::patch::{self, Suits};

fn header(payload: u32, target: &str) -> Vec<u8> {
    let mut bytes = payload.to_le_bytes().to_vec();
    bytes.extend(target.as_bytes());
    bytes.resize(64, 0);
    // The size, which is no part of the header.
    bytes.extend((u64::from(payload) + 20_540).to_le_bytes());
    bytes
}

#[test]
fn headers() {
    let seeds = [header(1000, "tttm120"), header(u32::MAX, "tttm120")];
    super::run("PTM headers", &seeds.each_ref().map(Vec::as_slice), |input| {
        let (head, size) = input.split_at(input.len().min(64));
        let size = size.first_chunk().map_or(input.len() as u64, |size| u64::from_le_bytes(*size));
        let result = patch::check("a.ptm", head, size, "tttm120");
        if result.is_ok() {
            assert!(head[4..].starts_with(b"tttm120") && size > 20_000);
            assert!(patch::check("a.ptm", head, size, "tttm12").is_err());
        }
        result.is_ok()
    });
}

#[test]
fn names() {
    let seeds: [&[u8]; 3] = [
        b"expedicao_continua_12_1_2410_taf_tttm120_op.ptm\n9-a.ptm\n10-b_portuguese.ptm",
        b"2026_01_15_13_2_2610_fin_tttm120.ptm\n0001.ptm\n1.PTM",
        b"99999999999999999999999999999999999999990.upd\n9.pak\n9a",
    ];
    super::run("names of patches", &seeds, |input| {
        let text = String::from_utf8_lossy(input);
        let names: Vec<&str> = text.split('\n').take(4).collect();
        for a in &names {
            let _ = (patch::suits(a, Suits::Both), patch::module(a, "tttm120"), patch::module(a, ""));
            for b in &names {
                assert_eq!(patch::natural_order(a, b), patch::natural_order(b, a).reverse(), "{a:?} {b:?}");
                assert_eq!(patch::natural_order(a, b) == Ordering::Equal, a == b, "{a:?} {b:?}");
                for c in &names {
                    let is_between = patch::natural_order(a, b).is_le() && patch::natural_order(b, c).is_le();
                    assert!(!is_between || patch::natural_order(a, c).is_le(), "{a:?} {b:?} {c:?}");
                }
            }
        }
        names.iter().all(|name| patch::is_patch(name) || !name.is_empty())
    });
}

#[test]
fn version_files() {
    let seeds: [&[u8]; 2] = [b"12.1.2310\n", b"\xef\xbb\xbf1.0\r\nsecond line\n"];
    super::run("files `VERSION`", &seeds, |input| {
        let read = plugin_package::component::version(input);
        if let Ok(version) = &read {
            assert_eq!(plugin_package::component::version(version.as_bytes()).as_ref(), Ok(version));
            assert!(version.chars().all(|c| c.is_ascii_graphic() && c != '/'), "{version}");
        }
        read.is_ok()
    });
}
