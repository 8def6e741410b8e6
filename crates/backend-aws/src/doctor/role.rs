//! The service role that ImportSnapshot reads the bucket with.

use publisher::{Check, Cx, Error, Kind, Result};
use serde_json::{Value, json};

use super::policy::{Document, Statement};
use crate::{
    Aws, Undo,
    error::classify,
    identity::Identity,
    permissions::{self, Denied},
};

/// What VM Import/Export is called, and what it calls itself, when it takes on a role (VM Import/Export, "Required service
/// role").
const SERVICE: &str = "vmie.amazonaws.com";
const EXTERNAL_ID: &str = "vmimport";

/// The name of the role where none is configured.
pub const DEFAULT: &str = "vmimport";

/// What the role has to be allowed: on the bucket, on its objects, and on everything.
const ON_BUCKET: [&str; 2] = ["s3:GetBucketLocation", "s3:ListBucket"];
const ON_OBJECTS: [&str; 1] = ["s3:GetObject"];
const ON_EVERYTHING: [&str; 4] =
    ["ec2:ModifySnapshotAttribute", "ec2:CopySnapshot", "ec2:RegisterImage", "ec2:Describe*"];

/// The trust policy that lets VM Import/Export take the role on.
pub fn trust_policy() -> Document {
    Document::new(vec![Statement {
        principal: Some(json!({"Service": SERVICE})),
        condition: Some(json!({"StringEquals": {"sts:Externalid": EXTERNAL_ID}})),
        ..Statement::allow(&["sts:AssumeRole"], None)
    }])
}

/// What the role needs for a bucket, and for the key that snapshots are encrypted with, if there is one.
pub fn policy(bucket_arn: &str, key: Option<&str>) -> Document {
    let mut statements = vec![
        Statement::allow(&ON_BUCKET, Some(bucket_arn.to_owned())),
        Statement::allow(&ON_OBJECTS, Some(format!("{bucket_arn}/*"))),
        Statement::allow(&ON_EVERYTHING, Some("*".to_owned())),
    ];
    statements.extend(key.map(|key| Statement::allow(&permissions::ON_KEY, Some(key.to_owned()))));
    Document::new(statements)
}

/// Looks at whom the role trusts, and at what it may do.
pub async fn checks(aws: &Aws, cx: &Cx<Undo>, who: &Identity, home: &str, bucket: &str) -> Vec<Check> {
    let name = aws.config.role.as_deref().unwrap_or(DEFAULT);
    let iam = aws.clients.iam();
    let request = || async { iam.get_role().role_name(name).send().await.map_err(classify) };
    let what = format!("role {name}");
    let role = match cx.retry("reading the role for imports", request).await {
        Ok(answer) => answer.role,
        Err(error) if error.kind() == Kind::NotFound => None,
        Err(error) => return vec![Check::unknown(what, &error.context("the role cannot be looked at"))],
    };
    let Some(role) = role else {
        let hint =
            "`publish doctor aws --setup` prints how to make it; or publish without a bucket, which needs no role";
        let error = Error::new(Kind::NotFound, format!("there is no role {name}")).with_hint(hint);
        return vec![Check::new(what, Err(error))];
    };
    let trusts = trusts(role.assume_role_policy_document().unwrap_or_default());
    let trust = Check::new(what, trusts.map(|()| format!("trusts {SERVICE}")));
    vec![trust, may(aws, cx, who, home, bucket, &role.arn).await]
}

