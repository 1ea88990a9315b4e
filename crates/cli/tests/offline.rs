//! The program itself, without a cluster: streams, exit codes, names.

#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

fn skupper(line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_skupper"))
        .args(line.split_whitespace())
        .env_remove("KUBECONFIG")
        .env_remove("SKUPPER_PLATFORM")
        .env("HOME", "/nonexistent")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Exit code, standard output, standard error.
fn outcome(line: &str) -> (Option<i32>, String, String) {
    let output = skupper(line);
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn generate_needs_no_cluster() {
    let (code, out, err) = outcome("site generate west --enable-link-access -n ns");
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(
        out,
        "apiVersion: skupper.io/v2alpha1\nkind: Site\nmetadata:\n  name: west\n  namespace: ns\nspec:\n  linkAccess: default\n\n"
    );
    let (code, out, _) = outcome("connector generate db 5432 --host db.example.com -o json");
    assert_eq!(code, Some(0));
    assert!(out.contains("\"host\": \"db.example.com\""), "{out}");
    assert_eq!(outcome("listener generate db 5432").0, Some(0));
}

#[test]
fn errors_go_to_standard_error_with_upstreams_codes() {
    let (code, out, err) = outcome("site generate");
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert_eq!(err, "Error: site name must not be empty\n");
    for line in [
        "bogus",
        "site bogus",
        "site create --bogus",
        "site create x --timeout 60",
        "--platform bogus site status",
    ] {
        let (code, out, err) = outcome(line);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{line}");
        assert!(err.starts_with("Error: "), "{line}: {err}");
    }
    let (code, _, err) = outcome("site status");
    assert_eq!(code, Some(1));
    assert!(
        err.contains("no usable kubeconfig") && err.contains("Next: "),
        "{err}"
    );
    let (code, _, err) = outcome("--platform podman site status");
    assert_eq!(code, Some(1));
    assert!(
        err.starts_with("Error: platform \"podman\" not supported\n"),
        "{err}"
    );
}

#[test]
fn a_group_alone_prints_its_help() {
    for line in [
        "",
        "site",
        "link",
        "listener",
        "connector",
        "debug",
        "site create --help",
    ] {
        let (code, out, err) = outcome(line);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{line}");
        assert!(out.contains("Usage: skupper"), "{line}: {out}");
    }
}

#[test]
fn version_manifest_and_completions_are_printed() {
    let (code, out, _) = outcome("version");
    assert_eq!((code, out.lines().count()), (Some(0), 1));
    let (code, out, _) = outcome("manifest");
    assert_eq!(code, Some(0));
    assert!(
        out.starts_with("COMPONENT\t\tVERSION\nrouter\t\t\t"),
        "{out}"
    );
    for shell in ["bash", "zsh", "fish"] {
        let (code, out, _) = outcome(&format!("completion {shell}"));
        assert_eq!(code, Some(0));
        assert!(out.contains("skupper"), "{shell}");
    }
}

#[test]
fn the_name_by_which_it_is_called_decides_the_role() {
    let folder = std::env::temp_dir().join(format!("skupper-names-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (name, usage) in [
        ("skrouterd", "Usage: skrouterd"),
        ("kube-adaptor", "Usage: skupper adaptor"),
        ("controller", "Usage: skupper controller"),
    ] {
        let path = folder.join(name);
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_skupper"), &path).unwrap();
        let output = Command::new(&path).arg("--help").output().unwrap();
        let printed = text(&output.stdout) + &text(&output.stderr);
        assert!(printed.contains(usage), "{name}: {printed}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
