//! What a setting may be.

use publisher::{Error, Kind, Result};

/// Where replicas can be stored.
pub(super) const STORAGE: [&str; 3] = ["Standard_LRS", "Standard_ZRS", "Premium_LRS"];

/// A region's name without what differs between the ways to write it: `westus2` here and `West US 2` there.
pub(crate) fn plain(name: &str) -> String {
    name.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase()
}

/// The one of the allowed values that is given, as Azure writes it.
///
/// # Errors
/// [`Kind::Config`] if it is none of them.
pub(crate) fn one_of<'a>(setting: &str, given: Option<&str>, allowed: &[&'a str]) -> Result<Option<&'a str>> {
    let Some(given) = given else { return Ok(None) };
    let found = allowed.iter().copied().find(|value| value.eq_ignore_ascii_case(given));
    let expected = || format!("azure.{setting} is \"{given}\", and may be {}", allowed.join(" or "));
    found.map(Some).ok_or_else(|| Error::new(Kind::Config, expected()))
}

/// That a number is in the range that Azure takes.
pub(super) fn within(setting: &str, given: Option<u32>, least: u32, most: u32) -> Result<()> {
    match given {
        Some(given) if !(least..=most).contains(&given) => {
            Err(Error::new(Kind::Config, format!("azure.{setting} is {given}, and may be {least} to {most}")))
        }
        _ => Ok(()),
    }
}
