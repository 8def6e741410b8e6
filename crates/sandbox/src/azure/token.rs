//! Microsoft Entra, as far as a client secret goes, and the discovery documents that `az` reads first.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::json;

use crate::{
    environment::{CLIENT_ID, CLIENT_SECRET, SUBSCRIPTION, TENANT},
    ids,
    message::{Call, Reply},
    server::World,
};

/// `POST /{tenant}/oauth2/v2.0/token` with a client secret or a federated assertion.
pub fn issue(world: &World, call: &Call) -> Reply {
    let form: std::collections::BTreeMap<_, _> = url::form_urlencoded::parse(&call.body).into_owned().collect();
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    if call.segments[0] != TENANT && !matches!(call.segments[0].as_str(), "common" | "organizations") {
        return refusal("invalid_request", 90002, "Tenant not found.");
    }
    if field("client_id") != CLIENT_ID {
        return refusal(
            "unauthorized_client",
            700016,
            "Application with this identifier was not found in the directory.",
        );
    }
    if !field("client_assertion").is_empty()
        && let Err(reason) = check_assertion(field("client_assertion"), call)
    {
        return refusal("invalid_client", 700027, &format!("Client assertion failed validation: {reason}"));
    }
    if field("client_secret") != CLIENT_SECRET && field("client_assertion").is_empty() {
        return refusal("invalid_client", 7000215, "Invalid client secret provided.");
    }
    // A token is for one service; one for another cloud's would be of no use here.
    if !field("scope").contains(&call.origin) {
        let message = format!("The resource principal named in '{}' was not found in the tenant.", field("scope"));
        return refusal("invalid_resource", 500_011, &message);
    }
    let token = token();
    world.azure.tokens().insert(token.clone());
    Reply::json(
        200,
        &json!({"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token}),
    )
}

/// `GET /msi/token`: the identity endpoint of App Service and of what is like it (App Service, "How to use managed
/// identities", REST endpoint reference).
pub fn of_managed_identity(world: &World, call: &Call) -> Reply {
    if call.header("x-identity-header") != Some(CLIENT_SECRET) {
        return Reply::json(
            401,
            &json!({"statusCode": 401, "message": "The X-IDENTITY-HEADER is not this machine's."}),
        );
    }
    if call.param("resource") != Some(&call.origin) {
        return Reply::json(400, &json!({"statusCode": 400, "message": "The resource is unknown."}));
    }
    if call.param("client_id").is_some_and(|id| id != CLIENT_ID) {
        return Reply::json(400, &json!({"statusCode": 400, "message": "No managed identity has this client id."}));
    }
    let token = token();
    world.azure.tokens().insert(token.clone());
    // The end of the year 2099: the sandbox ends tokens by its faults.
    Reply::json(
        200,
        &json!({"token_type": "Bearer", "expires_on": "4102444800", "resource": call.origin, "access_token": token}),
    )
}

/// What Entra checks of an assertion that a certificate has signed. The sandbox knows no certificates, so any signature
/// is good; a token of another authority is taken as it is.
fn check_assertion(assertion: &str, call: &Call) -> Result<(), &'static str> {
    let decode = |part: &str| -> Option<serde_json::Value> {
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).ok()?).ok()
    };
    let mut parts = assertion.split('.');
    let (header, claims) = (parts.next().and_then(decode), parts.next().and_then(decode));
    let (Some(header), Some(claims)) = (header, claims) else { return Ok(()) };
    if header["x5t#S256"].is_null() {
        return Ok(());
    }
    let signature = parts.next().and_then(|part| BASE64_URL_SAFE_NO_PAD.decode(part).ok()).unwrap_or_default();
    if header["alg"] != "PS256" || signature.len() < 256 {
        return Err("it is not signed with PS256.");
    }
    if claims["aud"] != format!("{}{}", call.origin, call.path).as_str() {
        return Err("its audience is not this endpoint.");
    }
    if claims["iss"] != CLIENT_ID || claims["sub"] != CLIENT_ID {
        return Err("its issuer and subject have to be the application.");
    }
    if claims["exp"].as_u64() <= claims["nbf"].as_u64() || claims["jti"].is_null() {
        return Err("it has no lifetime, or no identity.");
    }
    Ok(())
}

/// An unsigned token: clients read its claims and do not check it.
fn token() -> String {
    let part = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({"tid": TENANT, "oid": CLIENT_ID, "appid": CLIENT_ID, "jti": ids::random()});
    format!("{}.{}.", part(json!({"alg": "none", "typ": "JWT"})), part(claims))
}

fn refusal(error: &str, code: u32, message: &str) -> Reply {
    let description = format!("AADSTS{code}: {message}");
    Reply::json(401, &json!({"error": error, "error_description": description, "error_codes": [code]}))
}

pub fn configuration(_: &World, call: &Call) -> Reply {
    let base = format!("{}/{}", call.origin, call.segments[0]);
    Reply::json(
        200,
        &json!({
            "issuer": format!("{base}/v2.0"),
            "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
            "token_endpoint": format!("{base}/oauth2/v2.0/token"),
            "device_authorization_endpoint": format!("{base}/oauth2/v2.0/devicecode"),
        }),
    )
}

/// `GET /metadata/endpoints`: what `az cloud register` asks.
pub fn endpoints(_: &World, call: &Call) -> Reply {
    let cloud = json!({
        "name": "Sandbox",
        "portal": call.origin,
        "graph": call.origin,
        "graphAudience": call.origin,
        "resourceManager": call.origin,
        "authentication": {"loginEndpoint": call.origin, "audiences": [call.origin], "tenant": "common", "identityProvider": "AAD"},
        "suffixes": {"storage": "core.windows.net", "keyVaultDns": "vault.azure.net"},
        "subscription": SUBSCRIPTION,
    });
    let list = call.param("api-version") == Some("2019-05-01");
    Reply::json(200, &if list { json!([cloud]) } else { cloud })
}

/// Whether the call carries a token that was issued here.
pub fn is_authorized(world: &World, call: &Call) -> bool {
    let token = call.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    token.is_some_and(|token| world.azure.tokens().contains(token))
}
