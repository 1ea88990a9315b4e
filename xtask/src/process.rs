//! Running other programs: every failure names the command line and what the program said.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, bail};

/// Runs `command` to its end and throws its output away.
///
/// # Errors
/// When it cannot be started or does not succeed; the error holds the command line and its standard error.
pub fn run(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

/// Runs `command` to its end and returns what it wrote to standard output.
///
/// # Errors
/// As for [`run`].
pub fn output(command: &mut Command) -> Result<String> {
    let out = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{}`", line(command)))?;
    finish(command, &out)
}

/// Runs `command` to its end with `input` on its standard input, and returns what it wrote to standard output.
///
/// # Errors
/// As for [`run`].
pub fn feed(command: &mut Command, input: &str) -> Result<String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{}`", line(command)))?;
    let stdin = child.stdin.take();
    let out = std::thread::scope(|scope| {
        // Written beside the reading: a program that answers before it has read all would block both.
        scope.spawn(move || {
            if let Some(mut stdin) = stdin {
                // A program that ends early closes the pipe; its exit status says why.
                stdin.write_all(input.as_bytes()).ok();
            }
        });
        child.wait_with_output()
    })
    .with_context(|| format!("cannot wait for `{}`", line(command)))?;
    finish(command, &out)
}

/// Runs `command` with this terminal's input and output.
///
/// # Errors
/// When it cannot be started or does not succeed.
pub fn run_visibly(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start `{}`", line(command)))?;
    if !status.success() {
        bail!("`{}` ended with {status}", line(command));
    }
    Ok(())
}

/// Runs `command` with this terminal's input and errors; what it writes to standard output is passed on line by line, and
/// shown to `see`.
///
/// # Errors
/// When it cannot be started or read, or does not succeed.
pub fn run_echoed(command: &mut Command, mut see: impl FnMut(&str)) -> Result<()> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{}`", line(command)))?;
    let mut output = BufReader::new(child.stdout.take().context("no standard output")?);
    let mut octets = Vec::new();
    while output.read_until(b'\n', &mut octets)? > 0 {
        let text = String::from_utf8_lossy(&octets);
        print!("{text}");
        see(text.trim_end_matches('\n'));
        octets.clear();
    }
    let status = child
        .wait()
        .with_context(|| format!("cannot wait for `{}`", line(command)))?;
    if !status.success() {
        bail!("`{}` ended with {status}", line(command));
    }
    Ok(())
}

/// Whether `command` runs and succeeds; for conditions that may not hold yet.
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The command line as a person would type it, shortened where it is long.
#[must_use]
pub fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let whole = words.map(word).collect::<Vec<_>>().join(" ");
    match whole.char_indices().nth(300) {
        Some((cut, _)) => format!("{}…", &whole[..cut]),
        None => whole,
    }
}

fn word(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,%+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

fn finish(command: &Command, out: &Output) -> Result<String> {
    let stdout = String::from_utf8_lossy(&out.stdout);
    if out.status.success() {
        return Ok(stdout.into_owned());
    }
    let stderr = String::from_utf8_lossy(&out.stderr);
    let said = if stderr.trim().is_empty() {
        &stdout
    } else {
        &stderr
    };
    bail!(
        "`{}` ended with {}: {}",
        line(command),
        out.status,
        tail(said, 15)
    );
}

/// The last `count` lines of `text`.
#[must_use]
pub fn tail(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_names_command_status_and_stderr() {
        let error =
            run(Command::new("sh").args(["-c", "echo no such thing >&2; exit 3"])).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("sh -c 'echo no such thing >&2; exit 3'"),
            "{text}"
        );
        assert!(text.contains("exit status: 3"), "{text}");
        assert!(text.ends_with("no such thing"), "{text}");
    }

    #[test]
    fn missing_program_is_named() {
        let error = run(&mut Command::new("no-such-program-anywhere")).unwrap_err();
        assert_eq!(error.to_string(), "cannot start `no-such-program-anywhere`");
    }

    #[test]
    fn input_larger_than_a_pipe_comes_back_whole() {
        let input = "0123456789abcdef\n".repeat(20_000);
        assert_eq!(feed(&mut Command::new("cat"), &input).unwrap(), input);
    }

    #[test]
    fn quotes_are_shown_as_typed() {
        assert_eq!(
            line(Command::new("a").args(["b c", "it's", ""])),
            r"a 'b c' 'it'\''s' ''"
        );
    }

    #[test]
    fn tail_keeps_the_end() {
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
        assert_eq!(tail("a", 2), "a");
    }
}
