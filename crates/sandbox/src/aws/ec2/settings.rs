//! What an account has decided for a region.

use super::{Params, Refusal, refusal};
use crate::{aws::state::Region, server::World, xml::Xml};

fn of<T>(world: &World, region: &str, act: impl FnOnce(&mut Region) -> T) -> T {
    act(world.aws.regions().entry(region.to_owned()).or_default())
}

fn public_state(blocked: bool) -> &'static str {
    if blocked { "block-new-sharing" } else { "unblocked" }
}

pub fn public_images(world: &World, region: &str, _: &Params) -> Result<Xml, Refusal> {
    let blocked = of(world, region, |region| region.blocks_public_images);
    Ok(Xml::new().text("imageBlockPublicAccessState", public_state(blocked)).text("managedBy", "account"))
}

pub fn block_public_images(world: &World, region: &str, params: &Params) -> Result<Xml, Refusal> {
    if params.get("ImageBlockPublicAccessState") != Some("block-new-sharing") {
        return Err(refusal("InvalidParameterValue", "ImageBlockPublicAccessState must be block-new-sharing"));
    }
    of(world, region, |region| region.blocks_public_images = true);
    Ok(Xml::new().text("imageBlockPublicAccessState", public_state(true)))
}

pub fn unblock_public_images(world: &World, region: &str, _: &Params) -> Result<Xml, Refusal> {
    of(world, region, |region| region.blocks_public_images = false);
    Ok(Xml::new().text("imageBlockPublicAccessState", public_state(false)))
}

pub fn public_snapshots(world: &World, region: &str, _: &Params) -> Result<Xml, Refusal> {
    let blocked = of(world, region, |region| region.blocks_public_snapshots);
    let state = if blocked { "block-all-sharing" } else { "unblocked" };
    Ok(Xml::new().text("state", state).text("managedBy", "account"))
}

pub fn default_key(world: &World, region: &str, _: &Params) -> Result<Xml, Refusal> {
    Ok(Xml::new().text("kmsKeyId", of(world, region, |region| region.default_key.clone())))
}

fn encryption_state(encrypts: bool) -> Xml {
    Xml::new().text("ebsEncryptionByDefault", encrypts).text("sseType", "sse-ebs")
}

pub fn encryption(world: &World, region: &str, _: &Params) -> Result<Xml, Refusal> {
    Ok(encryption_state(of(world, region, |region| region.encrypts)))
}

pub fn encrypt(world: &World, region: &str, _: &Params) -> Result<Xml, Refusal> {
    of(world, region, |region| region.encrypts = true);
    Ok(encryption_state(true))
}

pub fn end_encryption(world: &World, region: &str, _: &Params) -> Result<Xml, Refusal> {
    of(world, region, |region| region.encrypts = false);
    Ok(encryption_state(false))
}
