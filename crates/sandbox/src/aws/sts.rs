use crate::{
    aws::{
        Scope,
        query::{self, Params, Service},
        state::ACCOUNT,
    },
    message::{Call, Reply},
    server::World,
    xml::Xml,
};

pub const STS: Service = Service("https://sts.amazonaws.com/doc/2011-06-15/");

/// A role that can be taken on.
struct Role {
    account: &'static str,
    name: &'static str,
    /// What its sessions have in place of a key.
    key: &'static str,
    /// What it wants to hear.
    external_id: Option<&'static str>,
}

const ROLES: [Role; 3] = [
    Role { account: ACCOUNT, name: "publish", key: "ASIASANDBOXSESSION00", external_id: None },
    Role { account: ACCOUNT, name: "publish-elsewhere", key: "ASIASANDBOXSESSION01", external_id: Some("sandbox") },
    Role { account: "210987654321", name: "partner", key: "ASIASANDBOXSESSION02", external_id: None },
];

impl Role {
    fn arn(&self) -> String {
        format!("arn:aws:iam::{}:role/{}", self.account, self.name)
    }

    /// Of a session, which is called as the caller calls it.
    fn session_arn(&self) -> String {
        format!("arn:aws:sts::{}:assumed-role/{}/publish", self.account, self.name)
    }
}

const SESSION_TOKEN: &str = "sandbox-session-token";

/// Whether a call is one of a session's.
pub fn is_session(access_key: &str, call: &Call) -> bool {
    ROLES.iter().any(|role| role.key == access_key) && call.header("x-amz-security-token") == Some(SESSION_TOKEN)
}

/// Who calls, as an ARN.
pub fn caller(call: &Call) -> String {
    let key = Scope::of(call).map(|scope| scope.access_key);
    match ROLES.iter().find(|role| Some(role.key) == key.as_deref()) {
        Some(role) => role.session_arn(),
        None => format!("arn:aws:iam::{ACCOUNT}:user/publish"),
    }
}

/// What a role is taken on by where there is no key: the token of an identity elsewhere.
const WEB_IDENTITY: &str = "sandbox-web-identity";

/// Whether a call is one that needs no key: it brings a token of its own.
pub fn is_with_web_identity(call: &Call) -> bool {
    call.segments.is_empty() && query::operation(call) == "AssumeRoleWithWebIdentity"
}

/// The access key, the secret and the token of a role's session.
pub fn session(role: &str) -> Option<[&'static str; 3]> {
    let role = ROLES.iter().find(|known| known.name == role)?;
    Some([role.key, "sandbox-session-secret", SESSION_TOKEN])
}

fn assume_role(call: &Call) -> Reply {
    let params = Params::of(call);
    let is_asked =
        |role: &&Role| params.get("RoleArn") == Some(&role.arn()) && params.get("ExternalId") == role.external_id;
    let Some(role) = ROLES.iter().find(is_asked) else {
        return STS.error(403, "AccessDenied", "The caller is not authorized to perform: sts:AssumeRole");
    };
    let operation = query::operation(call);
    if is_with_web_identity(call) && params.get("WebIdentityToken") != Some(WEB_IDENTITY) {
        return STS.error(
            403,
            "InvalidIdentityToken",
            "The web identity token that was passed could not be validated.",
        );
    }
    let credentials = Xml::new()
        .text("AccessKeyId", role.key)
        .text("SecretAccessKey", "sandbox-session-secret")
        .text("SessionToken", SESSION_TOKEN)
        .text("Expiration", "2099-12-31T23:59:59Z");
    let user = Xml::new().text("Arn", role.session_arn()).text("AssumedRoleId", "AROASANDBOX:publish");
    let result = Xml::new().child("Credentials", credentials).child("AssumedRoleUser", user);
    STS.reply(&operation, result)
}

pub fn answer(_: &World, call: &Call) -> Reply {
    if query::operation(call).starts_with("AssumeRole") {
        return assume_role(call);
    }
    let result = Xml::new().text("Arn", caller(call)).text("UserId", "AIDASANDBOX").text("Account", ACCOUNT);
    STS.reply("GetCallerIdentity", result)
}

pub fn invalid_token() -> Reply {
    STS.error(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
}
