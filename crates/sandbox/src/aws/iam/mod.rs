//! IAM: what the one identity may do, and the roles that there are.

mod policy;

use std::collections::BTreeMap;

pub use self::policy::{Policy, Verdict};
use super::{
    query::{self, Params, Service},
    state::ACCOUNT,
};
use crate::{
    message::{Call, Reply},
    server::World,
    xml::Xml,
};

pub const IAM: Service = Service("https://iam.amazonaws.com/doc/2010-05-08/");

/// The role that imports run as, if none is named.
pub const IMPORT_ROLE: &str = "vmimport";

/// What an account has decided about its identities.
#[derive(Debug)]
pub struct Iam {
    /// What the identity of the environment may do, and the sessions of roles.
    pub identity: Policy,
    pub roles: BTreeMap<String, Role>,
    /// The policies that there are, by their ARNs, with the numbers of their versions; the last is in force.
    pub policies: BTreeMap<String, Vec<u32>>,
}

/// A role that a service takes on.
#[derive(Clone, Debug)]
pub struct Role {
    pub trust: Policy,
    pub policies: BTreeMap<String, Policy>,
}

impl Role {
    pub fn may(&self, action: &str, resource: &str) -> bool {
        let verdicts: Vec<_> = self.policies.values().map(|policy| policy.verdict(action, resource)).collect();
        verdicts.contains(&Verdict::Allowed) && !verdicts.contains(&Verdict::Explicit)
    }
}

impl Default for Iam {
    /// An identity that may do everything, and the role for imports.
    fn default() -> Self {
        let trust = r#"{"Statement": [{"Effect": "Allow", "Principal": {"Service": "vmie.amazonaws.com"},
            "Action": "sts:AssumeRole", "Condition": {"StringEquals": {"sts:Externalid": "vmimport"}}}]}"#;
        let trust = Policy::parse(trust).unwrap_or_else(|_| Policy::everything());
        let role = Role { trust, policies: BTreeMap::from([("vmimport".to_owned(), Policy::everything())]) };
        Self {
            identity: Policy::everything(),
            roles: BTreeMap::from([(IMPORT_ROLE.to_owned(), role)]),
            policies: BTreeMap::new(),
        }
    }
}

/// What an administrator changes about identities.
#[derive(Clone, Debug)]
pub enum Grant {
    /// What the identity of the environment may do, as a policy document.
    Identity(String),
    /// Whom a role trusts, as a policy document.
    Trust { role: String, document: String },
    /// What a role may do, as a policy document, in place of whatever it may.
    Role { role: String, document: String },
    /// There is no such role any more.
    NoRole(String),
}

/// # Errors
/// What is wrong with a document.
pub fn grant(world: &World, grant: Grant) -> Result<(), String> {
    let mut iam = world.aws.iam();
    match grant {
        Grant::Identity(document) => iam.identity = Policy::parse(&document)?,
        Grant::Trust { role, document } => {
            let trust = Policy::parse(&document)?;
            iam.roles
                .entry(role)
                .and_modify(|role| role.trust = trust.clone())
                .or_insert_with(|| Role { trust: trust.clone(), policies: BTreeMap::new() });
        }
        Grant::Role { role, document } => {
            let policy = Policy::parse(&document)?;
            if let Some(role) = iam.roles.get_mut(&role) {
                role.policies = BTreeMap::from([("granted".to_owned(), policy)]);
            }
        }
        Grant::NoRole(role) => drop(iam.roles.remove(&role)),
    }
    Ok(())
}

struct Refusal(u16, &'static str, String);

pub fn answer(world: &World, call: &Call) -> Reply {
    let params = Params::of(call);
    let action = query::operation(call);
    let handler: fn(&World, &Params) -> Result<Xml, Refusal> = match action.as_str() {
        "GetRole" => get_role,
        "CreateRole" => create_role,
        "UpdateAssumeRolePolicy" => update_trust,
        "GetPolicy" => get_policy,
        "CreatePolicy" => create_policy,
        "CreatePolicyVersion" => create_policy_version,
        "ListPolicyVersions" => list_policy_versions,
        "DeletePolicyVersion" => delete_policy_version,
        "PutRolePolicy" => put_role_policy,
        "SimulatePrincipalPolicy" => simulate,
        _ => {
            return IAM.error(
                400,
                "InvalidAction",
                &format!("Could not find operation {action} for version 2010-05-08"),
            );
        }
    };
    match handler(world, &params) {
        Ok(result) => IAM.reply(&action, result),
        Err(Refusal(status, code, message)) => IAM.error(status, code, &message),
    }
}

fn field<'a>(params: &'a Params, name: &str) -> Result<&'a str, Refusal> {
    params.get(name).ok_or_else(|| Refusal(400, "ValidationError", format!("{name} is required")))
}

