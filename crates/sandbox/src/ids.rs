use uuid::Uuid;

/// A random identifier, as 32 hexadecimal digits.
pub fn random() -> String {
    Uuid::new_v4().simple().to_string()
}

/// An id as EC2 makes them: a prefix and seventeen hexadecimal digits.
pub fn ec2(prefix: &str) -> String {
    format!("{prefix}-{}", &random()[..17])
}
