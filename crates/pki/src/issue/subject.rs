//! Common names within the limits of X.520.

/// Longest common name (ub-common-name, RFC 5280 appendix A.1).
const LONGEST: usize = 64;

/// The common name for a subject text. Upstream's command line joins all hosts with commas into the subject, which may be
/// longer than a common name can be: then the first host stands for all, and what is still too long is cut.
pub fn common_name(subject: &str) -> String {
    let subject = subject.trim();
    if subject.chars().count() <= LONGEST {
        return subject.to_owned();
    }
    let first = subject.split(',').next().unwrap_or(subject).trim();
    first.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_subjects_are_shortened_to_what_x509_allows() {
        assert_eq!(common_name(" a,b "), "a,b");
        let hosts = ["a.example.com"; 10].join(",");
        assert_eq!(common_name(&hosts), "a.example.com");
        assert_eq!(common_name(&"ü".repeat(100)).chars().count(), 64);
    }
}
