//! What an administrator runs once, as a script that can be read first.

use publisher::{ImageSpec, Result};

use super::{
    policy::{Document, Statement},
    role,
};
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
    script += &file("publish-policy.json", &policy(&permissions, partition));
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
    let bucket_arn = format!("arn:{partition}:s3:::{bucket}");
    script += "\n# The role that ImportSnapshot reads the bucket with.\n";
    script += &file("import-trust.json", &role::trust_policy());
    script +=
        &format!("aws iam create-role --role-name {name} --assume-role-policy-document file://import-trust.json\n");
    script += &file("import-policy.json", &role::policy(&bucket_arn, config.kms_key.as_deref()));
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

/// Commands that write a document to a file.
fn file(name: &str, document: &Document) -> String {
    format!("cat > {name} <<'POLICY'\n{}\nPOLICY\n", document.text())
}

fn policy(permissions: &[Permission], partition: &str) -> Document {
    let statement =
        |permission: &Permission| Statement::allow(&permission.actions, Some(permission.resource.pattern(partition)));
    Document::new(permissions.iter().map(statement).collect())
}
