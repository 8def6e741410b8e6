//! The clouds there are. A new one is a line in each function.

use backend_aws::Aws;
use backend_azure::Azure;
use publisher::{CloudName, ImageSpec, Pipeline, Result, Target, Variables};

use crate::{args::Clouds, settings::Settings};

pub const AZURE: CloudName = CloudName("azure");
pub const AWS: CloudName = CloudName("aws");

/// The backend of a cloud, ready to publish one image.
///
/// # Errors
/// What is wrong with its settings.
pub async fn target(
    cloud: CloudName,
    settings: &Settings,
    spec: ImageSpec,
    variables: &Variables,
) -> Result<Box<dyn Target>> {
    if cloud == AZURE {
        Ok(Box::new(Pipeline::new(Azure::new(settings.azure.clone(), spec, variables)?)))
    } else {
        Ok(Box::new(Pipeline::new(Aws::new(settings.aws.clone(), spec, variables).await?)))
    }
}

/// A cloud by its name.
pub fn named(name: &str) -> Option<CloudName> {
    [AZURE, AWS].into_iter().find(|cloud| cloud.0 == name)
}

/// The clouds that are meant.
pub fn of(clouds: Clouds) -> &'static [CloudName] {
    match clouds {
        Clouds::Azure => &[AZURE],
        Clouds::Aws => &[AWS],
        Clouds::All => &[AZURE, AWS],
    }
}

/// Whose region a name is. AWS puts a hyphen and a digit into each of its names; Azure writes its own without hyphens.
pub fn cloud_of_region(name: &str) -> CloudName {
    let numbered =
        name.rsplit('-').next().is_some_and(|last| !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()));
    if name.contains('-') && numbered { AWS } else { AZURE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_told_apart_by_their_form() {
        for name in ["us-east-1", "ap-southeast-2", "us-gov-west-1"] {
            assert_eq!(cloud_of_region(name), AWS, "{name}");
        }
        for name in ["westus2", "West US 2", "westeurope"] {
            assert_eq!(cloud_of_region(name), AZURE, "{name}");
        }
    }
}
