//! The portal of IAM Identity Center: a token of somebody who has logged in is changed for a role's session.

use serde_json::json;

use super::{json, sts};
use crate::message::{Call, Reply};
use crate::server::World;

const TOKEN: &str = "sandbox-sso";

/// Whether a call is one to the portal, which knows no keys.
pub fn is_portal(call: &Call) -> bool {
    call.path == "/federation/credentials"
}

pub fn answer(_: &World, call: &Call) -> Reply {
    if call.header("x-amz-sso_bearer_token") != Some(TOKEN) {
        return json::error(401, "UnauthorizedException", "Session token not found or invalid")
            .with("x-amzn-errortype", "UnauthorizedException");
    }
    let Some([key, secret, token]) = call.param("role_name").and_then(sts::session) else {
        return json::error(403, "ForbiddenException", "No access").with("x-amzn-errortype", "ForbiddenException");
    };
    // The end of the year 2099, in milliseconds.
    let session = json!({"accessKeyId": key, "secretAccessKey": secret, "sessionToken": token, "expiration": 4_102_444_799_000_u64});
    json::reply(200, &json!({"roleCredentials": session}))
}
