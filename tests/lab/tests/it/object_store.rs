//! The S3 server refuses the writes that Esteira's safety rests on.

use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::signer::Signer as _;
use reqwest::{Method, Response};

async fn new_bucket() -> AmazonS3 {
    let s3 = lab::s3();
    AmazonS3Builder::new()
        .with_endpoint(s3.endpoint())
        .with_allow_http(true)
        .with_bucket_name(s3.create_bucket().await.unwrap())
        .with_access_key_id(s3.access_key())
        .with_secret_access_key(s3.secret_key())
        .build()
        .unwrap()
}

async fn put(bucket: &AmazonS3, text: &'static str, condition: (&str, &str)) -> Response {
    let url = bucket.signed_url(Method::PUT, &"a/key".into(), Duration::from_secs(60)).await.unwrap();
    let request = lab::http::client().unwrap().put(url).header(condition.0, condition.1).body(text);
    request.send().await.unwrap()
}

#[tokio::test]
async fn a_conditional_write_happens_only_on_its_condition() {
    let bucket = new_bucket().await;
    assert_eq!(put(&bucket, "x", ("if-match", "\"0\"")).await.status(), 404);

    let created = put(&bucket, "1", ("if-none-match", "*")).await;
    assert_eq!(created.status(), 200);
    assert_eq!(put(&bucket, "2", ("if-none-match", "*")).await.status(), 412);

    let tag = created.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(put(&bucket, "3", ("if-match", &tag)).await.status(), 200);
    assert_eq!(put(&bucket, "4", ("if-match", &tag)).await.status(), 412);
}
