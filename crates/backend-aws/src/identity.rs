//! Who we are to AWS.

use publisher::{Cx, Error, Kind, Region, Result};

use crate::{Aws, Undo, arn, error::classify, plan};

/// Who a credential belongs to.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its ARN, as STS tells it: of a user, of a role's session, of the account's root.
    pub arn: String,
    /// Twelve digits.
    pub account: String,
}

impl Identity {
    /// `aws`, `aws-us-gov` or `aws-cn`.
    pub fn partition(&self) -> &str {
        arn::partition(&self.arn).unwrap_or("aws")
    }

    /// Whether it is the account itself, which may do everything.
    pub fn is_root(&self) -> bool {
        self.arn.ends_with(":root")
    }

    /// The role whose session this is.
    pub fn role(&self) -> Option<&str> {
        self.arn.split_once(":assumed-role/")?.1.split('/').next()
    }
}

/// Asks who we are in a region.
pub async fn identity(aws: &Aws, cx: &Cx<Undo>, region: &str) -> Result<Identity> {
    ask(&aws.clients.sts(region), cx).await
}

/// The account that everything is made in: that of the home region, as the roles of other regions have to be of it too.
pub async fn account(aws: &Aws, cx: &Cx<Undo>) -> Result<String> {
    if let Some(known) = aws.account.get() {
        return Ok(known.clone());
    }
    aws.clients.check_credentials().await?;
    let home = aws.config.home_or(aws.clients.default_region());
    let account = ask(&aws.clients.sts_as_at_home(plan::elsewhere(&home)), cx).await?.account;
    Ok(aws.account.get_or_init(|| account).clone())
}

async fn ask(sts: &aws_sdk_sts::Client, cx: &Cx<Undo>) -> Result<Identity> {
    let request = || async { sts.get_caller_identity().send().await.map_err(classify) };
    let answer = cx.retry("asking who we are", request).await?;
    let text = |value: Option<String>| value.ok_or_else(|| Error::new(Kind::Transient, "AWS does not say who we are"));
    Ok(Identity { arn: text(answer.arn)?, account: text(answer.account)? })
}

/// That the roles of single regions are of the home region's account: an AMI is copied within one.
///
/// # Errors
/// [`Kind::Config`] with the role.
pub async fn check_accounts(aws: &Aws, cx: &Cx<Undo>, regions: &[Region]) -> Result<()> {
    let Some(home) = regions.first() else { return Ok(()) };
    let role = |region: &Region| Some((region.clone(), aws.config.per_region.get(&region.0)?.assume_role.clone()?));
    let roles: Vec<_> = regions.iter().filter_map(role).collect();
    if roles.is_empty() {
        return Ok(());
    }
    let account = identity(aws, cx, &home.0).await?.account;
    match roles.iter().find(|(_, role)| arn::account(role) != Some(&account)) {
        None => Ok(()),
        Some((region, role)) => {
            let text =
                format!("aws.per_region.{region}.assume_role is {role}, and the AMI is made in account {account}");
            Err(Error::new(Kind::Config, text).with_hint(
                "AMIs are copied within one account: name a role of it, or publish to the other account by a profile of its own",
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_says_what_it_is() {
        let of = |arn: &str| Identity { arn: arn.to_owned(), account: "123456789012".into() };
        let session = of("arn:aws-cn:sts::123456789012:assumed-role/publish/ci");
        assert_eq!((session.partition(), session.role()), ("aws-cn", Some("publish")));
        assert_eq!(of("arn:aws:iam::123456789012:user/publish").role(), None);
        assert!(of("arn:aws:iam::123456789012:root").is_root());
    }
}