fn policy(params: &Params, name: &str) -> Result<Policy, Refusal> {
    Policy::parse(field(params, name)?).map_err(|why| Refusal(400, "MalformedPolicyDocument", why))
}

fn absent(name: &str) -> Refusal {
    Refusal(404, "NoSuchEntity", format!("The role with name {name} cannot be found."))
}

fn role_arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{name}")
}

fn get_role(world: &World, params: &Params) -> Result<Xml, Refusal> {
    let name = field(params, "RoleName")?;
    let iam = world.aws.iam();
    let role = iam.roles.get(name).ok_or_else(|| absent(name))?;
    Ok(Xml::new().child("Role", shown(name, role)))
}

fn shown(name: &str, role: &Role) -> Xml {
    // Documents come percent-encoded (IAM API, "Role").
    let trust =
        percent_encoding::utf8_percent_encode(&role.trust.document(), percent_encoding::NON_ALPHANUMERIC).to_string();
    Xml::new()
        .text("Path", "/")
        .text("Arn", role_arn(name))
        .text("RoleName", name)
        .text("RoleId", "AROASANDBOXROLE")
        .text("CreateDate", "2026-01-02T03:04:05Z")
        .text("AssumeRolePolicyDocument", trust)
}

fn create_role(world: &World, params: &Params) -> Result<Xml, Refusal> {
    let name = field(params, "RoleName")?;
    let trust = policy(params, "AssumeRolePolicyDocument")?;
    let mut iam = world.aws.iam();
    if iam.roles.contains_key(name) {
        return Err(Refusal(409, "EntityAlreadyExists", format!("Role with name {name} already exists.")));
    }
    let role = Role { trust, policies: BTreeMap::new() };
    let body = Xml::new().child("Role", shown(name, &role));
    iam.roles.insert(name.to_owned(), role);
    Ok(body)
}

fn update_trust(world: &World, params: &Params) -> Result<Xml, Refusal> {
    let name = field(params, "RoleName")?;
    let trust = policy(params, "PolicyDocument")?;
    world.aws.iam().roles.get_mut(name).ok_or_else(|| absent(name))?.trust = trust;
    Ok(Xml::new())
}

fn policy_arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:policy/{name}")
}

fn shown_policy(arn: &str) -> Xml {
    let name = arn.rsplit('/').next().unwrap_or_default();
    let shown = Xml::new()
        .text("PolicyName", name)
        .text("PolicyId", "ANPASANDBOX")
        .text("Arn", arn)
        .text("CreateDate", "2026-01-02T03:04:05Z");
    Xml::new().child("Policy", shown)
}

fn no_policy(arn: &str) -> Refusal {
    Refusal(404, "NoSuchEntity", format!("Policy {arn} was not found."))
}

fn get_policy(world: &World, params: &Params) -> Result<Xml, Refusal> {
    let arn = field(params, "PolicyArn")?;
    world.aws.iam().policies.contains_key(arn).then(|| shown_policy(arn)).ok_or_else(|| no_policy(arn))
}

/// A policy that is attached to nobody: what the identity may do is granted otherwise.
fn create_policy(world: &World, params: &Params) -> Result<Xml, Refusal> {
    let name = field(params, "PolicyName")?;
    policy(params, "PolicyDocument")?;
    let arn = policy_arn(name);
    if world.aws.iam().policies.insert(arn.clone(), vec![1]).is_some() {
        return Err(Refusal(409, "EntityAlreadyExists", format!("A policy called {name} already exists.")));
    }
    Ok(shown_policy(&arn))
}

