//! How far an image is that was published before.

use aws_sdk_ec2::types::{Image, ImageState};
use futures::future::try_join_all;
use publisher::{Artifact, Cx, Error, Event, Kind, Region, RegionOutcome, RegionState, Replication, Result};

use crate::{Aws, Registered, Replica, Undo, find, plan, replicate::afterwards};

pub async fn status(aws: &Aws, cx: &Cx<Undo>) -> Result<(Registered, Replication<Replica>)> {
    aws.clients.check_credentials().await?;
    let regions = plan::regions(aws, cx).await?;
    let home = &regions[0].0;
    let configured = plan::configured_name(&aws.config, &aws.spec);
    let image = match &configured {
        Some(name) => find::image_by_name(aws, cx, home, name).await?,
        None => find::newest_image(aws, cx, home, &aws.spec.name).await?,
    };
    let image = image.ok_or_else(|| {
        let name = configured.unwrap_or_else(|| format!("{}-…", aws.spec.name));
        Error::new(Kind::NotFound, format!("there is no AMI {name} in {home}"))
            .with_hint("--name and --version say which image is meant, and the first of --regions where it was made")
    })?;
    let name = image.name().unwrap_or_default();
    let looks = regions.iter().map(|region| async move {
        let required = aws.config.is_required(&region.0);
        let there = match find::image_by_name(aws, cx, &region.0, name).await {
            // A region that need not have the image is looked at as it is published to: alone.
            Err(error) if !required => {
                return Ok(RegionOutcome { region: region.clone(), state: RegionState::failed(error), required });
            }
            there => there?,
        };
        let state = state(region, there.as_ref());
        if let (RegionState::Available(Replica { ami }), Some(image)) = (&state, &there) {
            let message = match afterwards::due(aws, cx, &region.0, image).await {
                Ok(due) if due.is_empty() => None,
                Ok(due) => {
                    Some(format!("{ami} in {region} is not yet as configured: {}; publish again", due.join(", ")))
                }
                Err(error) => Some(format!("what is still to be done with {ami} in {region} cannot be read: {error}")),
            };
            if let Some(message) = message {
                cx.emit(Event::Warning { message });
            }
        }
        Ok::<_, Error>(RegionOutcome { region: region.clone(), state, required })
    });
    let registered = Registered::found(home, &image);
    let (regions, resources) = (try_join_all(looks).await?, registered.resources());
    Ok((registered, Replication { regions, changed: false, resources }))
}

fn state(region: &Region, image: Option<&Image>) -> RegionState<Replica> {
    let replica = |image: &Image| Replica { ami: image.image_id().unwrap_or_default().to_owned() };
    match (image, image.and_then(Image::state)) {
        (Some(image), Some(ImageState::Available)) => RegionState::Available(replica(image)),
        (Some(image), Some(ImageState::Pending)) => {
            RegionState::Pending { replica: Some(replica(image)), percent: None }
        }
        (Some(image), state) => {
            let reason = image.state_reason().and_then(|reason| reason.message()).unwrap_or("AWS gives no reason");
            let state = state.map_or("in no state", ImageState::as_str);
            let text = format!("{} is {state}: {reason}", image.image_id().unwrap_or_default());
            RegionState::Failed { replica: Some(replica(image)), error: Error::new(Kind::Invalid, text) }
        }
        (None, _) => RegionState::failed(
            Error::new(Kind::NotFound, format!("the AMI is not in {region}"))
                .with_hint("publish again: only what is missing is made"),
        ),
    }
}
