//! Chart archives: what is accepted is packed again into the same bytes, with plain paths in the chart's folder and nothing else.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use plugin_chart_publish::repack::{content, repack};

fn seed(extra: &str, tail: impl Fn(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, text) in
        [("web/Chart.yaml", "apiVersion: v2\nname: web\n"), ("web/values.yaml", "a: 1\n"), (extra, "x")]
    {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    tail(&mut tar);
    tar.into_inner().unwrap()
}

fn seeds() -> [Vec<u8>; 3] {
    let long = format!("web/templates/{}.yaml", "long-".repeat(40));
    [
        seed("web/charts/db/Chart.yaml", |_| {}),
        seed(&long, |_| {}),
        seed("web/.helmignore", |tar| {
            tar.append_pax_extensions([("path", b"web/pax.yaml".as_slice()), ("size", b"3")]).unwrap();
            let mut header = tar::Header::new_ustar();
            header.set_size(3);
            tar.append_data(&mut header, "web/short", b"abc".as_slice()).unwrap();
        }),
    ]
}

fn packed(tar: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(tar).unwrap();
    gzip.finish().unwrap()
}

/// A changed header is no header any more, unless its sum is right again.
fn with_right_sums(tar: &[u8]) -> Vec<u8> {
    let mut tar = tar.to_vec();
    for block in tar.chunks_exact_mut(512).filter(|block| block[257..].starts_with(b"ustar")) {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    tar
}

fn is_repacked(archive: &[u8]) -> bool {
    let digest = content(archive, "web");
    let Ok(once) = repack(archive, "web", &[]) else { return false };
    assert_eq!(digest.unwrap(), once.content);
    assert_eq!(repack(&once.bytes, "web", &[]).unwrap(), once);
    for entry in tar::Archive::new(GzDecoder::new(once.bytes.as_ref())).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        assert!(
            path.starts_with("web/") && !path.split('/').any(|part| matches!(part, "" | "." | "..")),
            "{path}"
        );
        assert_eq!(entry.header().entry_type(), tar::EntryType::Regular);
        entry.read_to_end(&mut Vec::new()).unwrap();
    }
    true
}

#[test]
fn compressed() {
    let seeds = seeds().map(|tar| packed(&tar));
    super::run("chart archives, bytes of gzip", &seeds.each_ref().map(Vec::as_slice), is_repacked);
}

#[test]
fn unpacked() {
    let seeds = seeds();
    super::run("chart archives, bytes of tar", &seeds.each_ref().map(Vec::as_slice), |input| {
        is_repacked(&packed(&with_right_sums(input)))
    });
}

#[test]
fn what_unpacks_to_far_more_than_a_chart_holds_is_refused_within_its_bounds() {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let size = 200 << 20;
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    tar.append_data(&mut header, "web/Chart.yaml", std::io::repeat(0).take(size)).unwrap();
    let archive = tar.into_inner().unwrap().finish().unwrap();
    assert!(repack(&archive, "web", &[]).is_err());
    let memory = lab::measure::peak_rss(std::process::id()).unwrap();
    assert!(memory < 600 << 20, "{} MiB", memory >> 20);
}
