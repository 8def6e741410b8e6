use publisher::{Error, Kind, Names, Result};
use serde::{Deserialize, Serialize};

/// Who else may start instances of an AMI, and make volumes of its snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sharing {
    /// Accounts, by their twelve digits. They get the snapshot too, without which they could not copy the AMI.
    pub accounts: Names,
    /// ARNs of organizations. AWS shares no snapshots with them.
    pub organizations: Names,
    /// ARNs of organizational units. AWS shares no snapshots with them.
    pub organizational_units: Names,
    /// Whether everyone may start instances of it.
    pub public: bool,
    /// Whether everyone may make volumes of its snapshot too, without which nobody else can copy a public AMI.
    pub public_snapshots: bool,
    /// Whether whoever is not named here is taken off.
    pub remove_others: bool,
}

impl Sharing {
    /// # Errors
    /// [`Kind::Config`] for what AWS would refuse.
    pub(super) fn check(&self, encrypted: bool) -> Result<()> {
        let refuse = |text: String, hint: &str| Err(Error::new(Kind::Config, text).with_hint(hint.to_owned()));
        let is_account = |id: &&String| id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit());
        if let Some(wrong) = self.accounts.0.iter().find(|id| !is_account(id)) {
            return refuse(format!("aws.sharing.accounts has \"{wrong}\""), "an account is twelve digits");
        }
        for (setting, arns, part) in [
            ("organizations", &self.organizations, ":organization/o-"),
            ("organizational_units", &self.organizational_units, ":ou/o-"),
        ] {
            if let Some(wrong) = arns.0.iter().find(|arn| !arn.starts_with("arn:") || !arn.contains(part)) {
                let hint = format!("an ARN with \"{part}\" in it, as AWS Organizations shows it");
                return refuse(format!("aws.sharing.{setting} has \"{wrong}\""), &hint);
            }
        }
        if self.public && encrypted {
            let hint = "AWS makes no encrypted snapshot public; leave encryption or aws.sharing.public out";
            return refuse("aws.sharing.public is true, and the snapshot is encrypted".to_owned(), hint);
        }
        if self.public_snapshots && !self.public {
            let hint = "set aws.sharing.public too, or name accounts";
            return refuse("aws.sharing.public_snapshots is true, and aws.sharing.public is not".to_owned(), hint);
        }
        Ok(())
    }

    /// Whether nobody else may.
    pub(crate) fn is_private(&self) -> bool {
        let lists = [&self.accounts, &self.organizations, &self.organizational_units];
        !self.public && lists.iter().all(|list| list.0.is_empty())
    }
}