fn create_policy_version(world: &World, params: &Params) -> Result<Xml, Refusal> {
    let arn = field(params, "PolicyArn")?;
    policy(params, "PolicyDocument")?;
    let mut iam = world.aws.iam();
    let versions = iam.policies.get_mut(arn).ok_or_else(|| no_policy(arn))?;
    if versions.len() >= VERSIONS {
        let message = "A managed policy can have up to 5 versions.".to_owned();
        return Err(Refusal(409, "LimitExceeded", message));
    }
    let number = versions.last().map_or(1, |last| last + 1);
    versions.push(number);
    Ok(Xml::new().child("PolicyVersion", shown_version(number, true)))
}

/// How many versions a policy may have (IAM, "IAM and AWS STS quotas").
const VERSIONS: usize = 5;

fn shown_version(number: u32, in_force: bool) -> Xml {
    Xml::new()
        .text("VersionId", format!("v{number}"))
        .text("IsDefaultVersion", in_force)
        .text("CreateDate", format!("2026-01-02T03:04:{number:02}Z"))
}

fn list_policy_versions(world: &World, params: &Params) -> Result<Xml, Refusal> {
    let arn = field(params, "PolicyArn")?;
    let iam = world.aws.iam();
    let versions = iam.policies.get(arn).ok_or_else(|| no_policy(arn))?;
    let member =
        |list: Xml, number: &u32| list.child("member", shown_version(*number, Some(number) == versions.last()));
    let list = versions.iter().fold(Xml::new(), member);
    Ok(Xml::new().child("Versions", list).text("IsTruncated", false))
}

fn delete_policy_version(world: &World, params: &Params) -> Result<Xml, Refusal> {
    let (arn, version) = (field(params, "PolicyArn")?, field(params, "VersionId")?);
    let mut iam = world.aws.iam();
    let versions = iam.policies.get_mut(arn).ok_or_else(|| no_policy(arn))?;
    let at = versions.iter().position(|number| format!("v{number}") == version);
    let at = at.ok_or_else(|| Refusal(404, "NoSuchEntity", format!("Policy version {version} was not found.")))?;
    if at + 1 == versions.len() {
        let message = "Cannot delete the default version of a policy.".to_owned();
        return Err(Refusal(409, "DeleteConflict", message));
    }
    versions.remove(at);
    Ok(Xml::new())
}

fn put_role_policy(world: &World, params: &Params) -> Result<Xml, Refusal> {
    let (name, policy_name) = (field(params, "RoleName")?, field(params, "PolicyName")?);
    let policy = policy(params, "PolicyDocument")?;
    let mut iam = world.aws.iam();
    iam.roles.get_mut(name).ok_or_else(|| absent(name))?.policies.insert(policy_name.to_owned(), policy);
    Ok(Xml::new())
}

fn simulate(world: &World, params: &Params) -> Result<Xml, Refusal> {
    let source = field(params, "PolicySourceArn")?;
    let iam = world.aws.iam();
    let resources = params.list("ResourceArns.member");
    let resource = resources.first().copied().unwrap_or("*");
    let verdict = |action: &str| -> Result<&'static str, Refusal> {
        // The identity, or the session of a role, is one; a service's role is another.
        let verdict = match source.rsplit_once(":role/").and_then(|(_, name)| iam.roles.get(name)) {
            Some(role) if role.may(action, resource) => Verdict::Allowed,
            Some(_) => Verdict::Implicit,
            None if source.starts_with(&format!("arn:aws:iam::{ACCOUNT}:")) => iam.identity.verdict(action, resource),
            None => return Err(Refusal(400, "InvalidInput", format!("Invalid Entity Arn: {source}"))),
        };
        Ok(match verdict {
            Verdict::Allowed => "allowed",
            Verdict::Implicit => "implicitDeny",
            Verdict::Explicit => "explicitDeny",
        })
    };
    let mut results = Xml::new();
    for action in params.list("ActionNames.member") {
        let result = Xml::new()
            .text("EvalActionName", action)
            .text("EvalResourceName", resource)
            .text("EvalDecision", verdict(action)?);
        results = results.child("member", result);
    }
    Ok(Xml::new().text("IsTruncated", false).child("EvaluationResults", results))
}
