//! Who the identity is, in each of the ways to say so.

use backend_azure::{Config, CredentialSource};
use publisher::{Kind, Mode, Pipeline, Status, Target, Variables};

use crate::stage::Stage;

/// A certificate and its key, as a service principal has them.
fn identity() -> String {
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let certificate = rcgen::CertificateParams::new(["publish".to_owned()]).unwrap().self_signed(&key).unwrap();
    certificate.pem() + &key.serialize_pem()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_credential_that_the_environment_speaks_of_is_used() {
    let stage = Stage::new().await;
    let token_file = stage.dir.path().join("token");
    std::fs::write(&token_file, "a token of another authority").unwrap();
    let pem = stage.dir.path().join("identity.pem");
    std::fs::write(&pem, identity()).unwrap();
    for (name, path) in [("AZURE_FEDERATED_TOKEN_FILE", &token_file), ("AZURE_CLIENT_CERTIFICATE_PATH", &pem)] {
        let other = (name.to_owned(), path.to_str().unwrap().to_owned());
        let environment = stage.sandbox.environment();
        let kept = environment.iter().filter(|(name, _)| *name != "AZURE_CLIENT_SECRET");
        let variables: Variables =
            kept.map(|(name, value)| (name.to_owned(), value.to_owned())).chain([other]).collect();
        let backend = stage.backend_with(&variables).unwrap();
        let report = Pipeline::new(backend).publish(&stage.runtime(), &stage.image, Mode::Plan).await;
        assert_eq!(report.status, Status::Planned, "{name}: {:?}", report.error);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_none_is_named_and_not_shown() {
    let stage = Stage::new().await;
    let pem = stage.dir.path().join("identity.pem");
    for (content, what) in [
        ("nothing", "there is no certificate in it"),
        (&identity()[..identity().find("-----BEGIN PRIVATE").unwrap()], "there is no private key in it"),
    ] {
        std::fs::write(&pem, content).unwrap();
        let environment = stage.sandbox.environment();
        let kept = environment.iter().filter(|(name, _)| *name != "AZURE_CLIENT_SECRET");
        let other = ("AZURE_CLIENT_CERTIFICATE_PATH".to_owned(), pem.to_str().unwrap().to_owned());
        let variables: Variables =
            kept.map(|(name, value)| (name.to_owned(), value.to_owned())).chain([other]).collect();
        let error = stage.backend_with(&variables).unwrap_err();
        assert_eq!(error.kind(), Kind::Credentials);
        assert!(error.to_string().ends_with(what), "{error}");
        assert!(error.hint().unwrap().contains("openssl pkcs12"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_a_credential_error() {
    let stage = Stage::new().await;
    let variables = stage.sandbox.environment();
    let wrong =
        variables.iter().map(|(name, value)| (name, if name == "AZURE_CLIENT_SECRET" { "wrong" } else { value }));
    let url = Some(stage.sandbox.url());
    let config = Config {
        endpoints: Some(backend_azure::Endpoints { resource_manager: url.clone(), authority: url }),
        ..stage.config.clone()
    };
    let azure = backend_azure::Azure::new(config, stage.spec.clone(), &wrong.collect()).unwrap();
    let pipeline = Pipeline::new(azure);
    let report = Target::publish(&pipeline, &stage.runtime(), &stage.image, Mode::Publish).await;
    let error = report.error.unwrap();
    assert_eq!(error.kind, Kind::Credentials);
    assert!(!format!("{error:?}").contains("wrong"), "{error:?}");
    assert_eq!(stage.audit()["mutations"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_named_source_lacks_is_named() {
    let stage = Stage::new().await;
    let all =
        "AZURE_TENANT_ID AZURE_CLIENT_ID AZURE_CLIENT_SECRET AZURE_CLIENT_CERTIFICATE_PATH AZURE_FEDERATED_TOKEN_FILE";
    for (source, lacks) in [
        (CredentialSource::ClientSecret, "AZURE_TENANT_ID"),
        (CredentialSource::ClientSecret, "AZURE_CLIENT_SECRET"),
        (CredentialSource::ClientCertificate, "AZURE_CLIENT_CERTIFICATE_PATH"),
        (CredentialSource::WorkloadIdentity, "AZURE_CLIENT_ID"),
        (CredentialSource::WorkloadIdentity, "AZURE_FEDERATED_TOKEN_FILE"),
    ] {
        let given = all.split(' ').filter(|name| *name != lacks);
        let given = given.map(|name| (name.to_owned(), stage.dir.path().display().to_string()));
        let also = [("AZURE_SUBSCRIPTION_ID", "s"), ("AZURE_DEFAULTS_GROUP", "rg")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let variables: Variables = given.chain(also).collect();
        let config = Config { credential: Some(source), ..stage.config.clone() };
        let error = backend_azure::Azure::new(config, stage.spec.clone(), &variables).unwrap_err();
        assert_eq!(error.kind(), Kind::Credentials, "{source:?}");
        assert_eq!(error.to_string(), format!("there is no Azure credential: {lacks} is not set"), "{source:?}");
        assert!(error.hint().unwrap().contains("az login"));
    }
}
