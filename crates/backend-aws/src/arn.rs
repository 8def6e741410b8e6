//! The parts of an Amazon Resource Name: `arn:partition:service:region:account:resource` (IAM, "Amazon Resource Names").

/// `aws`, `aws-us-gov` or `aws-cn`.
pub fn partition(arn: &str) -> Option<&str> {
    arn.split(':').nth(1)
}

/// Where it is; empty for what is in no region, such as a role.
pub fn region(arn: &str) -> Option<&str> {
    arn.split(':').nth(3)
}

/// Whose it is, in twelve digits.
pub fn account(arn: &str) -> Option<&str> {
    arn.split(':').nth(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_where_aws_has_it() {
        let key = "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/mrk-1";
        assert_eq!(
            (partition(key), region(key), account(key)),
            (Some("aws-us-gov"), Some("us-gov-west-1"), Some("123456789012"))
        );
        assert_eq!(region("arn:aws:iam::123456789012:role/publish"), Some(""));
        assert_eq!(account("key/mrk-1"), None);
    }
}
