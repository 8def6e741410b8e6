//! A client that is not ours, for what only others do.

use serde_json::{Value, json};

use crate::stage::Stage;

/// Asks the sandbox's Resource Manager, as anyone with its credentials may.
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
    pub group: String,
}

impl Client {
    pub async fn new(stage: &Stage) -> Self {
        let pem = std::fs::read(stage.sandbox.ca_file()).unwrap();
        let ca = reqwest::Certificate::from_pem_bundle(&pem).unwrap();
        let http = reqwest::Client::builder().tls_certs_only(ca).no_proxy().build().unwrap();
        let variables = stage.variables();
        let variable = |name: &str| variables.get(name).unwrap().to_owned();
        let url = stage.sandbox.url();
        let form = [
            ("grant_type", "client_credentials".to_owned()),
            ("client_id", variable("AZURE_CLIENT_ID")),
            ("client_secret", variable("AZURE_CLIENT_SECRET")),
            ("scope", format!("{url}/.default")),
        ];
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let address = format!("{url}/{}/oauth2/v2.0/token", variable("AZURE_TENANT_ID"));
        let answer = http.post(address).body(body).send().await.unwrap().bytes().await.unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let token = answer["access_token"].as_str().unwrap().to_owned();
        let subscription = variable("AZURE_SUBSCRIPTION_ID");
        let group = format!("/subscriptions/{subscription}/resourceGroups/{}", variable("AZURE_DEFAULTS_GROUP"));
        Self { http, url, token, group }
    }

    /// Sends a request to a path below the resource group; status and body of the answer.
    pub async fn send(&self, method: reqwest::Method, path: &str, body: &Value) -> (u16, Value) {
        let separator = if path.contains('?') { '&' } else { '?' };
        let address = format!("{}{}{path}{separator}api-version=2025-01-01", self.url, self.group);
        let sent =
            self.http.request(method, address).bearer_auth(&self.token).body(body.to_string()).send().await.unwrap();
        let (status, bytes) = (sent.status().as_u16(), sent.bytes().await.unwrap());
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// Creates a resource, and its group.
    pub async fn put(&self, path: &str, body: &Value) -> (u16, Value) {
        let group = json!({"location": "westus2"});
        self.send(reqwest::Method::PUT, "", &group).await;
        self.send(reqwest::Method::PUT, path, body).await
    }

    /// Makes the gallery and the definition that a stage publishes to, as another might; the definition's path.
    pub async fn definition(&self, properties: Value) -> String {
        let gallery = "/providers/Microsoft.Compute/galleries/publish";
        self.put(gallery, &json!({"location": "westus2"})).await;
        let path = format!("{gallery}/images/ecs-node");
        let (status, answer) = self.put(&path, &json!({"location": "westus2", "properties": properties})).await;
        assert_eq!(status, 201, "{answer}");
        path
    }

    /// Makes a disk that holds nothing, as small as can be, and ends its upload; its id.
    pub async fn empty_disk(&self, name: &str, generation: &str) -> String {
        let path = format!("/providers/Microsoft.Compute/disks/{name}");
        let disk = json!({"location": "westus2", "properties": {
            "hyperVGeneration": generation,
            "creationData": {"createOption": "Upload", "uploadSizeBytes": (20 << 20) + 512},
        }});
        self.put(&path, &disk).await;
        let footer = vhd::footer::Footer::new(vhd::footer::DiskType::Fixed, 20 << 20, Default::default()).to_bytes();
        let sas = self.open(name).await;
        assert_eq!(self.write(&sas, 20 << 20, footer.to_vec()).await, 201);
        self.send(reqwest::Method::POST, &format!("{path}/endGetAccess"), &Value::Null).await;
        format!("{}{path}", self.group)
    }

    /// Opens a disk for writing; its address.
    pub async fn open(&self, disk: &str) -> String {
        let body = json!({"access": "Write", "durationInSeconds": 3600});
        let action = format!("/providers/Microsoft.Compute/disks/{disk}/beginGetAccess");
        let address = format!("{}{}{action}?api-version=2025-01-01", self.url, self.group);
        let sent = self.http.post(address).bearer_auth(&self.token).body(body.to_string()).send().await.unwrap();
        let location = sent.headers()["location"].to_str().unwrap().to_owned();
        let answer = self.http.get(location).bearer_auth(&self.token).send().await.unwrap().bytes().await.unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        answer["accessSAS"].as_str().unwrap().to_owned()
    }

    /// Writes pages to a disk that is open.
    pub async fn write(&self, sas: &str, offset: usize, bytes: Vec<u8>) -> u16 {
        let range = format!("bytes={offset}-{}", offset + bytes.len() - 1);
        let request = self.http.put(format!("{sas}&comp=page")).header("x-ms-page-write", "update");
        request.header("range", range).body(bytes).send().await.unwrap().status().as_u16()
    }
}
