//! A managed disk on Azure to send pages to, made by hand: azcopy and the floor are given an address.

use serde_json::{Value, json};

use crate::{Result, sandbox::Sandbox};

/// Makes a disk for `bytes` bytes, and opens it; its address.
pub async fn open(sandbox: &Sandbox, name: &str, bytes: u64) -> Result<String> {
    let (url, variable) = (sandbox.url(), |name: &str| sandbox.variable(name).to_owned());
    let form = [
        ("grant_type", "client_credentials".to_owned()),
        ("client_id", variable("AZURE_CLIENT_ID")),
        ("client_secret", variable("AZURE_CLIENT_SECRET")),
        ("scope", format!("{url}/.default")),
    ];
    let form: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let token = format!("{url}/{}/oauth2/v2.0/token", variable("AZURE_TENANT_ID"));
    let token = sandbox.http().post(token).header("content-type", "application/x-www-form-urlencoded").body(form);
    let token: Value = serde_json::from_str(&token.send().await?.error_for_status()?.text().await?)?;
    let token = token["access_token"].as_str().ok_or("no token")?.to_owned();

    let subscription = format!("{url}/subscriptions/{}", variable("AZURE_SUBSCRIPTION_ID"));
    let group = format!("{subscription}/resourceGroups/bench");
    let disk = format!("{group}/providers/Microsoft.Compute/disks/{name}");
    let ask = async |method: http::Method, url: String, body: Option<Value>| -> Result<(http::HeaderMap, Value)> {
        let mut request = sandbox.http().request(method, url).bearer_auth(&token);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await?.error_for_status()?;
        let headers = answer.headers().clone();
        Ok((headers, serde_json::from_str(&answer.text().await?).unwrap_or_default()))
    };
    ask(http::Method::PUT, format!("{group}?api-version=2025-04-01"), Some(json!({"location": "westus2"}))).await?;
    let creation = json!({"createOption": "Upload", "uploadSizeBytes": bytes});
    let body = json!({
        "location": "westus2",
        "sku": {"name": "Standard_LRS"},
        "properties": {"osType": "Linux", "hyperVGeneration": "V2", "creationData": creation},
    });
    ask(http::Method::PUT, format!("{disk}?api-version=2025-01-02"), Some(body)).await?;
    let body = json!({"access": "Write", "durationInSeconds": 3600});
    let (headers, _) =
        ask(http::Method::POST, format!("{disk}/beginGetAccess?api-version=2025-01-02"), Some(body)).await?;
    let location = headers.get("location").ok_or("the disk is opened without a Location")?.to_str()?.to_owned();
    let (_, opened) = ask(http::Method::GET, location, None).await?;
    let sas = opened["accessSAS"].as_str().or(opened["properties"]["output"]["accessSAS"].as_str());
    Ok(sas.ok_or_else(|| format!("no address in {opened}"))?.to_owned())
}
