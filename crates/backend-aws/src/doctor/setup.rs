//! What an administrator runs once, as a script that can be read first.

use publisher::{ImageSpec, Result};
use serde_json::{Value, json};

use super::role;
use crate::{
    Config,
    config::Via,
    permissions::{Permission, needed},
};

/// The policy documents and commands that publishing as configured needs, as a shell script. Asks AWS for nothing.
///
/// # Errors
/// [`Kind::Config`](publisher::Kind::Config) for a setting that is missing or that AWS would refuse.
pub fn setup(config: &Config, spec: &ImageSpec) -> Result<String> {
    config.check()?;
    let home = config.home_or(None);
    let partition = partition(&home);
    let mut script =
        "# What publishing to AWS as configured needs. Read it, then run it as an administrator.\nset -eu\n".to_owned();
    script +=
        "\n# What whoever publishes may do: attach it with `aws iam attach-role-policy` or `attach-user-policy`.\n";
    let permissions = needed(config, &parameter_patterns(config, spec))?;
    script += &document("publish-policy.json", &policy(&permissions, partition));
    script += "aws iam create-policy --policy-name publish --policy-document file://publish-policy.json\n";
    let Via::S3(bucket) = config.route()? else { return Ok(script) };
    script += &format!("\n# The bucket, if it is not there yet: in the home region, {home}.\n");
    // Only us-east-1 wants to have no location said (S3, "CreateBucket").
    let place = match home.as_str() {
        "us-east-1" => String::new(),
        home => format!(" --create-bucket-configuration LocationConstraint={home}"),
    };
    script += &format!("aws s3api create-bucket --bucket {bucket} --region {home}{place}\n");
    let name = config.role.as_deref().unwrap_or(role::DEFAULT);
    script += "\n# The role that ImportSnapshot reads the bucket with.\n";
    script += &document("import-trust.json", &role::trust_policy());
    script +=
        &format!("aws iam create-role --role-name {name} --assume-role-policy-document file://import-trust.json\n");
    script += &document("import-policy.json", &import_policy(config, bucket, partition));
    script += &format!(
        "aws iam put-role-policy --role-name {name} --policy-name {name} --policy-document file://import-policy.json\n"
    );
    Ok(script)
}

/// The partition that a region is in.
fn partition(region: &str) -> &'static str {
    match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// Names of parameters, with `*` for what differs from image to image.
fn parameter_patterns(config: &Config, spec: &ImageSpec) -> Vec<String> {
    let fill = |template: &String| {
        let text = template.replace("{name}", &spec.name);
        ["{version}", "{architecture}", "{ami_name}"].iter().fold(text, |text, part| text.replace(part, "*"))
    };
    config.ssm_parameters.0.iter().map(fill).collect()
}

fn document(file: &str, policy: &Value) -> String {
    format!("cat > {file} <<'POLICY'\n{policy:#}\nPOLICY\n")
}

fn policy(permissions: &[Permission], partition: &str) -> Value {
    let statement = |permission: &Permission| json!({"Effect": "Allow", "Action": permission.actions, "Resource": permission.resource.pattern(partition)});
    json!({"Version": "2012-10-17", "Statement": permissions.iter().map(statement).collect::<Vec<_>>()})
}

fn import_policy(config: &Config, bucket: &str, partition: &str) -> Value {
    let bucket = format!("arn:{partition}:s3:::{bucket}");
    let mut statements = vec![
        json!({"Effect": "Allow", "Action": role::ON_BUCKET, "Resource": bucket}),
        json!({"Effect": "Allow", "Action": role::ON_OBJECTS, "Resource": format!("{bucket}/*")}),
        json!({"Effect": "Allow", "Action": role::ON_EVERYTHING, "Resource": "*"}),
    ];
    if let Some(key) = &config.kms_key {
        let actions = [
            "kms:CreateGrant",
            "kms:Decrypt",
            "kms:DescribeKey",
            "kms:Encrypt",
            "kms:GenerateDataKey*",
            "kms:ReEncrypt*",
        ];
        statements.push(json!({"Effect": "Allow", "Action": actions, "Resource": key}));
    }
    json!({"Version": "2012-10-17", "Statement": statements})
}
