//! What the identity has to be allowed, as configured: for policies, for `publish doctor`, and for a plan.

use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, PolicyEvaluationDecisionType};
use publisher::{Cx, Error, Event, ImageSpec, Kind, Region, Result};

use crate::{
    Aws, Config, Undo,
    config::Via,
    error::classify,
    identity::{Identity, identity},
    plan::Decided,
};

/// Actions, and what they are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    pub actions: Vec<&'static str>,
    pub resource: Resource,
    /// Whether publishing can do without, and only says that it had to.
    pub optional: bool,
}

impl Permission {
    fn of(actions: &[&'static str], resource: Resource) -> Self {
        Self { actions: actions.to_vec(), resource, optional: false }
    }
}

/// What actions are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    Everything,
    Bucket(String),
    /// Objects of a bucket, under a prefix.
    Objects {
        bucket: String,
        prefix: String,
    },
    Parameter(String),
    /// A key, by its ARN.
    Key(String),
    /// A role, by its ARN.
    Role(String),
}

impl Resource {
    /// The ARN in a policy.
    pub fn pattern(&self, partition: &str) -> String {
        match self {
            Self::Everything => "*".to_owned(),
            Self::Bucket(bucket) => format!("arn:{partition}:s3:::{bucket}"),
            Self::Objects { bucket, prefix } => format!("arn:{partition}:s3:::{bucket}/{prefix}*"),
            Self::Parameter(name) => format!("arn:{partition}:ssm:*:*:parameter/{}", name.trim_start_matches('/')),
            Self::Key(arn) | Self::Role(arn) => arn.clone(),
        }
    }

    /// Whether the resource has a policy of its own, which may allow what the identity's does not.
    fn has_a_policy(&self) -> bool {
        matches!(self, Self::Bucket(_) | Self::Objects { .. } | Self::Key(_) | Self::Role(_))
    }

    /// One resource that the pattern means.
    fn example(&self, who: &Identity, region: &str) -> String {
        let (partition, account) = (who.partition(), &who.account);
        match self {
            Self::Objects { bucket, prefix } => format!("arn:{partition}:s3:::{bucket}/{prefix}publish-doctor"),
            Self::Parameter(name) => {
                format!("arn:{partition}:ssm:{region}:{account}:parameter/{}", name.trim_start_matches('/'))
            }
            other => other.pattern(partition),
        }
    }
}

/// What encrypting with a key takes (EBS, "Permissions to use KMS keys"), by whole names: a simulation takes no patterns.
pub const ON_KEY: [&str; 8] = [
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
];

/// Everything that publishing as configured needs, of an identity without roles of single regions. `parameters` are the names
/// of those that are written, or patterns of them.
///
/// # Errors
/// [`Kind::Config`] for a route that cannot be taken.
pub fn needed(config: &Config, spec: &ImageSpec, parameters: &[String]) -> Result<Vec<Permission>> {
    let mut actions = vec!["ec2:DescribeRegions", "ec2:DescribeSnapshots", "ec2:RegisterImage"];
    let mut more = Vec::new();
    match config.route()? {
        Via::Ebs => actions.extend(["ebs:StartSnapshot", "ebs:PutSnapshotBlock", "ebs:CompleteSnapshot"]),
        Via::S3(bucket) => {
            actions.extend(["ec2:ImportSnapshot", "ec2:DescribeImportSnapshotTasks", "ec2:CancelImportTask"]);
            let on_bucket = ["s3:ListBucket", "s3:ListBucketMultipartUploads"];
            more.push(Permission::of(&on_bucket, Resource::Bucket(bucket.to_owned())));
            let on_objects = [
                "s3:PutObject",
                "s3:GetObject",
                "s3:DeleteObject",
                "s3:AbortMultipartUpload",
                "s3:ListMultipartUploadParts",
            ];
            let prefix = config.prefix.clone().unwrap_or_default();
            more.push(Permission::of(&on_objects, Resource::Objects { bucket: bucket.to_owned(), prefix }));
        }
    }
    if config.verify.unwrap_or_default() {
        actions.extend(["ebs:ListSnapshotBlocks", "ebs:GetSnapshotBlock"]);
    }
    actions.extend(in_each_region(config));
    let mut all = vec![Permission::of(&actions, Resource::Everything)];
    all.extend(more);
    all.extend(beside(config, spec, parameters));
    // Of a region with a role of its own, that role is asked for the rest; here it is only taken on.
    if config.assume_role.is_none() {
        let roles = config.per_region.values().filter_map(|region| region.assume_role.clone());
        all.extend(roles.map(|role| Permission::of(&["sts:AssumeRole"], Resource::Role(role))));
    }
    let ours = config.per_region.values().filter(|region| region.assume_role.is_none());
    let keys = config.kms_key.iter().chain(ours.filter_map(|region| region.kms_key.as_ref()));
    all.extend(keys.map(|key| Permission::of(&ON_KEY, Resource::Key(key.clone()))));
    Ok(all)
}