async fn may(aws: &Aws, cx: &Cx<Undo>, who: &Identity, home: &str, bucket: &str, arn: &str) -> Check {
    let what = "what the role may do";
    let bucket_arn = format!("arn:{}:s3:::{bucket}", who.partition());
    let object = format!("{bucket_arn}/{}publish-doctor", aws.config.prefix.as_deref().unwrap_or_default());
    // The simulation wants whole names of actions.
    let everything: Vec<_> = ON_EVERYTHING
        .iter()
        .map(|action| if action.ends_with('*') { "ec2:DescribeSnapshots" } else { action })
        .collect();
    let asked = async {
        let mut denied = Denied::default();
        let not = permissions::may_not(aws, cx, arn, home, &everything, "*").await?;
        denied.surely.extend(not.surely);
        denied.perhaps.extend(not.perhaps);
        let key = aws.config.kms_key.as_ref().map(|key| (&permissions::ON_KEY[..], key.as_str()));
        let with_policies = [(&ON_BUCKET[..], bucket_arn.as_str()), (&ON_OBJECTS, &object)].into_iter().chain(key);
        // The policy of a bucket or a key may allow what the role's does not.
        for (actions, resource) in with_policies {
            let not = permissions::may_not(aws, cx, arn, home, actions, resource).await?;
            denied.perhaps.extend(not.surely.into_iter().chain(not.perhaps));
        }
        Ok::<_, Error>(denied)
    };
    let hint = "`publish doctor aws --setup` prints the policy that it needs";
    match asked.await {
        Ok(denied) if !denied.surely.is_empty() => {
            let text = format!("the role may not {}", denied.surely.join(", "));
            Check::new(what, Err(Error::new(Kind::Denied, text).with_hint(hint)))
        }
        Ok(denied) if !denied.perhaps.is_empty() => {
            let text =
                format!("by its own policies the role may not {} for the bucket {bucket}", denied.perhaps.join(", "));
            Check::unknown(what, &Error::new(Kind::Denied, text).with_hint(hint))
        }
        Ok(_) => Check::new(what, Ok(format!("it reads {bucket}"))),
        Err(error) => Check::unknown(what, &error.context("what the role may do cannot be asked")),
    }
}

/// Whether a trust policy, percent-encoded as IAM gives it, lets VM Import/Export take its role on.
fn trusts(document: &str) -> Result<()> {
    let refuse = |why: &str| {
        Err(Error::new(Kind::Conflict, format!("the role's trust policy {why}"))
            .with_hint("`publish doctor aws --setup` prints the one that it needs"))
    };
    let text = percent_encoding::percent_decode_str(document).decode_utf8_lossy();
    let Ok(policy) = serde_json::from_str::<Value>(&text) else { return refuse("cannot be read") };
    let statements = list(&policy["Statement"]);
    let service = |statement: &&Value| {
        // China's services may be called by names of their own.
        let ours = |name: &str| name == SERVICE || name == "vmie.amazonaws.com.cn";
        statement["Effect"] == "Allow"
            && list(&statement["Principal"]["Service"]).into_iter().filter_map(Value::as_str).any(ours)
    };
    let Some(statement) = statements.into_iter().find(service) else {
        return refuse("does not name vmie.amazonaws.com");
    };
    let action = |action: &str| action.eq_ignore_ascii_case("sts:AssumeRole") || action == "sts:*" || action == "*";
    if !list(&statement["Action"]).into_iter().filter_map(Value::as_str).any(action) {
        return refuse("does not allow sts:AssumeRole");
    }
    let conditions = statement["Condition"].as_object().into_iter().flatten();
    let keys = conditions.filter_map(|(_, keys)| keys.as_object()).flatten();
    for (key, value) in keys {
        let is_id = key.eq_ignore_ascii_case("sts:ExternalId");
        if is_id && !list(value).into_iter().any(|value| value == EXTERNAL_ID) {
            return refuse("wants another external id than vmimport");
        }
    }
    Ok(())
}

/// A value, or the values in a list.
fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(all) => all.iter().collect(),
        one => vec![one],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(change: impl Fn(&mut Value)) -> String {
        let mut policy = serde_json::to_value(trust_policy()).unwrap();
        change(&mut policy["Statement"][0]);
        let text = policy.to_string();
        let encoded = percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC);
        trusts(&encoded.to_string()).map_or_else(|error| error.to_string(), |()| "it is trusted".to_owned())
    }

    #[test]
    fn a_trust_policy_is_judged_by_what_it_says() {
        assert_eq!(said(|_| {}), "it is trusted");
        assert_eq!(
            said(|policy| policy["Principal"]["Service"] = json!(["ec2.amazonaws.com", SERVICE])),
            "it is trusted"
        );
        assert!(said(|policy| policy["Principal"]["Service"] = "ec2.amazonaws.com".into()).contains("does not name"));
        assert!(said(|policy| policy["Effect"] = "Deny".into()).contains("does not name"));
        assert!(said(|policy| policy["Action"] = "sts:TagSession".into()).contains("does not allow sts:AssumeRole"));
        let other = json!({"StringEquals": {"sts:ExternalId": "other"}});
        assert!(said(|policy| policy["Condition"] = other.clone()).contains("another external id"));
        assert!(trusts("%7B").is_err());
    }
}
