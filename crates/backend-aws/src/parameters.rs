//! Parameters of Systems Manager that name the AMI: written last, and in each region of the AMI there.

use aws_sdk_ec2::types::Image;
use aws_sdk_ssm::types::{Parameter, ParameterType, Tag};
use jiff::Timestamp;
use publisher::{Cx, Error, Event, ImageSpec, Kind, Poll, Region, Result, Schedule};

use crate::{
    Aws, Config, Undo,
    error::{classify, has_code},
    find,
};

/// What makes Systems Manager look whether the value is an AMI of the region (Parameter Store, "Native parameter support
/// for Amazon Machine Image IDs").
const DATA_TYPE: &str = "aws:ec2:image";
const LONGEST_WAIT: std::time::Duration = std::time::Duration::from_secs(5);
/// It is looked at within seconds.
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(3 * 60);

/// The names of the parameters, with everything filled in.
///
/// # Errors
/// [`Kind::Config`] for a name that Systems Manager does not take, or a placeholder that stands for nothing.
pub fn names(config: &Config, spec: &ImageSpec, ami_name: &str, architecture: &str) -> Result<Vec<String>> {
    let known = [
        ("name", Some(spec.name.as_str())),
        ("version", spec.version.as_deref()),
        ("architecture", Some(architecture)),
        ("ami_name", Some(ami_name)),
    ];
    let mut names: Vec<String> = Vec::new();
    for template in &config.ssm_parameters.0 {
        let refuse = |why: &str| Error::new(Kind::Config, format!("aws.ssm_parameters has \"{template}\": {why}"));
        let mut name = template.clone();
        for (placeholder, value) in known {
            let placeholder = format!("{{{placeholder}}}");
            match value {
                Some(value) => name = name.replace(&placeholder, value),
                None if name.contains(&placeholder) => {
                    return Err(refuse("the image has no version").with_hint("give it one: --version, or version = …"));
                }
                None => {}
            }
        }
        if name.contains(['{', '}']) {
            let hint = "{name}, {version}, {architecture} and {ami_name} stand for something, and nothing else does";
            return Err(refuse("what is in its braces stands for nothing").with_hint(hint));
        }
        check(&name).map_err(|why| refuse(&format!("{name} {why}")))?;
        if names.contains(&name) {
            return Err(refuse(&format!("{name} is there twice")));
        }
        names.push(name);
    }
    Ok(names)
}

/// The rules for a name (PutParameter, "Name").
fn check(name: &str) -> std::result::Result<(), &'static str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.-/".contains(c);
    let first = name.trim_start_matches('/').to_lowercase();
    if name.is_empty() || !name.chars().all(allowed) {
        Err("has something else than letters, digits and . - _ /")
    } else if name.contains('/') && !name.starts_with('/') {
        Err("has levels, and does not begin with /")
    } else if name.len() > 1011 || name.matches('/').count() > 15 {
        Err("is too long: 1011 characters and 15 levels at the most")
    } else if first.starts_with("aws") || first.starts_with("ssm") {
        Err("begins as those of AWS itself do")
    } else {
        Ok(())
    }
}

/// That the parameters that are there can be written: the type of one never changes.
///
/// # Errors
/// [`Kind::Conflict`] for one of another type.
pub async fn preflight(aws: &Aws, cx: &Cx<Undo>, regions: &[Region], names: &[String]) -> Result<()> {
    // A region that need not have the AMI fails alone, and later.
    for region in regions.iter().filter(|region| aws.config.is_required(&region.0)) {
        for name in names {
            check_type(aws, cx, &region.0, name).await?;
        }
    }
    Ok(())
}

async fn check_type(aws: &Aws, cx: &Cx<Undo>, region: &str, name: &str) -> Result<()> {
    let there = read(aws, cx, region, name).await?;
    let Some(other) = there.as_ref().and_then(Parameter::r#type).filter(|kind| **kind != ParameterType::String) else {
        return Ok(());
    };
    let text = format!("the parameter {name} in {region} is a {}, and would have to be a String", other.as_str());
    Err(Error::new(Kind::Conflict, text).with_hint("name another one in aws.ssm_parameters"))
}

/// Writes the parameters of a region; tells whether any had to be. One that names a newer AMI stays as it is.
pub async fn write(aws: &Aws, cx: &Cx<Undo>, region: &str, ami: &str) -> Result<bool> {
    let mut changed = false;
    for name in &aws.decided()?.parameters {
        let written = write_one(aws, cx, region, name, ami).await;
        changed |= written.map_err(|error| error.context(format!("cannot write the parameter {name} in {region}")))?;
    }
    Ok(changed)
}

/// How often somebody else may make the parameter between our look and our writing.
const ROUNDS: u32 = 3;

async fn write_one(aws: &Aws, cx: &Cx<Undo>, region: &str, name: &str, ami: &str) -> Result<bool> {
    for round in 1.. {
        let there = read(aws, cx, region, name).await?;
        if let Some(value) = there.as_ref().and_then(Parameter::value) {
            if value == ami {
                // In a later round a lost answer has written it.
                return Ok(round > 1);
            }
            if is_newer(aws, cx, region, value, ami).await? {
                let message = format!(
                    "the parameter {name} in {region} names {value}, which is newer than {ami}, and stays; \
                     aws ssm put-parameter --overwrite --data-type {DATA_TYPE} --region {region} --name {name} --value {ami}"
                );
                cx.emit(Event::Warning { message });
                return Ok(false);
            }
        }
        match put(aws, cx, region, name, ami, there.is_some()).await {
            Err(error) if round < ROUNDS && has_code(&error, "ParameterAlreadyExists") => {}
            Err(error) => return Err(error),
            Ok(()) => break,
        }
    }
    cx.emit(Event::Created { kind: "parameter", id: format!("{name} in {region}") });
    Ok(true)
}

