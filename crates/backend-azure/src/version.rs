//! The versions of a gallery's images, and how other people's versions become them.
//!
//! Azure takes three numbers of 31 bits and calls the highest one `latest` (Compute Gallery, "Image versions"). What is
//! given otherwise is mapped, so that the order stays what it was:
//!
//! | given | becomes | rule |
//! |---|---|---|
//! | `1.4.0`, `v1.4.0` | `1.4.0` | |
//! | `1.4` | `1.4.0` | a number that is missing is 0 |
//! | `42.20260101.3.1` | `42.20260101.3001` | of four numbers, the last two are one: third × 1000 + fourth, which is below 1000 |
//! | `2026-11-21`, `20261121` | `2026.1121.0` | a date is its year, and its month and day |
//! | `2026-11-21.3`, `20261121.3` | `2026.1121.3` | with a counter behind |
//! | `25.05.20250629.b43c397` | `25.5.20250629` | the revision behind a NixOS version says nothing of the order |
//!
//! Anything else is refused: `1.4.0-rc1` would come after `1.4.0`, or be it.

/// A gallery version: three numbers of 31 bits (Compute Gallery, "Image versions").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// A version as Azure has it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(|part| {
            let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            part.parse::<u32>().ok().filter(|number| digits && *number <= i32::MAX as u32)
        });
        let version = Self(parts.next()??, parts.next()??, parts.next()??);
        parts.next().is_none().then_some(version)
    }

    /// A version as people have it, by the rules above.
    pub fn of(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        if let Some(dated) = Self::of_date(text) {
            return Some(dated);
        }
        let parts: Vec<&str> = text.split('.').collect();
        let numbers = match &*parts {
            // Three numbers and the revision they were built from, as NixOS labels its systems.
            // It may have no letter in it, so it is the date before it that tells.
            [numbers @ .., date, revision]
                if numbers.len() == 2 && Self::of_date(date).is_some() && is_revision(revision) =>
            {
                &parts[..3]
            }
            numbers => numbers,
        };
        match numbers {
            [major] => Self::parse(&format!("{major}.0.0")),
            [major, minor] => Self::parse(&format!("{major}.{minor}.0")),
            [_, _, _] => Self::parse(&numbers.join(".")),
            [major, minor, third, fourth] => {
                let Self(major, minor, third) = Self::parse(&[*major, *minor, *third].join("."))?;
                let Self(fourth, ..) = Self::parse(&format!("{fourth}.0.0"))?;
                let joined = third.checked_mul(1000)?.checked_add(fourth)?;
                (fourth < 1000 && joined <= i32::MAX as u32).then_some(Self(major, minor, joined))
            }
            _ => None,
        }
    }

    /// A date, with a counter or without.
    fn of_date(text: &str) -> Option<Self> {
        let (date, counter) = text.split_once('.').unwrap_or((text, "0"));
        let form = if date.contains('-') { "%Y-%m-%d" } else { "%Y%m%d" };
        // Eight digits, or ten characters: a number alone is no year.
        let date = jiff::civil::Date::strptime(form, date).ok().filter(|_| date.len() >= 8)?;
        let Self(counter, ..) = Self::parse(&format!("{counter}.0.0"))?;
        let (year, month, day) = (u32::from(date.year().unsigned_abs()), date.month(), date.day());
        Some(Self(year, u32::from(month.unsigned_abs()) * 100 + u32::from(day.unsigned_abs()), counter))
    }

    /// The version after the highest of those that are there; 1.0.0 is the first.
    pub fn after(highest: Option<Self>) -> Self {
        highest.map_or(Self(1, 0, 0), |Self(major, minor, patch)| Self(major, minor, patch.saturating_add(1)))
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// Whether a part of a version is an abbreviated revision, and no number.
fn is_revision(part: &str) -> bool {
    (part.len() >= 7 && part.bytes().all(|byte| byte.is_ascii_hexdigit())) || part == "dirty"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_three_numbers_in_their_order() {
        assert_eq!(Version::parse("1.20.3"), Some(Version(1, 20, 3)));
        assert!(Version::parse("1.20.3") > Version::parse("1.9.9"));
        for wrong in ["1.2", "1.2.3.4", "1.2.x", "1.2.-3", "1.2.+3", "1.2.4294967295", "v1.2.3", ""] {
            assert_eq!(Version::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Version::after(None).to_string(), "1.0.0");
        assert_eq!(Version::after(Version::parse("2.3.9")).to_string(), "2.3.10");
    }

    #[test]
    fn other_versions_are_mapped_and_keep_their_order() {
        for (given, becomes) in [
            ("v1.4.0", "1.4.0"),
            ("1.4", "1.4.0"),
            ("7", "7.0.0"),
            ("42.20260101.3.1", "42.20260101.3001"),
            ("2026-11-21", "2026.1121.0"),
            ("20261121", "2026.1121.0"),
            ("2026-01-02.3", "2026.102.3"),
            ("20261121.12", "2026.1121.12"),
            ("25.05.20250629.b43c397", "25.5.20250629"),
            ("25.05.20250629.dirty", "25.5.20250629"),
            ("25.05.20250629.1234567", "25.5.20250629"),
        ] {
            assert_eq!(Version::of(given).map(|version| version.to_string()).as_deref(), Some(becomes), "{given}");
        }
        for refused in [
            "",
            "latest",
            "1.4.0-rc1",
            "1.2.3.1000",
            "1.2.3.20260101",
            "1.2.3.b43c397",
            "1.2.3.4.5",
            "2026-13-01",
            "1.2.x",
            "25.05pre-git",
            "v",
        ] {
            assert_eq!(Version::of(refused), None, "{refused}");
        }
        let order = ["20251231", "2026-01-01", "2026-01-01.1", "20261001"].map(Version::of);
        assert!(order.is_sorted(), "{order:?}");
    }
}
