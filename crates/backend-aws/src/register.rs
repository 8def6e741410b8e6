use std::time::Duration;

use aws_sdk_ec2::types::{
    ArchitectureValues, BlockDeviceMapping, BootModeValues, EbsBlockDevice, Image, ImageState, ImdsSupportValues,
    ResourceType, TpmSupportValues, VolumeType,
};
use publisher::{Artifact, Cx, Error, Event, Kind, Poll, Result, Schedule};
use serde::{Deserialize, Serialize};

use crate::{
    Aws, Imported, Undo,
    config::BlockDevice,
    error::{self, classify, has_code},
    find, tags, undo,
};

/// An AMI that is available in the home region.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Registered {
    /// The home region.
    pub region: String,
    /// The AMI's id.
    pub ami: String,
    /// The snapshot under it.
    pub snapshot: String,
}

impl Registered {
    /// An AMI that is there already.
    pub(crate) fn found(region: &str, image: &Image) -> Self {
        Self {
            region: region.to_owned(),
            ami: image.image_id().unwrap_or_default().to_owned(),
            snapshot: find::snapshot_of(image).unwrap_or_default().to_owned(),
        }
    }
}

impl Artifact for Registered {
    fn resources(&self) -> Vec<(&'static str, String)> {
        vec![("ami", self.ami.clone()), ("snapshot", self.snapshot.clone())]
    }
}

const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// A copy of a large image to another continent takes a while.
const DEADLINE: Duration = Duration::from_secs(2 * 60 * 60);

pub async fn register(aws: &Aws, cx: &Cx<Undo>, imported: &Imported) -> Result<Registered> {
    let region = aws.home()?;
    let attempt = aws.attempt.clone();
    let undo = cx.on_failure(Undo::DeregisterImages { region: region.to_owned(), attempt }).await?;
    let registered = cx.retry("registering the AMI", || register_once(aws, cx, &imported.snapshot)).await;
    let registered = registered.map_err(|error| error.context("cannot register the AMI"))?;
    wait(aws, cx, region, &registered.ami).await?;
    if registered.snapshot != imported.snapshot {
        // Another machine was quicker, and its AMI is the one there is.
        let ours = || undo::delete_snapshot(aws, cx, region, &imported.snapshot);
        cx.retry("deleting a snapshot that no AMI is made of", ours).await?;
    }
    // From here on the AMI and its snapshot belong to the user.
    cx.settle([undo, imported.undo]).await?;
    cx.emit(Event::Created { kind: "ami", id: registered.ami.clone() });
    Ok(registered)
}

/// RegisterImage knows no client token: an AMI of this name that carries the run's key is the one that a lost answer
/// registered.
async fn register_once(aws: &Aws, cx: &Cx<Undo>, snapshot: &str) -> Result<Registered> {
    let (decided, region) = (aws.decided()?, aws.home()?);
    let shape = &decided.shape;
    let disk = EbsBlockDevice::builder()
        .snapshot_id(snapshot)
        .volume_size(shape.volume_size as i32)
        .volume_type(VolumeType::from(shape.volume_type.as_str()))
        .set_iops(shape.iops.map(|iops| iops as i32))
        .set_throughput(shape.throughput.map(|throughput| throughput as i32))
        .delete_on_termination(true)
        .build();
    let root = BlockDeviceMapping::builder().device_name(&shape.root_device).ebs(disk).build();
    let devices = std::iter::once(root).chain(shape.block_devices.iter().map(mapping)).collect();
    let sent = aws
        .clients
        .ec2(region)
        .register_image()
        .name(&decided.name)
        .set_description(aws.spec.description.clone())
        .architecture(ArchitectureValues::from(shape.architecture.as_str()))
        .boot_mode(BootModeValues::from(shape.boot_mode.as_str()))
        .virtualization_type("hvm")
        .ena_support(shape.ena)
        .set_sriov_net_support(shape.sriov.then(|| "simple".to_owned()))
        .set_imds_support(shape.imds_v2.then_some(ImdsSupportValues::V20))
        .set_uefi_data(shape.uefi_data.clone())
        .set_tpm_support(shape.tpm.then_some(TpmSupportValues::V20))
        .root_device_name(&shape.root_device)
        .set_block_device_mappings(Some(devices))
        .tag_specifications(tags::specification(ResourceType::Image, &decided.tags))
        .send()
        .await
        .map_err(classify);
    match sent {
        Ok(registered) => {
            let nameless = || Error::new(Kind::Invalid, "AWS registered an AMI without an id");
            let ami = registered.image_id.ok_or_else(nameless)?;
            Ok(Registered { region: region.to_owned(), ami, snapshot: snapshot.to_owned() })
        }
        Err(error) if has_code(&error, "InvalidAMIName.Duplicate") => {
            let ours = find::images_of_run(aws, cx, region).await?;
            let ours = ours.into_iter().find(|image| image.name() == Some(&decided.name));
            ours.map(|image| Registered::found(region, &image)).ok_or(error)
        }
        Err(error) => Err(error::soon(error)),
    }
}

/// A device beside the root device.
fn mapping(device: &BlockDevice) -> BlockDeviceMapping {
    let mapping = BlockDeviceMapping::builder().device_name(&device.device);
    if let Some(index) = device.instance_store {
        return mapping.virtual_name(format!("ephemeral{index}")).build();
    }
    let volume = EbsBlockDevice::builder()
        .set_volume_size(device.volume_size.map(|size| size as i32))
        .volume_type(VolumeType::from(device.volume_type()))
        .set_iops(device.iops.map(|iops| iops as i32))
        .set_throughput(device.throughput.map(|throughput| throughput as i32))
        .set_encrypted(device.encrypted)
        .delete_on_termination(device.delete_on_termination.unwrap_or(true))
        .build();
    mapping.ebs(volume).build()
}

/// Waits until an AMI is available.
///
/// # Errors
/// What AWS says of an AMI that failed.
pub async fn wait(aws: &Aws, cx: &Cx<Undo>, region: &str, ami: &str) -> Result<()> {
    outcome(aws, cx, region, ami).await?
}

/// Waits until an AMI is available, or has failed: that is the inner error, and the outer what kept it from being seen.
pub async fn outcome(aws: &Aws, cx: &Cx<Undo>, region: &str, ami: &str) -> Result<Result<()>> {
    let ec2 = aws.clients.ec2(region);
    let look = || async {
        let answer = ec2.describe_images().image_ids(ami).include_disabled(true).send().await.map_err(classify);
        let images = match answer {
            Ok(answer) => answer.images.unwrap_or_default(),
            // An AMI is not known everywhere the moment it is made.
            Err(error) if error.kind() == Kind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        match images.first().and_then(Image::state) {
            Some(ImageState::Available) => Ok(Poll::Ready(Ok(()))),
            Some(ImageState::Failed | ImageState::Invalid | ImageState::Error | ImageState::Deregistered) => {
                let reason = images.first().and_then(Image::state_reason).and_then(|reason| reason.message());
                let reason = reason.unwrap_or("it gives no reason");
                Ok(Poll::Ready(Err(Error::new(Kind::Invalid, format!("AWS failed to make {ami}: {reason}")))))
            }
            Some(ImageState::Disabled) => {
                let enable = format!("aws ec2 enable-image --region {region} --image-id {ami}");
                Err(Error::new(Kind::Conflict, format!("{ami} in {region} is disabled")).with_hint(enable))
            }
            _ => Ok(Poll::Pending { percent: None, retry_after: None }),
        }
    };
    cx.poll(&format!("waiting for {ami} in {region}"), Schedule::new(LONGEST_WAIT, DEADLINE), look).await
}