async fn read(aws: &Aws, cx: &Cx<Undo>, region: &str, name: &str) -> Result<Option<Parameter>> {
    let ssm = aws.clients.ssm(region);
    let request = || async { ssm.get_parameter().name(name).send().await.map_err(classify) };
    match cx.retry("reading a parameter", request).await {
        Ok(answer) => Ok(answer.parameter),
        Err(error) if error.kind() == Kind::NotFound => Ok(None),
        Err(error) => Err(error.context(format!("cannot read the parameter {name} in {region}"))),
    }
}

/// Whether what a parameter names is an AMI that was made after ours: then this is a run of an older image. What is gone, or
/// no AMI of ours, is not.
async fn is_newer(aws: &Aws, cx: &Cx<Undo>, region: &str, there: &str, ami: &str) -> Result<bool> {
    let Some(there) = find::own_image(aws, cx, region, there).await? else { return Ok(false) };
    let ours = find::image_by_id(aws, cx, region, ami).await?;
    Ok(made(aws, cx, there).await? > made(aws, cx, ours).await?)
}

/// When an image was made: a copy is as old as what it was copied from, whenever it was copied.
async fn made(aws: &Aws, cx: &Cx<Undo>, image: Image) -> Result<Option<Timestamp>> {
    let source = match (image.source_image_region(), image.source_image_id()) {
        (Some(region), Some(id)) => find::own_image(aws, cx, region, id).await?,
        _ => None,
    };
    Ok(find::created(&source.unwrap_or(image)))
}

/// Names of those of a region's parameters that do not name its AMI, nor a newer one.
pub async fn due(aws: &Aws, cx: &Cx<Undo>, region: &str, ami: &str, names: &[String]) -> Result<Vec<String>> {
    let mut due = Vec::new();
    for name in names {
        let there = read(aws, cx, region, name).await?;
        let is_well = match there.as_ref().and_then(Parameter::value) {
            None => false,
            Some(there) => there == ami || is_newer(aws, cx, region, there, ami).await?,
        };
        if !is_well {
            due.push(name.clone());
        }
    }
    Ok(due)
}

async fn put(aws: &Aws, cx: &Cx<Undo>, region: &str, name: &str, ami: &str, overwrite: bool) -> Result<()> {
    let ssm = aws.clients.ssm(region);
    // A parameter belongs to no run, so it has the user's tags alone. AWS takes none where a parameter is overwritten.
    let tags = aws.spec.tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
    let tags = tags.collect::<std::result::Result<Vec<_>, _>>();
    let tags = tags.map_err(|error| Error::new(Kind::Config, "a tag cannot be used").caused_by(error))?;
    let request = || {
        let request = ssm
            .put_parameter()
            .name(name)
            .value(ami)
            .r#type(ParameterType::String)
            .data_type(DATA_TYPE)
            .overwrite(overwrite)
            .set_tags((!overwrite && !tags.is_empty()).then(|| tags.clone()));
        async { request.send().await.map(drop).map_err(classify) }
    };
    cx.retry("writing a parameter", request).await?;
    let look = || async {
        let answer = ssm.get_parameter().name(name).send().await.map_err(classify);
        let found = match answer {
            Ok(answer) => answer.parameter,
            Err(error) if error.kind() == Kind::NotFound => None,
            Err(error) => return Err(error),
        };
        let is_ours = found.as_ref().and_then(Parameter::value) == Some(ami);
        Ok(if is_ours { Poll::Ready(()) } else { Poll::Pending { percent: None, retry_after: None } })
    };
    let schedule = Schedule::new(LONGEST_WAIT, DEADLINE);
    let what = format!("waiting until {name} in {region} names {ami}");
    cx.poll(&what, schedule, look).await.map_err(|error| match error.kind() {
        Kind::TimedOut => error.with_hint(
            "Systems Manager takes a value only if it finds the AMI, for which the identity needs ec2:DescribeImages",
        ),
        _ => error,
    })
}

#[cfg(test)]
mod tests {
    use publisher::Names;

    use super::*;

    fn named(template: &str, version: Option<&str>) -> Result<Vec<String>> {
        let config = Config { ssm_parameters: Names(vec![template.into()]), ..Config::default() };
        let spec = ImageSpec { name: "node".into(), version: version.map(str::to_owned), ..ImageSpec::default() };
        names(&config, &spec, "node-1.2", "arm64")
    }

    #[test]
    fn placeholders_stand_for_the_image() {
        let filled = named("/images/{name}/{version}/{architecture}", Some("1.2")).unwrap();
        assert_eq!(filled, ["/images/node/1.2/arm64"]);
        assert_eq!(named("/images/{ami_name}", None).unwrap(), ["/images/node-1.2"]);
    }

    #[test]
    fn a_name_that_aws_does_not_take_is_refused() {
        for (template, version, why) in [
            ("/images/{version}", None, "the image has no version"),
            ("/images/{region}", Some("1"), "what is in its braces stands for nothing"),
            ("images/node", None, "has levels, and does not begin with /"),
            ("/images/my node", None, "has something else than letters"),
            ("/aws/service/node", None, "begins as those of AWS itself do"),
            ("", None, "has something else than letters"),
        ] {
            let error = named(template, version).unwrap_err();
            assert_eq!(error.kind(), Kind::Config);
            assert!(error.to_string().contains(why), "{template}: {error}");
        }
    }
}