/// What the role of a single region needs.
pub fn needed_in(config: &Config, spec: &ImageSpec, region: &str, parameters: &[String]) -> Vec<Permission> {
    let mut all = vec![Permission::of(&in_each_region(config), Resource::Everything)];
    all.extend(beside(config, spec, parameters));
    if let Some(key) = config.per_region.get(region).and_then(|region| region.kms_key.as_ref()) {
        // The copy's key is compared.
        all.push(Permission::of(&["ec2:DescribeSnapshots"], Resource::Everything));
        all.push(Permission::of(&ON_KEY, Resource::Key(key.clone())));
    }
    all
}

/// Copying the AMI, and what comes after.
fn in_each_region(config: &Config) -> Vec<&'static str> {
    let mut actions =
        vec!["ec2:DescribeImages", "ec2:CopyImage", "ec2:CreateTags", "ec2:DeregisterImage", "ec2:DeleteSnapshot"];
    if config.deprecate_after_days.is_some() {
        actions.push("ec2:EnableImageDeprecation");
    }
    if let Some(sharing) = &config.sharing {
        actions.extend(["ec2:DescribeImageAttribute", "ec2:ModifyImageAttribute"]);
        actions.extend(["ec2:DescribeSnapshotAttribute", "ec2:ModifySnapshotAttribute"]);
        actions.extend(["ec2:GetEbsEncryptionByDefault", "ec2:GetEbsDefaultKmsKeyId"]);
        actions.extend(sharing.public.then_some("ec2:GetImageBlockPublicAccessState"));
        actions.extend(sharing.public_snapshots.then_some("ec2:GetSnapshotBlockPublicAccessState"));
    }
    actions
}

/// What is of services beside EC2's, in each region.
fn beside(config: &Config, spec: &ImageSpec, parameters: &[String]) -> Vec<Permission> {
    let mut all = Vec::new();
    if config.sharing.as_ref().is_some_and(|sharing| sharing.public) {
        let quota = Permission::of(&["servicequotas:GetServiceQuota"], Resource::Everything);
        all.push(Permission { optional: true, ..quota });
    }
    for name in parameters {
        let mut actions = vec!["ssm:GetParameter", "ssm:PutParameter"];
        actions.extend((!spec.tags.is_empty()).then_some("ssm:AddTagsToResource"));
        all.push(Permission::of(&actions, Resource::Parameter(name.clone())));
    }
    all
}

/// What IAM's simulation says that an identity may not do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Denied {
    /// What publishing would fail by.
    pub surely: Vec<String>,
    /// What it may be allowed all the same, by what the simulation does not know (a key's own policy, a condition); and what
    /// publishing can do without.
    pub perhaps: Vec<String>,
}

/// For a plan: what of all that the identities may not do. That they cannot be asked is only said.
pub async fn denied(aws: &Aws, cx: &Cx<Undo>, decided: &Decided) -> Vec<String> {
    let mut surely = Vec::new();
    for (region, asked) in ask(aws, cx, decided.home(), &decided.regions, &decided.parameters).await {
        match asked {
            Ok((_, denied)) => {
                surely.extend(denied.surely.into_iter().map(|action| format!("{action} in {region}")));
                if !denied.perhaps.is_empty() {
                    let message = format!("in {region} the identity may perhaps not {}", denied.perhaps.join(", "));
                    cx.emit(Event::Warning { message });
                }
            }
            Err(error) => {
                let message = format!("what the identity may do in {region} cannot be asked: {error}");
                cx.emit(Event::Warning { message });
            }
        }
    }
    surely
}

/// How many actions an identity needs, and which of them it may not do.
pub type Asked = Result<(usize, Denied)>;

