//! Signing in to another server with an account of the Git server, without a browser.
//! It may not keep a password: one is set for each sign-in and forgotten.
//! Called by the CI servers of the lab, which read repositories in the name of their owner.

use reqwest::{Client, Method, Response};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;
use url::Url;

use super::{Gitea, OWNER};
use crate::error::{Attempt as _, Error};
use crate::{folder, http};

/// What a server needs to know to let people sign in with their account here.
#[derive(Deserialize)]
pub(crate) struct Application {
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
}

impl Gitea {
    /// Registers a server to which people return at `redirect`.
    pub(crate) async fn application(&self, name: &str, redirect: &str) -> Result<Application, Error> {
        let wanted = json!({"name": name, "redirect_uris": [redirect], "confidential_client": true});
        let request = self.request(Method::POST, "user/applications/oauth2")?.json(&wanted);
        let reply = self.send(request).await?;
        reply.json().await.attempting(|| "cannot read the OAuth application".into())
    }

    /// Follows the other server's `login` address as the owner would in a browser: signs in here, agrees, and
    /// is sent back. The client that is returned holds the other server's session.
    pub(crate) async fn sign_in(&self, login: &str) -> Result<Client, Error> {
        // Two at a time would replace each other's password.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
        let _turn = ONE_AT_A_TIME.lock().await;

        let browser = http::browser()?;
        let password = folder::random_secret()?;
        let account = json!({"password": password, "login_name": OWNER, "source_id": 0});
        self.send(self.request(Method::PATCH, &format!("admin/users/{OWNER}"))?.json(&account)).await?;
        let form = [("user_name", OWNER), ("password", &password)];
        http::success(browser.post(format!("{}/user/login", self.url)).form(&form)).await?;

        let asked = http::success(browser.get(login)).await?;
        let page = asked.url().clone();
        if page.path() == "/login/oauth/authorize" {
            let back = http::success(self.agree(&browser, &page)).await?;
            must_be_back(&back, login)?;
        } else {
            must_be_back(&asked, login)?;
        }
        Ok(browser)
    }

    /// The form of the page that asks whether the other server may act for the user. Its hidden fields repeat
    /// the page's address; seen in the page of Gitea 1.26.
    fn agree(&self, browser: &Client, page: &Url) -> reqwest::RequestBuilder {
        let mut form: Vec<_> = page.query_pairs().into_owned().collect();
        form.push(("granted".into(), "true".into()));
        browser.post(format!("{}/login/oauth/grant", self.url)).form(&form)
    }
}

/// A refusal is a page as well, with the same status.
fn must_be_back(reply: &Response, login: &str) -> Result<(), Error> {
    let home = Url::parse(login).attempting(|| format!("`{login}` is no address"))?;
    let (here, is_refused) =
        (reply.url(), reply.url().path().contains("error") || reply.url().query().is_some());
    if here.origin() == home.origin() && !is_refused {
        return Ok(());
    }
    Err(Error::new(format!("signing in at {login} ended at {here}")))
}
