//! Policy documents, as far as the sandbox has to understand them: who may do what to which resource.

use serde_json::Value;

use crate::aws::ec2::matches;

/// A policy document. Statements with a condition count only in a role's trust policy.
#[derive(Clone, Debug)]
pub struct Policy {
    document: Value,
}

/// What a policy says of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    /// Nothing allows it.
    Implicit,
    /// A statement denies it.
    Explicit,
}

impl Policy {
    /// # Errors
    /// What is wrong with the document.
    pub fn parse(text: &str) -> Result<Self, String> {
        let document: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let statements = list(&document["Statement"]);
        let whole = |statement: &&Value| matches!(statement["Effect"].as_str(), Some("Allow" | "Deny"));
        if statements.is_empty() || !statements.iter().all(whole) {
            return Err("Syntax errors in policy.".to_owned());
        }
        Ok(Self { document })
    }

    /// Everything is allowed.
    pub fn everything() -> Self {
        Self { document: serde_json::json!({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}) }
    }

    pub fn document(&self) -> String {
        self.document.to_string()
    }

    pub fn verdict(&self, action: &str, resource: &str) -> Verdict {
        let mut verdict = Verdict::Implicit;
        for statement in list(&self.document["Statement"]) {
            let applies = statement["Condition"].is_null()
                && has(&statement["Action"], &action.to_lowercase(), true)
                && has(&statement["Resource"], resource, false);
            match (applies, statement["Effect"].as_str()) {
                (true, Some("Deny")) => return Verdict::Explicit,
                (true, _) => verdict = Verdict::Allowed,
                (false, _) => {}
            }
        }
        verdict
    }

    /// Whether a role with this trust policy can be taken on by a service that calls itself by `external_id`.
    pub fn trusts(&self, service: &str, external_id: &str) -> bool {
        list(&self.document["Statement"]).into_iter().any(|statement| {
            let conditions = statement["Condition"].as_object();
            let wanted = conditions.into_iter().flatten().filter_map(|(_, keys)| keys.as_object()).flatten();
            statement["Effect"] == "Allow"
                && has(&statement["Principal"]["Service"], service, false)
                && has(&statement["Action"], "sts:assumerole", true)
                && wanted
                    .into_iter()
                    .all(|(key, value)| key.eq_ignore_ascii_case("sts:externalid") && has(value, external_id, false))
        })
    }
}

/// A value, or the values in a list.
fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(all) => all.iter().collect(),
        one => vec![one],
    }
}

fn has(patterns: &Value, text: &str, lowered: bool) -> bool {
    list(patterns).into_iter().filter_map(Value::as_str).any(|pattern| {
        let pattern = if lowered { pattern.to_lowercase() } else { pattern.to_owned() };
        matches(pattern.as_bytes(), text.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_goes_before_what_is_allowed() {
        let policy = r#"{"Statement": [{"Effect": "Allow", "Action": ["s3:Get*", "ec2:*"], "Resource": "arn:aws:s3:::b/*"},
            {"Effect": "Deny", "Action": "s3:GetObjectAcl", "Resource": "*"}]}"#;
        let verdict = |action, resource| Policy::parse(policy).unwrap().verdict(action, resource);
        assert_eq!(verdict("s3:GetObject", "arn:aws:s3:::b/key"), Verdict::Allowed);
        assert_eq!(verdict("s3:GetObject", "arn:aws:s3:::other/key"), Verdict::Implicit);
        assert_eq!(verdict("s3:GetObjectAcl", "arn:aws:s3:::b/key"), Verdict::Explicit);
        assert_eq!(verdict("s3:PutObject", "arn:aws:s3:::b/key"), Verdict::Implicit);
    }

    #[test]
    fn a_role_is_taken_on_by_whom_it_trusts() {
        let trust = |condition: &str| {
            let text = format!(
                r#"{{"Statement": {{"Effect": "Allow", "Principal": {{"Service": "vmie.amazonaws.com"}},
                "Action": "sts:AssumeRole"{condition}}}}}"#
            );
            Policy::parse(&text).unwrap().trusts("vmie.amazonaws.com", "vmimport")
        };
        assert!(trust(""));
        assert!(trust(r#", "Condition": {"StringEquals": {"sts:Externalid": "vmimport"}}"#));
        assert!(!trust(r#", "Condition": {"StringEquals": {"sts:Externalid": "other"}}"#));
    }
}
