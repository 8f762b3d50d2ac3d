//! The service account that may use the stand-in's buckets.
//! It may not be good for anything else: its key was made for this file and opens nothing.
//! Called by the stand-in, which knows its tokens, and by tests, which hand its key to a plugin.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

const EMAIL: &str = "lab@lab.iam.gserviceaccount.com";
const KEY_ID: &str = "lab-1";
/// PKCS #8, without the lines around it.
const KEY: &str = "\
    MIIEuwIBADANBgkqhkiG9w0BAQEFAASCBKUwggShAgEAAoIBAQCfqyNtWrNVRZZ1pLM+ZHUupnu/KQNwnNxOX0vTgciFXTyF5lGc\
    96UPxIbXhhnGMEsyjubPuxcQ7Cwyq56xPHkIdTYYmGHQNtVZQR2DZehL3kUid8eICRUuys++aImqxh+/EV5WqHdrAMrI4gwuLapd\
    ZkytI0Ai3K+h/xx3cTUCK1UqPsYJDIF5n5TBZYHn2w4pLINrLxoUr8NTSG5C6lk2lUjyasaDE0OX/5fC5a+Tl6mhH51TguxbibFt\
    B31pPZrbyGAtbMP7uIgMIaXtwMnxwf6JS0vqUKfrG0jQuCHG1NZ3Ta/ypdI934GOj46AMrZC7wtCMH9+h8aMOVPWSQ5LAgMBAAEC\
    gf8+Xpt4G/XxWT1stulNdfBQSLgN8/dkBeIIuzDjbc7mSYVayJ0Ys6PGhP4nMjrfL/4vwaJngq1/7sFVCbTzhqvAogh/kwaiTskI\
    FGdy7FvRRwG6dQ98FBAyNwbvWeZszveXqzEuqJ/9LFIKJkKbxzrFQTCycRKci5gPr5dvEMmkDqp58HmrOTvsRkPeDvv6hJL1RFxV\
    1Ov97mZij4htJwUwF8p+aZjGqQs08wkeDdamBlDUdSiO5wNjJpu/CKfPFzSbM+kOwIwOPqKwxtsrr8jp5pHH4f4pA/9fenUL8puk\
    trXh/TEGVA6cPg3lgs4+WhMBmBFZjdOoA9M749nmLcECgYEA31kOt/9Xo0Mt/6CTgmoFhjjAJBDS8/ZNksUfrqqHa7Z2XyDmTuiF\
    OkT+X+As+rir62OQpUcl0Do+CD0jStIcUQJKvTEMgXTJ4OsNt0cY7KnW58ymh4ahxuUwdUz28OBZEL3dh0o18LreePys/lyUH3QL\
    RXvFA1FeCGHT6Xn+j/kCgYEAtwLWlCkyjnpDBWer+kbJ4FIcMkqB5AKZgaprhL+Xi1luU9Yd1ddWLYEaMphAf9tFb0Cy1rpJuhvB\
    bpIWXoNMxYFn1YTrgwTnw3SAnN2WDvGu+NUV/Jlr6kSy8OP/g9363cwgm9KgT7+taX6EmwHvsg0t0rgHMWXjY+2vcAUsqWMCgYBq\
    fttuznjqJvE670UGrSj/K/Yp/D+qBepNLmMB9NvndzQP/e7y9xn3g8hKzOiFkCKhdXMV68vS8sJ7STOXzIGl+tLKTSXqYFaWQV3j\
    4ym2RvFqy4EoJADlhojJla41grPVMML9bFw18dR8mfaevmP+b2WkdvSktVqB4quZqwq/eQKBgQCplP+xGtu2GqSwBXje2WmHa46l\
    K1VhKueDt58Zy09p2Nza4rWSyY8Za2ATMfHSiCS3CoStZMGcqst64fPIcHJbMaY9vIVfStRX0US8FrhN8LXp7coJ30CYPEBz51GF\
    p9QmYlh1C59xRnQyJQJLgGfT3VJwyAYiR/+FQWInsyPHcQKBgFRA6mtuStP0Ra6xzOToyJc6yS6mkVS3vLnSYpioYguN/qlZxm6z\
    Zfv8DMLRS/CQv/2Nld7iwRvG6e8KeSxXMTEi/jNCNpQXncS76Caj38hL0yzpbwhqPY+DhHqy8nuPEz82tk96JNSg3P5UhnLJM+e+\
    gfvBC1j+k9CQFolQwdNT\
";

/// The key file, as Google gives it out (<https://cloud.google.com/iam/docs/keys-create-delete>).
pub(super) fn key_file() -> String {
    let lines: Vec<_> = KEY.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    let kind = "PRIVATE KEY";
    serde_json::json!({
        "type": "service_account",
        "project_id": "lab",
        "private_key_id": KEY_ID,
        "private_key": format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", lines.join("\n")),
        "client_email": EMAIL,
        "token_uri": "https://oauth2.googleapis.com/token",
    })
    .to_string()
}

/// Whether a bearer token is one that this account signs for itself (<https://google.aip.dev/auth/4111>). The signature is not looked at.
pub(super) fn has_signed(token: &str) -> bool {
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { return false };
    let part =
        |text: &str| -> Option<Value> { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok() };
    let (Some(header), Some(claims)) = (part(header), part(claims)) else { return false };
    let is_young = claims["exp"].as_i64().is_some_and(|end| end > jiff::Timestamp::now().as_second());
    header["kid"] == KEY_ID
        && header["alg"] == "RS256"
        && claims["iss"] == EMAIL
        && is_young
        && !signature.is_empty()
}
