use super::{
    error::{ArmError, arm},
    resource::Resource,
};

pub fn put(group: &mut Resource, existing: Option<&Resource>) -> Result<(), ArmError> {
    group.ready_at = std::time::Duration::ZERO;
    match existing {
        Some(old) if old.location != group.location => Err(arm(
            409,
            "InvalidResourceGroupLocation",
            format!("The resource group '{}' already exists in location '{}'.", group.name, old.location),
        )),
        _ => Ok(()),
    }
}
