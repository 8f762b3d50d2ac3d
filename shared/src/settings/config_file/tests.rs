use super::*;

fn values(text: &str) -> BTreeMap<String, String> {
    let mut problems = Problems::default();
    let entries = read(text, &mut problems);
    assert_eq!(problems, Problems::default());
    entries.into_iter().map(|(key, entry)| (key, entry.value)).collect()
}

fn problems(text: &str) -> Vec<String> {
    let mut problems = Problems::default();
    let _ = read(text, &mut problems);
    problems.0.iter().map(|problem| format!("{}: {}", problem.name, problem.text)).collect()
}

#[test]
fn reads_comments_quotes_and_windows_line_ends() {
    let values = values("# weekly\r\nRELEASE = \"12.1.2310\"\r\n\r\nGERAMI='true'\r\n");
    assert_eq!((values["RELEASE"].as_str(), values["GERAMI"].as_str()), ("12.1.2310", "true"));
}

#[test]
fn reads_a_file_as_people_write_it() {
    let values = values(
        "\u{feff}# Parâmetros da release\nexport RELEASE=12.1.2410   # homologação até sexta\nrposource=base_12.1.xx\nEXPCONT = true\n\
         MODULE_PUBLISH_BLACKLIST=\nMODULE_LATEST_ALLOW=\"fin, fat\"# dois módulos\nIMAGEM_REPO='erp/images#2' # com cerquilha\n\
         CHART_BRANCH=feature/#42\n\tUPDDISTRCOND\t=\ta = b\nEXPORT=x\nexported=y\n",
    );
    for (key, value) in [
        ("RELEASE", "12.1.2410"),
        ("RPOSOURCE", "base_12.1.xx"),
        ("EXPCONT", "true"),
        ("MODULE_PUBLISH_BLACKLIST", ""),
        ("MODULE_LATEST_ALLOW", "fin, fat"),
        ("IMAGEM_REPO", "erp/images#2"),
        ("CHART_BRANCH", "feature/#42"),
        ("UPDDISTRCOND", "a = b"),
        ("EXPORT", "x"),
        ("EXPORTED", "y"),
    ] {
        assert_eq!(values[key], value, "{key}");
    }
    assert_eq!(values.len(), 10);
}

#[test]
fn names_the_lines_it_cannot_use() {
    assert_eq!(
        problems("RELEASE=1\njust words\nrelease=1\nA b=2\n=3\nGERAMI: true\nX=\"open\nY='a' b\n"),
        [
            ".config line 2: expected `KEY=VALUE` or a `#` comment",
            ".config line 3: `RELEASE` is set twice (in line 1 too); which one is meant?",
            ".config line 4: expected `KEY=VALUE` or a `#` comment",
            ".config line 5: expected `KEY=VALUE` or a `#` comment",
            ".config line 6: expected `KEY=VALUE` or a `#` comment",
            ".config line 7: the quote \" is never closed",
            ".config line 8: something stands after the closing quote '",
        ]
    );
}

#[test]
fn what_is_no_hand_written_text_is_told() {
    assert!(problems("A=1\nB=\0\n")[0].starts_with(".config line 2: contains a NUL byte"));
    assert!(
        problems(&format!("A={}\n", "x".repeat(LONGEST_LINE)))[0]
            .starts_with(".config line 1: is longer than")
    );
    assert_eq!(problems(&format!("A={}\n", "x".repeat(LONGEST_LINE - 2))), [""; 0]);
}

#[test]
fn the_code_pages_of_windows_are_read() {
    assert_eq!(decode("# versão\nA=1".as_bytes()), ("# versão\nA=1".to_owned(), None));
    assert_eq!(decode(b"\xef\xbb\xbfA=1"), ("A=1".to_owned(), None));
    let (text, encoding) = decode(b"A=expedi\xe7\xe3o \x96 \x80\r\n");
    assert_eq!((text.as_str(), encoding), ("A=expedição – €\r\n", Some("windows-1252")));
    let utf16: Vec<u8> = "\u{feff}A=ção\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(decode(&utf16), ("A=ção\r\n".to_owned(), Some("UTF-16LE")));
}
