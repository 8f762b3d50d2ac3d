//! The Git server takes commits without a clone and merges pull requests.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lab::Gitea;
use reqwest::Method;
use serde_json::{Value, json};

/// A call of a plugin's kind: the lab's own methods only play the people beside it.
async fn call(gitea: &Gitea, method: Method, path: &str, body: Value) -> Value {
    let url = format!("{}/api/v1/repos/{}/{path}", gitea.url(), gitea.owner());
    let request = lab::http::client().unwrap().request(method, url).bearer_auth(gitea.token()).json(&body);
    lab::http::success(request).await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn a_version_branch_becomes_a_pull_request_and_is_merged() {
    let gitea = lab::gitea();
    let name = gitea.repository_name("images");
    gitea
        .create_repository(&name, &[("VERSION", "1.0.0\n"), ("app/values.yaml", "tag: 1.0.0\n")], "main")
        .await
        .unwrap();
    assert_eq!(gitea.file(&name, "main", "app/values.yaml").await.unwrap().unwrap(), "tag: 1.0.0\n");
    assert_eq!(gitea.file(&name, "main", "absent").await.unwrap(), None);

    let path = format!("{name}/contents/VERSION?ref=main");
    let blob = call(gitea, Method::GET, &path, Value::Null).await;
    let change = json!({
        "branch": "main", "new_branch": "bump", "force_push": true, "message": "Bump",
        "files": [{"operation": "update", "path": "VERSION", "sha": blob["sha"], "content": STANDARD.encode("1.1.0\n")}],
    });
    call(gitea, Method::POST, &format!("{name}/contents"), change.clone()).await;
    // The same once more, as a rerun would: the branch is replaced, not refused.
    call(gitea, Method::POST, &format!("{name}/contents"), change).await;
    let wanted = json!({"head": "bump", "base": "main", "title": "Version 1.1.0"});
    call(gitea, Method::POST, &format!("{name}/pulls"), wanted).await;

    let pulls = gitea.pull_requests(&name).await.unwrap();
    let [pull] = &pulls[..] else { panic!("{pulls:?}") };
    assert_eq!((&*pull.title, &*pull.state, pull.merged), ("Version 1.1.0", "open", false));
    assert_eq!((&*pull.head.name, &*pull.base.name), ("bump", "main"));
    let diff = gitea.diff(&name, pull.number).await.unwrap();
    assert!(diff.contains("-1.0.0\n+1.1.0\n"), "{diff}");

    gitea.merge(&name, pull.number).await.unwrap();
    assert!(gitea.pull_requests(&name).await.unwrap()[0].merged);
    assert_eq!(gitea.file(&name, "main", "VERSION").await.unwrap().unwrap(), "1.1.0\n");
    // The first one, the version's, and the merge.
    assert_eq!(gitea.commits(&name, "main").await.unwrap().len(), 3);
}

#[tokio::test]
async fn creating_a_repository_again_keeps_what_is_there() {
    let gitea = lab::gitea();
    let name = gitea.repository_name("charts");
    gitea.create_repository(&name, &[("VERSION", "1\n")], "trunk").await.unwrap();
    gitea.commit(&name, "trunk", "More", &[("more", "x")]).await.unwrap();
    gitea.create_repository(&name, &[("VERSION", "2\n")], "trunk").await.unwrap();
    assert_eq!(gitea.file(&name, "trunk", "VERSION").await.unwrap().unwrap(), "1\n");
    assert_eq!(gitea.commits(&name, "trunk").await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_second_start_on_the_same_folder_keeps_repositories_token_and_address() {
    let folder = lab::folder::temporary("restarted-gitea").unwrap();
    let first = Gitea::start(&folder).unwrap();
    first.create_repository("kept", &[("a", "b")], "main").await.unwrap();
    let (url, token) = (first.url().to_owned(), first.token().to_owned());
    drop(first);

    let second = Gitea::start(&folder).unwrap();
    assert_eq!((second.url(), second.token()), (&*url, &*token));
    assert_eq!(second.file("kept", "main", "a").await.unwrap().unwrap(), "b");
}
