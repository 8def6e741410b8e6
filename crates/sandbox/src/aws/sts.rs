use crate::{
    aws::{
        ec2::{self, Params},
        state::ACCOUNT,
    },
    ids,
    message::{Call, Reply},
    server::World,
    xml::Xml,
};

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// The role that there is, and what its sessions have in place of a key.
const ROLE: &str = "arn:aws:iam::123456789012:role/publish";
const SESSION_KEY: &str = "ASIASANDBOXSESSION00";
const SESSION_TOKEN: &str = "sandbox-session-token";

/// Whether a call is one of a session's.
pub fn is_session(access_key: &str, call: &Call) -> bool {
    access_key == SESSION_KEY && call.header("x-amz-security-token") == Some(SESSION_TOKEN)
}

fn assume_role(call: &Call) -> Reply {
    if Params::of(call).get("RoleArn") != Some(ROLE) {
        return refusal("AccessDenied", "The caller is not authorized to perform: sts:AssumeRole");
    }
    let credentials = Xml::new()
        .text("AccessKeyId", SESSION_KEY)
        .text("SecretAccessKey", "sandbox-session-secret")
        .text("SessionToken", SESSION_TOKEN)
        .text("Expiration", "2099-12-31T23:59:59Z");
    let user = Xml::new().text("Arn", format!("{ROLE}/publish")).text("AssumedRoleId", "AROASANDBOX:publish");
    let result = Xml::new().child("Credentials", credentials).child("AssumedRoleUser", user);
    let metadata = Xml::new().text("RequestId", ids::random());
    let body = Xml::new().child("AssumeRoleResult", result).child("ResponseMetadata", metadata);
    Reply::xml(200, body.document("AssumeRoleResponse", Some(NAMESPACE)))
}

pub fn answer(_: &World, call: &Call) -> Reply {
    if ec2::operation(call) == "AssumeRole" {
        return assume_role(call);
    }
    let result = Xml::new()
        .text("Arn", format!("arn:aws:iam::{ACCOUNT}:user/publish"))
        .text("UserId", "AIDASANDBOX")
        .text("Account", ACCOUNT);
    let metadata = Xml::new().text("RequestId", ids::random());
    let body = Xml::new().child("GetCallerIdentityResult", result).child("ResponseMetadata", metadata);
    Reply::xml(200, body.document("GetCallerIdentityResponse", Some(NAMESPACE)))
}

pub fn invalid_token() -> Reply {
    refusal("InvalidClientTokenId", "The security token included in the request is invalid.")
}

fn refusal(code: &str, message: &str) -> Reply {
    let error = Xml::new().text("Type", "Sender").text("Code", code).text("Message", message);
    Reply::xml(
        403,
        Xml::new().child("Error", error).text("RequestId", ids::random()).document("ErrorResponse", Some(NAMESPACE)),
    )
}
