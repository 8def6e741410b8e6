//! How many AMIs an account may have public in a region.

use aws_sdk_ec2::types::Filter;
use publisher::{Cx, Error, Event, Kind, Region, Result};

use crate::{Aws, Undo, error::classify};

/// EC2's quota "Public AMIs" (Service Quotas).
const PUBLIC_AMIS: (&str, &str) = ("ec2", "L-0E3CBAB9");

/// That one more AMI can be public in a region. A quota that cannot be asked for is only said.
///
/// # Errors
/// [`Kind::Conflict`] if there are as many as there may be.
pub async fn check(aws: &Aws, cx: &Cx<Undo>, region: &Region) -> Result<()> {
    let quotas = aws.clients.quotas(&region.0);
    let request = || async {
        let (service, quota) = PUBLIC_AMIS;
        quotas.get_service_quota().service_code(service).quota_code(quota).send().await.map_err(classify)
    };
    let most = match cx.retry("reading the quota of public AMIs", request).await {
        Ok(answer) => answer.quota.and_then(|quota| quota.value),
        Err(error) if matches!(error.kind(), Kind::Denied | Kind::NotFound | Kind::Transient) => {
            let message = format!("how many AMIs may be public in {region} cannot be asked: {error}");
            cx.emit(Event::Warning { message });
            None
        }
        Err(error) => return Err(error),
    };
    let Some(most) = most else { return Ok(()) };
    let ec2 = aws.clients.ec2(&region.0);
    let public = Filter::builder().name("is-public").values("true").build();
    let request = || {
        let request = ec2.describe_images().owners("self").include_deprecated(true).filters(public.clone());
        async { request.send().await.map_err(classify) }
    };
    let found = cx.retry("counting the public AMIs", request).await?.images().len();
    if (found as f64) < most {
        return Ok(());
    }
    let text = format!("the account has {found} public AMIs in {region}, and may have {most}");
    Err(Error::new(Kind::Conflict, text)
        .with_hint("deregister old ones, or ask for more: Service Quotas, EC2, Public AMIs (L-0E3CBAB9)"))
}
