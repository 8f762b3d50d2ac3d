//! What is taken for a bucket's answer, by its headers and first words.

use object_store::client::HttpRequestBody;

use super::*;

const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Sign in - Acme</title></head></html>";
const HTML: (&str, &str) = ("content-type", "text/html; charset=utf-8");
const TAG: (&str, &str) = ("etag", "\"1\"");
const LISTING: &str = "http://server.example/store?list-type=2&prefix=a%2F";
const OBJECT: &str = "http://server.example/store/a";

fn asked(method: Method, address: &str, range: bool) -> Asked {
    let mut request = HttpRequest::new(HttpRequestBody::empty());
    *request.method_mut() = method;
    *request.uri_mut() = address.parse().unwrap();
    if range {
        request.headers_mut().insert(RANGE, HeaderValue::from_static("bytes=0-9"));
    }
    Asked::of(&request)
}

/// The error's text, or the body that was let through.
async fn judged(
    asked: Asked,
    status: u16,
    headers: &[(&'static str, &str)],
    body: &str,
) -> Result<String, String> {
    let mut answer = HttpResponse::new(body.to_owned().into());
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        answer.headers_mut().insert(*name, value.parse().unwrap());
    }
    match asked.judge(answer, &Redactor::default()).await {
        Ok(answer) => Ok(String::from_utf8(answer.into_body().bytes().await.unwrap().to_vec()).unwrap()),
        Err(error) => Err(std::error::Error::source(&error).unwrap().to_string()),
    }
}

#[tokio::test]
async fn a_page_instead_of_a_listing_an_object_or_a_write_is_called_one() {
    let page =
        "a page for people, \"Sign in - Acme\", not by a bucket (status 200, text/html; charset=utf-8)";
    for (method, address, range, headers) in [
        (Method::GET, LISTING, false, &[HTML][..]),
        (Method::GET, LISTING, false, &[HTML, TAG]),
        (Method::GET, OBJECT, false, &[HTML]),
        (Method::GET, OBJECT, true, &[HTML, TAG]),
        (Method::PUT, OBJECT, false, &[HTML]),
        (Method::POST, OBJECT, false, &[HTML]),
    ] {
        let error = judged(asked(method.clone(), address, range), 200, headers, PAGE).await.unwrap_err();
        let address = address.split('?').next().unwrap();
        assert_eq!(error, format!("{method} {address} was answered with {page}"));
    }
    let head = judged(asked(Method::HEAD, OBJECT, false), 200, &[HTML], "").await.unwrap_err();
    assert!(head.contains("was answered with a page for people, not by a bucket (status 200"), "{head}");
    let refused = judged(asked(Method::GET, OBJECT, false), 404, &[HTML], PAGE).await.unwrap_err();
    assert!(refused.contains("\"Sign in - Acme\", not by a bucket (status 404"), "{refused}");
}

#[tokio::test]
async fn an_object_that_is_a_page_and_what_the_client_asks_again_are_let_through() {
    let store = ("x-amz-request-id", "1");
    for (method, range, status, headers) in [
        (Method::GET, true, 206, &[HTML, TAG][..]),
        (Method::GET, false, 200, &[HTML, TAG]),
        (Method::GET, true, 200, &[HTML, store]),
        (Method::HEAD, false, 200, &[HTML, TAG]),
        (Method::HEAD, false, 404, &[HTML]),
        (Method::GET, false, 404, &[HTML, store]),
        (Method::GET, false, 404, &[]),
        (Method::PUT, false, 200, &[]),
        (Method::PUT, false, 503, &[HTML]),
        (Method::PUT, false, 429, &[HTML]),
    ] {
        let text = format!("{method} {status} {headers:?}");
        assert_eq!(
            judged(asked(method, OBJECT, range), status, headers, PAGE).await.as_deref(),
            Ok(PAGE),
            "{text}"
        );
    }
}

#[tokio::test]
async fn only_the_root_of_a_listing_makes_one() {
    let list = || asked(Method::GET, LISTING, false);
    let xml = ("content-type", "application/xml");
    for body in [
        "<ListBucketResult/>",
        "<?xml version=\"1.0\"?>\n<!-- x -->\n<ListBucketResult xmlns=\"http://s3.example/\"><Name>n</Name></ListBucketResult>",
        "\u{feff} <a:ListBucketResult>",
    ] {
        assert_eq!(judged(list(), 200, &[xml], body).await.as_deref(), Ok(body));
    }
    for body in
        ["", "{}", "<ListBucketResults/>", "<Error><Code>x</Code></Error>", "<!-- <ListBucketResult> "]
    {
        let error = judged(list(), 200, &[xml], body).await.unwrap_err();
        assert!(
            error.contains("with something else than a listing, not by a bucket (status 200, "),
            "{error}"
        );
    }
    let long = judged(list(), 200, &[xml], &" ".repeat(LONGEST_LISTING + 1)).await.unwrap_err();
    assert!(long.contains("something longer than 32 MiB"), "{long}");
}

#[test]
fn a_small_object_is_a_page_by_its_content() {
    let page = |kind, bytes: &str| NotABucket::of_object(kind, bytes.as_bytes(), &Redactor::default());
    let text = page(None, PAGE).unwrap().to_string();
    assert!(text.starts_with("it was answered with a page for people, \"Sign in - Acme\", not by"), "{text}");
    assert!(page(Some("text/html"), " <!-- login --><p>Sign in").is_some());
    for (kind, bytes) in [(Some("text/html"), "{\"rpo\": \"x\"}"), (None, "entries:\n"), (None, "<x/>")] {
        assert!(page(kind, bytes).is_none(), "{bytes}");
    }
}
