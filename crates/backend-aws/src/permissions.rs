//! What the identity has to be allowed, as configured: for policies, for `publish doctor`, and for a plan.

use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, PolicyEvaluationDecisionType};
use publisher::{Cx, Error, Event, Kind, Result};

use crate::{
    Aws, Config, Undo,
    config::Via,
    error::classify,
    identity::{Identity, identity},
};

/// Actions, and what they are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    pub actions: Vec<&'static str>,
    pub resource: Resource,
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
}

impl Resource {
    /// The ARN in a policy.
    pub fn pattern(&self, partition: &str) -> String {
        match self {
            Self::Everything => "*".to_owned(),
            Self::Bucket(bucket) => format!("arn:{partition}:s3:::{bucket}"),
            Self::Objects { bucket, prefix } => format!("arn:{partition}:s3:::{bucket}/{prefix}*"),
            Self::Parameter(name) => format!("arn:{partition}:ssm:*:*:parameter/{}", name.trim_start_matches('/')),
            Self::Key(arn) => arn.clone(),
        }
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

const ALWAYS: [&str; 8] = [
    "ec2:DescribeRegions",
    "ec2:DescribeImages",
    "ec2:DescribeSnapshots",
    "ec2:RegisterImage",
    "ec2:CopyImage",
    "ec2:CreateTags",
    "ec2:DeregisterImage",
    "ec2:DeleteSnapshot",
];

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

/// Everything that publishing as configured needs; `parameters` are the names of those that are written, or patterns of
/// them.
pub fn needed(config: &Config, parameters: &[String]) -> Result<Vec<Permission>> {
    let mut everywhere = ALWAYS.to_vec();
    let mut more = Vec::new();
    match config.route()? {
        Via::Ebs => everywhere.extend(["ebs:StartSnapshot", "ebs:PutSnapshotBlock", "ebs:CompleteSnapshot"]),
        Via::S3(bucket) => {
            everywhere.extend(["ec2:ImportSnapshot", "ec2:DescribeImportSnapshotTasks", "ec2:CancelImportTask"]);
            let (bucket, prefix) = (bucket.to_owned(), config.prefix.clone().unwrap_or_default());
            more.push(Permission {
                actions: vec!["s3:ListBucket", "s3:ListBucketMultipartUploads"],
                resource: Resource::Bucket(bucket.clone()),
            });
            more.push(Permission {
                actions: vec!["s3:PutObject", "s3:GetObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
                resource: Resource::Objects { bucket, prefix },
            });
        }
    }
    if config.verify.unwrap_or_default() {
        everywhere.extend(["ebs:ListSnapshotBlocks", "ebs:GetSnapshotBlock"]);
    }
    if config.deprecate_after_days.is_some() {
        everywhere.push("ec2:EnableImageDeprecation");
    }
    if let Some(sharing) = &config.sharing {
        everywhere.extend(["ec2:DescribeImageAttribute", "ec2:ModifyImageAttribute"]);
        everywhere.extend(["ec2:DescribeSnapshotAttribute", "ec2:ModifySnapshotAttribute"]);
        everywhere.extend(["ec2:GetEbsEncryptionByDefault", "ec2:GetEbsDefaultKmsKeyId"]);
        if sharing.public {
            everywhere.extend(["ec2:GetImageBlockPublicAccessState", "servicequotas:GetServiceQuota"]);
        }
        if sharing.public_snapshots {
            everywhere.push("ec2:GetSnapshotBlockPublicAccessState");
        }
    }
    for name in parameters {
        let actions = vec!["ssm:GetParameter", "ssm:PutParameter", "ssm:AddTagsToResource"];
        more.push(Permission { actions, resource: Resource::Parameter(name.clone()) });
    }
    let keys = config.per_region.values().filter_map(|region| region.kms_key.as_ref());
    for key in config.kms_key.iter().chain(keys) {
        more.push(Permission { actions: ON_KEY.to_vec(), resource: Resource::Key(key.clone()) });
    }
    more.insert(0, Permission { actions: everywhere, resource: Resource::Everything });
    Ok(more)
}

/// What of all that the identity may not do, by IAM's own simulation; that it cannot be asked is only said.
pub async fn denied(aws: &Aws, cx: &Cx<Undo>, parameters: &[String]) -> Result<Vec<String>> {
    let region = aws.config.home_or(aws.clients.default_region());
    let who = identity(aws, cx, &region).await?;
    let needed = needed(&aws.config, parameters)?;
    match simulate(aws, cx, &who, &region, &needed).await {
        Ok(denied) => Ok(denied),
        Err(error) => {
            let message = format!("what the identity may do cannot be asked: {error}");
            cx.emit(Event::Warning { message });
            Ok(Vec::new())
        }
    }
}

/// Asks what of `needed` an identity may not do.
///
/// # Errors
/// What keeps it from being asked.
pub async fn simulate(
    aws: &Aws,
    cx: &Cx<Undo>,
    who: &Identity,
    region: &str,
    needed: &[Permission],
) -> Result<Vec<String>> {
    // The account itself may do everything, and IAM simulates no policies of it.
    if who.is_root() {
        return Ok(Vec::new());
    }
    let arn = match who.role() {
        Some(role) => role_arn(aws, cx, role, who).await?,
        None => who.arn.clone(),
    };
    let mut denied = Vec::new();
    for permission in needed {
        let resource = permission.resource.example(who, region);
        let not = may_not(aws, cx, &arn, region, &permission.actions, &resource).await?;
        let about = |action: String| match permission.resource {
            Resource::Everything => action,
            _ => format!("{action} on {resource}"),
        };
        denied.extend(not.into_iter().map(about));
    }
    Ok(denied)
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
) -> Result<Vec<String>> {
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
    let results = answer.evaluation_results.unwrap_or_default().into_iter();
    let not = results.filter(|result| result.eval_decision != PolicyEvaluationDecisionType::Allowed);
    Ok(not.map(|result| result.eval_action_name).collect())
}
