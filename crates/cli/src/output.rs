//! Standard output, where data goes and nothing else.

use std::io::{ErrorKind, Write};

use crate::failure::{Failure, Outcome};

/// Prints text as it is. A reader that has gone away, as `head` does, ends the program quietly.
pub(crate) fn print(text: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::failed(format!(
            "standard output cannot be written: {error}"
        ))),
    }
}
