//! Findings in sentences that stay the same from one look to the next, since each change of one is a write.

use jiff::Timestamp;
use skupper_pki::Finding;
use skupper_pki::judge::Fault;

/// A finding with its remedy. The sentence of `skupper_pki` says how late it is now; this one does not.
pub(crate) fn fault(finding: &Finding) -> String {
    let place = &finding.place;
    match &finding.fault {
        Fault::Expired { not_after, .. } => {
            format!(
                "{place} has expired: it was valid until {}; {}",
                moment(*not_after),
                finding.remedy()
            )
        }
        Fault::NotYetValid { not_before, .. } => {
            format!(
                "{place} is not yet valid: it is valid from {}; {}",
                moment(*not_before),
                finding.remedy()
            )
        }
        _ => finding.advice(),
    }
}

/// Faults of one credential that are spelt out; of more, their number is told. Whoever mends those looks again.
const TOLD: usize = 8;

/// Several sentences in one.
pub(crate) fn join(sentences: &[String]) -> String {
    sentences.join(". ")
}

/// Leaves a few of the sentences about one credential: a file of garbage has a fault in every line, and no status has room for
/// them. Once, where they are made: of few and their number a second look would make another number.
pub(crate) fn few(sentences: &mut Vec<String>) {
    let more = sentences.len().saturating_sub(TOLD);
    if more > 0 {
        sentences.truncate(TOLD);
        sentences.push(format!("and {more} more"));
    }
}

/// A date as it stands in statuses.
fn moment(at: Timestamp) -> String {
    // A certificate's dates have whole seconds.
    at.to_string()
}
