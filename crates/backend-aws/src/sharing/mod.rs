//! Who else may start instances of an AMI. It converges: who is missing is added, and whoever is not named is taken off only
//! where that is asked for.

mod preflight;

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{
    CreateVolumePermission, CreateVolumePermissionModifications, Image, ImageAttributeName, LaunchPermission,
    LaunchPermissionModifications, PermissionGroup, SnapshotAttributeName,
};
use publisher::{Cx, Error, Kind, Result};

pub use self::preflight::preflight;
use crate::{
    Aws, Sharing, Undo,
    error::{classify, soon},
    find,
};

/// One of those who may.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Everyone,
    Account(String),
    Organization(String),
    Unit(String),
}

/// Whether an AMI is not shared yet with all that it is to be shared with.
pub async fn is_due(aws: &Aws, cx: &Cx<Undo>, region: &str, image: &Image) -> Result<bool> {
    let Some(sharing) = &aws.config.sharing else { return Ok(false) };
    let there = may_start(aws, cx, region, image.image_id().unwrap_or_default()).await?;
    let starts = Change::between(&there, &starters(sharing), sharing);
    let copies = match find::snapshot_of(image) {
        Some(snapshot) => Change::between(&may_copy(aws, cx, region, snapshot).await?, &copiers(sharing), sharing),
        None => return Ok(true),
    };
    Ok(!starts.is_nothing() || !copies.is_nothing())
}

/// Shares an AMI and its snapshot in a region with those who are named, and takes off whoever is not where that is asked
/// for; tells whether anything had to be changed.
pub async fn share(aws: &Aws, cx: &Cx<Undo>, region: &str, ami: &str) -> Result<bool> {
    apply(aws, cx, region, ami, Change::without_everyone).await
}

/// Opens an AMI in a region to everyone, and its snapshot where that is asked for; tells whether that had to be changed.
pub async fn make_public(aws: &Aws, cx: &Cx<Undo>, region: &str, ami: &str) -> Result<bool> {
    apply(aws, cx, region, ami, Change::only_everyone).await
}

/// Makes a part of the changes. The snapshot first: an AMI without it can be started and not copied.
async fn apply(aws: &Aws, cx: &Cx<Undo>, region: &str, ami: &str, part: fn(Change) -> Change) -> Result<bool> {
    let Some(sharing) = &aws.config.sharing else { return Ok(false) };
    let image = find::image_by_id(aws, cx, region, ami).await?;
    let snapshot = find::snapshot_of(&image)
        .ok_or_else(|| Error::new(Kind::Invalid, format!("{ami} in {region} has no snapshot")))?;
    let there = may_copy(aws, cx, region, snapshot).await?;
    let change = part(Change::between(&there, &copiers(sharing), sharing));
    let mut changed = !change.is_nothing();
    let shared = change_snapshot(aws, cx, region, snapshot, change).await;
    shared.map_err(|error| error.context(format!("cannot share {snapshot} in {region}")))?;
    let there = may_start(aws, cx, region, ami).await?;
    let change = part(Change::between(&there, &starters(sharing), sharing));
    changed |= !change.is_nothing();
    let shared = change_image(aws, cx, region, ami, change).await;
    shared.map_err(|error| error.context(format!("cannot share {ami} in {region}")))?;
    Ok(changed)
}

/// Who is to start instances of the AMI.
fn starters(sharing: &Sharing) -> BTreeSet<Who> {
    let accounts = sharing.accounts.0.iter().cloned().map(Who::Account);
    let organizations = sharing.organizations.0.iter().cloned().map(Who::Organization);
    let units = sharing.organizational_units.0.iter().cloned().map(Who::Unit);
    accounts.chain(organizations).chain(units).chain(sharing.public.then_some(Who::Everyone)).collect()
}

/// Who is to make volumes of the snapshot, and so copy the AMI: AWS knows no organizations there.
fn copiers(sharing: &Sharing) -> BTreeSet<Who> {
    let accounts = sharing.accounts.0.iter().cloned().map(Who::Account);
    accounts.chain(sharing.public_snapshots.then_some(Who::Everyone)).collect()
}

/// What is to be changed.
struct Change {
    add: Vec<Who>,
    remove: Vec<Who>,
}

impl Change {
    fn between(there: &BTreeSet<Who>, wanted: &BTreeSet<Who>, sharing: &Sharing) -> Self {
        let remove = if sharing.remove_others { there.difference(wanted).cloned().collect() } else { Vec::new() };
        Self { add: wanted.difference(there).cloned().collect(), remove }
    }

    /// What comes before anything is open to everyone.
    fn without_everyone(mut self) -> Self {
        self.add.retain(|who| *who != Who::Everyone);
        self
    }

    fn only_everyone(mut self) -> Self {
        self.add.retain(|who| *who == Who::Everyone);
        Self { add: self.add, remove: Vec::new() }
    }