/// Asks for the identity of the home region, and for each region with a role of its own.
pub async fn ask(
    aws: &Aws,
    cx: &Cx<Undo>,
    home: &str,
    regions: &[Region],
    parameters: &[String],
) -> Vec<(String, Asked)> {
    let (config, spec) = (&aws.config, &aws.spec);
    let mut all = match needed(config, spec, parameters) {
        Ok(needed) => vec![(home.to_owned(), simulate(aws, cx, home, &needed).await)],
        Err(error) => vec![(home.to_owned(), Err(error))],
    };
    for Region(region) in regions {
        if config.per_region.get(region).is_some_and(|region| region.assume_role.is_some()) {
            let needed = needed_in(config, spec, region, parameters);
            all.push((region.clone(), simulate(aws, cx, region, &needed).await));
        }
    }
    all
}

/// Asks what of `needed` the identity of a region may not do.
async fn simulate(aws: &Aws, cx: &Cx<Undo>, region: &str, needed: &[Permission]) -> Asked {
    let who = identity(aws, cx, region).await?;
    let count = needed.iter().map(|permission| permission.actions.len()).sum();
    let mut denied = Denied::default();
    // The account itself may do everything, and IAM simulates no policies of it.
    if who.is_root() {
        return Ok((count, denied));
    }
    let arn = match who.role() {
        Some(role) => role_arn(aws, cx, role, &who).await?,
        None => who.arn.clone(),
    };
    for permission in needed {
        let resource = permission.resource.example(&who, region);
        let not = may_not(aws, cx, &arn, region, &permission.actions, &resource).await?;
        let about = |action: String| match permission.resource {
            Resource::Everything => action,
            _ => format!("{action} on {resource}"),
        };
        let open = permission.optional || permission.resource.has_a_policy();
        let (surely, perhaps) =
            if open { (Vec::new(), [not.surely, not.perhaps].concat()) } else { (not.surely, not.perhaps) };
        denied.surely.extend(surely.into_iter().map(about));
        denied.perhaps.extend(perhaps.into_iter().map(about));
    }
    Ok((count, denied))
}

/// The ARN of a role whose session we are: a session's own does not tell the role's path.
async fn role_arn(aws: &Aws, cx: &Cx<Undo>, role: &str, who: &Identity) -> Result<String> {
    let iam = aws.clients.iam();
    let request = || async { iam.get_role().role_name(role).send().await.map_err(classify) };
    match cx.retry("reading our role", request).await {
        Ok(answer) => Ok(answer.role.map(|role| role.arn).unwrap_or_default()),
        // Most roles have no path.
        Err(error) if matches!(error.kind(), Kind::Denied | Kind::NotFound) => {
            Ok(format!("arn:{}:iam::{}:role/{role}", who.partition(), who.account))
        }
        Err(error) => Err(error),
    }
}

/// Which of the actions a principal may not do to a resource.
pub async fn may_not(
    aws: &Aws,
    cx: &Cx<Undo>,
    principal: &str,
    region: &str,
    actions: &[&str],
    resource: &str,
) -> Result<Denied> {
    let iam = aws.clients.iam();
    // What policies most often make a condition of.
    let context = ContextEntry::builder()
        .context_key_name("aws:RequestedRegion")
        .context_key_type(ContextKeyTypeEnum::String)
        .context_key_values(region)
        .build();
    let request = || {
        let request = iam
            .simulate_principal_policy()
            .policy_source_arn(principal)
            .set_action_names(Some(actions.iter().map(|action| (*action).to_owned()).collect()))
            .resource_arns(resource)
            .context_entries(context.clone())
            .max_items(1000);
        async { request.send().await.map_err(classify) }
    };
    let answer = cx.retry("asking what may be done", request).await?;
    if answer.is_truncated {
        return Err(Error::new(Kind::Invalid, "IAM tells only a part of what may be done"));
    }
    let mut denied = Denied::default();
    for result in answer.evaluation_results.unwrap_or_default() {
        match result.eval_decision {
            PolicyEvaluationDecisionType::Allowed => {}
            // A condition on what we did not say may turn out otherwise when it is done.
            _ if !result.missing_context_values().is_empty() => {
                denied.perhaps.push(result.eval_action_name);
            }
            _ => denied.surely.push(result.eval_action_name),
        }
    }
    Ok(denied)
}
