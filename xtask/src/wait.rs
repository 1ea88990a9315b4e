//! Waiting for a condition with a bound, never for luck.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};

/// How often a condition is looked at.
const PERIOD: Duration = Duration::from_millis(150);

/// Calls `attempt` until it yields something, at most for `limit`.
///
/// # Errors
/// When the time is up: the error names `what` and carries what the last attempt said.
pub fn until<T>(
    what: &str,
    limit: Duration,
    mut attempt: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        let last = match attempt() {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if start.elapsed() >= limit {
            let error = last.unwrap_or_else(|| anyhow!("it did not come about"));
            return Err(error)
                .with_context(|| format!("waited {} s in vain for {what}", limit.as_secs()));
        }
        std::thread::sleep(PERIOD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yields_the_first_value() {
        let mut calls = 0;
        let value = until("the third call", Duration::from_secs(60), || {
            calls += 1;
            Ok((calls == 3).then_some(calls))
        });
        assert_eq!(value.unwrap(), 3);
    }

    #[test]
    fn says_what_was_waited_for_and_what_stood_in_the_way() {
        let result: Result<()> = until("rain", Duration::ZERO, || Err(anyhow!("the sky is blue")));
        assert_eq!(
            format!("{:#}", result.unwrap_err()),
            "waited 0 s in vain for rain: the sky is blue"
        );
    }
}
