use super::*;

#[test]
fn reads_what_the_ci_encoders_write() {
    assert_eq!(count("1e+06"), Ok(1_000_000));
    assert_eq!(list("next"), Ok(vec!["next".to_owned()]));
    assert_eq!(list("a,b\nc,"), Ok(vec!["a".to_owned(), "b".to_owned(), "c".to_owned()]));
    assert_eq!(list("[\"a\", \"\", \" \"]"), Ok(vec!["a".to_owned()]));
    assert_eq!(list("[\"a,b\", 3]"), Ok(vec!["a,b".to_owned(), "3".to_owned()]));
    assert_eq!(
        map("{\"a\":\"b\",\"n\":2}"),
        Ok([("a", "b"), ("n", "2")].map(|(k, v)| (k.to_owned(), v.to_owned())).into())
    );
    assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
    assert_eq!(duration("1e+06"), Ok(Duration::from_secs(1_000_000)));
    assert_eq!(duration("365d"), Ok(LONGEST_DURATION));
    assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
    assert_eq!(boolean("YES"), Ok(true));
}

#[test]
fn refuses_what_is_something_else() {
    assert!(boolean("maybe").is_err());
    assert!(count("0").is_err());
    assert!(count("2.5").is_err());
    for span in ["5 bananas", "366d", "1e+20", "-1", "inf", "NaN", "99999999999999999999y"] {
        assert!(duration(span).is_err(), "{span}");
    }
    assert!(list("[{\"a\":1}]").is_err());
    assert!(map("a=b").is_err());
    for address in ["ftp://x", "https://me:pw@host/", "host", "https://host/?token=x"] {
        assert!(url(address).is_err(), "{address}");
    }
    for path in ["/a", "a//b", "../a", ""] {
        assert!(inner_path(path).is_err(), "{path}");
    }
    for text in ["1.0+build", "-1", "", "1.0.", &"1".repeat(64)] {
        assert!(version(text).is_err(), "{text}");
    }
}

#[test]
fn booleans_are_those_of_go_yaml_and_shells() {
    for (texts, expected) in [
        ("1,t,T,TRUE,true,True,yes,Yes,y,Y,on,ON, true", true),
        ("0,f,F,FALSE,false,False,no,No,n,N,off,OFF", false),
    ] {
        for text in texts.split(',') {
            assert_eq!(boolean(text), Ok(expected), "{text}");
        }
    }
}

#[test]
fn time_spans_are_those_of_go_and_bare_seconds() {
    for (text, millis) in [
        ("5m30s", 330_000),
        ("1.5h", 5_400_000),
        ("300ms", 300),
        ("1h0m0.5s", 3_600_500),
        ("0", 0),
        ("2.5", 2_500),
        ("1d", 86_400_000),
    ] {
        assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
    }
    for text in ["1.5", "-1.5h", "1.5x", ".h", "1.2.3s", "h", "1.5h3"] {
        assert_eq!(duration(text).is_ok(), text == "1.5", "{text}");
    }
}

#[test]
fn a_map_says_which_of_its_entries_is_wrong() {
    for (text, said) in [
        ("{\"true\":\"x\"}", "what YAML makes of `y`, `yes` and `on`"),
        ("{\"false\":\"x\"}", "what YAML makes of `n`, `no` and `off`"),
        ("{\"a\":null}", "for `a`"),
        ("{\"a\":{\"b\":1}}", "for `a`"),
        ("{from: yaml}", "as JSON"),
    ] {
        assert!(map(text).is_err_and(|expected| expected.contains(said)), "{text}: {:?}", map(text));
    }
    assert!(text_map("{\"a\":1.1}").is_err_and(|expected| expected.contains("1.10")));
    assert!(text_map("{\"a\":\"1.10\"}").is_ok());
}

#[test]
fn a_version_without_quotes_is_explained() {
    assert!(version("1.2e+07").is_err_and(|expected| expected.contains("in quotes")));
}
