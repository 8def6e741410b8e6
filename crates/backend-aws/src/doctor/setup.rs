//! What an administrator runs once, as a script that can be read first.

use publisher::{Error, ImageSpec, Kind, Result};

use super::{
    policy::{Document, Statement},
    role,
};
use crate::{
    Config,
    config::Via,
    permissions::{Permission, needed, needed_in},
    plan::partition,
};

/// The policy documents and commands that publishing as configured needs, as a shell script. It can be run again: what is
/// there is brought to what is printed. Asks AWS for nothing.
///
/// # Errors
/// [`Kind::Config`] for a setting that is missing or that AWS would refuse.
pub fn setup(config: &Config, spec: &ImageSpec) -> Result<String> {
    config.check()?;
    let home = config.regions.as_ref().and_then(|regions| regions.0.first()).ok_or_else(|| {
        Error::new(Kind::Config, "aws.regions is not set, and decides where all of it is")
            .with_hint("name them: --regions us-east-1,eu-west-1")
    })?;
    let (partition, parameters) = (partition(home), parameter_patterns(config, spec));
    let mut script = HEAD.to_owned();
    script += &file("publish-policy.json", &policy(&needed(config, spec, &parameters)?, partition));
    // Each image has a policy of its own: what is configured for another one stays.
    let named = format!("publish-{}", spec.name.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
    script += &publish_policy(partition, &named);
    for (region, role) in
        config.per_region.iter().filter_map(|(name, region)| Some((name, region.assume_role.as_ref()?)))
    {
        let document = policy(&needed_in(config, spec, region, &parameters), partition);
        script += &region_role(region, role, &named, &document);
    }
    if let Via::S3(bucket) = config.route()? {
        script += &bucket_and_role(config, bucket, &quoted(home), partition);
    }
    Ok(script)
}

const HEAD: &str = "\
# What publishing to AWS as configured needs. Read it, then run it as an administrator.
set -eu

# What whoever publishes may do: attach it with `aws iam attach-role-policy` or `attach-user-policy`.
";

fn publish_policy(partition: &str, name: &str) -> String {
    format!(
        "\
policy=arn:{partition}:iam::$(aws sts get-caller-identity --query Account --output text):policy/{name}
if aws iam get-policy --policy-arn \"$policy\" > /dev/null 2>&1; then
  # IAM keeps five versions of a policy.
  set -- $(aws iam list-policy-versions --policy-arn \"$policy\" \\
    --query 'sort_by(Versions[?!IsDefaultVersion], &CreateDate)[].VersionId' --output text)
  [ $# -lt 4 ] || aws iam delete-policy-version --policy-arn \"$policy\" --version-id \"$1\"
  aws iam create-policy-version --policy-arn \"$policy\" --set-as-default --policy-document file://publish-policy.json
else
  aws iam create-policy --policy-name {name} --policy-document file://publish-policy.json
fi
"
    )
}

/// What the role of a single region may do; that it can be taken on is between it and whoever publishes.
fn region_role(region: &str, arn: &str, policy: &str, document: &Document) -> String {
    let role = quoted(arn.rsplit('/').next().unwrap_or(arn));
    let name = quoted(&format!("{policy}-{region}.json"));
    let written = file(&name, document);
    format!(
        "
# What the role for {region} may do; whoever publishes takes it on, which its trust policy has to allow.
{written}aws iam put-role-policy --role-name {role} --policy-name {policy} --policy-document file://{name}
"
    )
}

fn bucket_and_role(config: &Config, bucket: &str, home: &str, partition: &str) -> String {
    // Only us-east-1 wants to have no location said (S3, "CreateBucket").
    let place = match home {
        "us-east-1" => String::new(),
        home => format!(" --create-bucket-configuration LocationConstraint={home}"),
    };
    let name = quoted(config.role.as_deref().unwrap_or(role::DEFAULT));
    let trust = file("import-trust.json", &role::trust_policy());
    let bucket_arn = format!("arn:{partition}:s3:::{bucket}");
    let may = file("import-policy.json", &role::policy(&bucket_arn, config.kms_key.as_deref()));
    let (policy, bucket) = (quoted(&format!("publish-{bucket}")), quoted(bucket));
    format!(
        "
# The bucket, in the home region.
aws s3api head-bucket --bucket {bucket} --region {home} > /dev/null 2>&1 ||
  aws s3api create-bucket --bucket {bucket} --region {home}{place}

# The role that ImportSnapshot reads the bucket with.
{trust}if aws iam get-role --role-name {name} > /dev/null 2>&1; then
  aws iam update-assume-role-policy --role-name {name} --policy-document file://import-trust.json
else
  aws iam create-role --role-name {name} --assume-role-policy-document file://import-trust.json
fi
{may}aws iam put-role-policy --role-name {name} --policy-name {policy} --policy-document file://import-policy.json
"
    )
}

/// A word as a shell reads it: what is configured is never a command.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@=+,".contains(c);
    let is_plain = !word.is_empty() && word.chars().all(plain);
    if is_plain { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
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

#[cfg(test)]
mod tests {
    use publisher::Names;

    use super::*;

    #[test]
    fn what_is_configured_is_never_a_command() {
        let config = Config {
            regions: Some(Names::parse("us-east-1")),
            bucket: Some("b; rm -rf 'x'".into()),
            role: Some("$(id)".into()),
            ..Config::default()
        };
        let script = setup(&config, &ImageSpec::default()).unwrap();
        assert!(script.contains(r"--bucket 'b; rm -rf '\''x'\''' --region us-east-1"), "{script}");
        assert!(script.contains("--role-name '$(id)' "), "{script}");
        assert_eq!(quoted("my-images"), "my-images");
    }
}
