//! The two methods of the API: parameters in, JSON out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::account::{Access, Account, Rate};
use super::{Monitor, Request};

type Shared = State<Arc<Mutex<Account>>>;
type Parameters = BTreeMap<String, String>;

const MOST_MONITORS: usize = 50;

pub(super) async fn get_monitors(account: Shared, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    // Only this method may have its parameters in the address.
    let mut parameters = form(uri.query().unwrap_or_default().as_bytes());
    parameters.extend(body_parameters(&headers, &body));
    answer(&account, &uri, &body, &parameters, |account, access| Ok(list(account, access, &parameters)))
}

pub(super) async fn edit_monitor(account: Shared, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let parameters = body_parameters(&headers, &body);
    answer(&account, &uri, &body, &parameters, |account, access| edit(account, access, &parameters))
}

/// What both methods have in common: the record, the rate limit, the key, and 200 for every logical error.
fn answer(
    account: &Mutex<Account>,
    uri: &Uri,
    body: &[u8],
    parameters: &Parameters,
    method: impl FnOnce(&mut Account, Access) -> Result<Value, Value>,
) -> Response {
    let mut account = account.lock().unwrap_or_else(PoisonError::into_inner);
    account.requests.push(Request {
        method: Method::POST.to_string(),
        path: uri.to_string(),
        body: String::from_utf8_lossy(body).into_owned(),
    });
    let rate = account.count();
    if rate.as_ref().is_some_and(|rate| rate.exceeded) {
        let text =
            json!({ "stat": "fail", "error": { "type": "rate_limit", "message": "Too many requests." } });
        return (StatusCode::TOO_MANY_REQUESTS, rate_headers(rate.as_ref()), Json(text)).into_response();
    }
    let key = parameters.get("api_key").map(String::as_str).unwrap_or_default();
    let result = match Account::access(key) {
        Some(access) => method(&mut account, access),
        None => Err(invalid("api_key", key)),
    };
    let reply = result.unwrap_or_else(|error| json!({ "stat": "fail", "error": error }));
    (rate_headers(rate.as_ref()), Json(reply)).into_response()
}

fn list(account: &Account, access: Access, parameters: &Parameters) -> Value {
    let number = |name: &str| parameters.get(name).and_then(|value| value.parse::<usize>().ok());
    let offset = number("offset").unwrap_or(0);
    let limit = number("limit").unwrap_or(MOST_MONITORS).clamp(1, MOST_MONITORS);
    let search = parameters.get("search").map(|text| text.to_lowercase()).unwrap_or_default();
    let ids: Option<Vec<&str>> = parameters.get("monitors").map(|ids| ids.split('-').collect());
    let found: Vec<Monitor> = account
        .monitors()
        .filter(|monitor| match access {
            Access::OneMonitor(id) => monitor.id == id,
            Access::Full | Access::ReadOnly => true,
        })
        .filter(|monitor| ids.as_ref().is_none_or(|ids| ids.contains(&monitor.id.to_string().as_str())))
        .filter(|monitor| monitor.name.to_lowercase().contains(&search))
        .collect();
    let page: Vec<Value> = found.iter().skip(offset).take(limit).map(shown).collect();
    json!({
        "stat": "ok",
        "pagination": { "offset": offset, "limit": limit, "total": found.len() },
        "monitors": page,
    })
}

fn edit(account: &mut Account, access: Access, parameters: &Parameters) -> Result<Value, Value> {
    if access != Access::Full {
        return Err(json!({ "type": "not_authorized", "message": "This API key cannot edit monitors." }));
    }
    let parameter = |name: &str| parameters.get(name).map(String::as_str).unwrap_or_default();
    let id: u64 = parameter("id").parse().map_err(|_| invalid("id", parameter("id")))?;
    let status = match parameter("status") {
        "0" => 0,
        "1" => 1,
        other => return Err(invalid("status", other)),
    };
    account.edit(id, status).map_err(
        |_| json!({ "type": "not_found", "parameter_name": "id", "message": "Monitor not found." }),
    )?;
    Ok(json!({ "stat": "ok", "monitor": { "id": id } }))
}

fn shown(monitor: &Monitor) -> Value {
    let Monitor { id, name, status } = monitor;
    json!({ "id": id, "friendly_name": name, "url": "", "type": 1, "interval": 300, "status": status })
}

/// The service repeats what it was given, also a key: a trap for clients that log errors.
fn invalid(parameter: &str, value: &str) -> Value {
    json!({
        "type": "invalid_parameter",
        "parameter_name": parameter,
        "passed_value": value,
        "message": format!("{parameter} is invalid."),
    })
}

fn body_parameters(headers: &HeaderMap, body: &[u8]) -> Parameters {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/json") {
        return form(body);
    }
    let fields: BTreeMap<String, Value> = serde_json::from_slice(body).unwrap_or_default();
    let plain = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    fields.into_iter().map(|(name, value)| (name, plain(value))).collect()
}

fn form(text: &[u8]) -> Parameters {
    url::form_urlencoded::parse(text).into_owned().collect()
}

fn rate_headers(rate: Option<&Rate>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let Some(rate) = rate else { return headers };
    // A client that came back a moment too early would be refused again.
    let wait = rate.reset.as_secs() + 1;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    headers.insert("x-ratelimit-limit", rate.limit.into());
    headers.insert("x-ratelimit-remaining", rate.remaining.into());
    headers.insert("x-ratelimit-reset", (now + wait).into());
    if rate.exceeded {
        headers.insert(header::RETRY_AFTER, wait.into());
    }
    headers
}