    fn is_nothing(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty()
    }
}

async fn may_start(aws: &Aws, cx: &Cx<Undo>, region: &str, ami: &str) -> Result<BTreeSet<Who>> {
    let ec2 = aws.clients.ec2(region);
    let request = || async {
        let request = ec2.describe_image_attribute().image_id(ami).attribute(ImageAttributeName::LaunchPermission);
        request.send().await.map_err(classify).map_err(soon)
    };
    let found = cx.retry("reading with whom the AMI is shared", request).await?;
    let who = |permission: &LaunchPermission| {
        let text = |value: Option<&str>| value.filter(|value| !value.is_empty()).map(str::to_owned);
        let account = text(permission.user_id()).map(Who::Account);
        let organization = || text(permission.organization_arn()).map(Who::Organization);
        let unit = || text(permission.organizational_unit_arn()).map(Who::Unit);
        let everyone = || permission.group().map(|_| Who::Everyone);
        account.or_else(organization).or_else(unit).or_else(everyone)
    };
    Ok(found.launch_permissions().iter().filter_map(who).collect())
}

async fn change_image(aws: &Aws, cx: &Cx<Undo>, region: &str, ami: &str, change: Change) -> Result<()> {
    if change.is_nothing() {
        return Ok(());
    }
    let permission = |who: &Who| match who {
        Who::Everyone => LaunchPermission::builder().group(PermissionGroup::All).build(),
        Who::Account(id) => LaunchPermission::builder().user_id(id).build(),
        Who::Organization(arn) => LaunchPermission::builder().organization_arn(arn).build(),
        Who::Unit(arn) => LaunchPermission::builder().organizational_unit_arn(arn).build(),
    };
    let list = |who: &[Who]| (!who.is_empty()).then(|| who.iter().map(permission).collect());
    let permissions =
        LaunchPermissionModifications::builder().set_add(list(&change.add)).set_remove(list(&change.remove));
    let permissions = permissions.build();
    let ec2 = aws.clients.ec2(region);
    let request = || async {
        let request = ec2.modify_image_attribute().image_id(ami).launch_permission(permissions.clone());
        request.send().await.map_err(classify).map_err(soon)
    };
    cx.retry("sharing the AMI", request).await.map(drop)
}

async fn may_copy(aws: &Aws, cx: &Cx<Undo>, region: &str, snapshot: &str) -> Result<BTreeSet<Who>> {
    let ec2 = aws.clients.ec2(region);
    let request = || async {
        let attribute = SnapshotAttributeName::CreateVolumePermission;
        let request = ec2.describe_snapshot_attribute().snapshot_id(snapshot).attribute(attribute);
        request.send().await.map_err(classify).map_err(soon)
    };
    let found = cx.retry("reading with whom the snapshot is shared", request).await?;
    let who = |permission: &CreateVolumePermission| {
        let account = permission.user_id().map(|id| Who::Account(id.to_owned()));
        account.or_else(|| permission.group().map(|_| Who::Everyone))
    };
    Ok(found.create_volume_permissions().iter().filter_map(who).collect())
}

async fn change_snapshot(aws: &Aws, cx: &Cx<Undo>, region: &str, snapshot: &str, change: Change) -> Result<()> {
    if change.is_nothing() {
        return Ok(());
    }
    let permission = |who: &Who| match who {
        Who::Account(id) => Some(CreateVolumePermission::builder().user_id(id).build()),
        Who::Everyone => Some(CreateVolumePermission::builder().group(PermissionGroup::All).build()),
        Who::Organization(_) | Who::Unit(_) => None,
    };
    // AWS adds or removes in one request, and does not do both (ModifySnapshotAttribute).
    for (who, removes) in [(&change.add, false), (&change.remove, true)] {
        let list: Vec<_> = who.iter().filter_map(permission).collect();
        if list.is_empty() {
            continue;
        }
        let permissions = CreateVolumePermissionModifications::builder();
        let permissions =
            if removes { permissions.set_remove(Some(list)) } else { permissions.set_add(Some(list)) }.build();
        modify_snapshot(aws, cx, region, snapshot, permissions).await?;
    }
    Ok(())
}

async fn modify_snapshot(
    aws: &Aws,
    cx: &Cx<Undo>,
    region: &str,
    snapshot: &str,
    permissions: CreateVolumePermissionModifications,
) -> Result<()> {
    let ec2 = aws.clients.ec2(region);
    let request = || async {
        let request = ec2
            .modify_snapshot_attribute()
            .snapshot_id(snapshot)
            .attribute(SnapshotAttributeName::CreateVolumePermission)
            .create_volume_permission(permissions.clone());
        request.send().await.map_err(classify).map_err(soon)
    };
    cx.retry("sharing the snapshot", request).await.map(drop)
}
