//! Making OCI images without a container engine: `umoci` writes layers and configuration, `tar` the archive.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::process;

/// The annotation that containerd takes an image's full name from.
const NAME_ANNOTATION: &str = "io.containerd.image.name";
/// The annotation for an image's tag within a layout (OCI image-spec, annotations.md).
const TAG_ANNOTATION: &str = "org.opencontainers.image.ref.name";

/// What an image runs, and as whom.
#[derive(Clone, Debug)]
pub struct Image<'a> {
    /// The full name, with its tag: `localhost/busybox:1`.
    pub reference: String,
    /// The entry point's words.
    pub entrypoint: &'a [&'a str],
    /// `PATH` inside the image.
    pub path: &'a str,
    /// The numeric user, where it is not root.
    pub user: Option<u32>,
    /// A sentence for `org.opencontainers.image.description`.
    pub description: &'a str,
}

/// Writes `images` into one OCI archive `out`; all have the tree `root` as their only layer.
///
/// The archive appears whole or not at all. Its layout is left in the folder `OUT.layout` for tools that copy from
/// there to a registry (`skopeo copy oci:…`).
///
/// # Errors
/// When umoci or tar fails, or a file cannot be written.
pub fn write(root: &Path, images: &[Image<'_>], out: &Path) -> Result<()> {
    let layout = out.with_extension("layout");
    fs::remove_dir_all(&layout).ok();
    if let Some(parent) = out.parent() {
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    umoci(["init", "--layout"], &[layout.as_os_str()])?;
    let tagged = |tag: &str| format!("{}:{tag}", layout.display());
    umoci(["new", "--image"], &[tagged("base")])?;
    umoci(
        ["insert", "--image"],
        &[tagged("base").as_str(), &root.display().to_string(), "/"],
    )?;
    for (number, image) in images.iter().enumerate() {
        let mut words = vec![tagged("base"), "--tag".into(), format!("image-{number}")];
        let mut option = |name: &str, value: String| words.extend([format!("--{name}"), value]);
        for word in image.entrypoint {
            option("config.entrypoint", (*word).to_owned());
        }
        option("config.env", format!("PATH={}", image.path));
        option("config.workingdir", "/".into());
        option(
            "config.label",
            format!("org.opencontainers.image.description={}", image.description),
        );
        if let Some(user) = image.user {
            option("config.user", user.to_string());
        }
        umoci(["config", "--image"], &words)?;
    }
    umoci(["rm", "--image"], &[tagged("base")])?;
    umoci(["gc", "--layout"], &[layout.as_os_str()])?;

    let index = layout.join("index.json");
    let text =
        fs::read_to_string(&index).with_context(|| format!("cannot read {}", index.display()))?;
    let names: Vec<_> = images
        .iter()
        .map(|image| image.reference.as_str())
        .collect();
    fs::write(&index, name_images(&text, &names)?)
        .with_context(|| format!("cannot write {}", index.display()))?;

    let half = half(out);
    process::run(
        Command::new("tar")
            .arg("--create")
            .arg("--file")
            .arg(&half)
            .arg("--directory")
            .arg(&layout)
            .args([
                "--owner=0",
                "--group=0",
                "--sort=name",
                "oci-layout",
                "index.json",
                "blobs",
            ]),
    )?;
    fs::rename(&half, out).with_context(|| format!("cannot move {} into place", half.display()))
}

fn half(out: &Path) -> PathBuf {
    out.with_extension(format!("{}.half", std::process::id()))
}

fn umoci(verb: [&str; 2], words: &[impl AsRef<std::ffi::OsStr>]) -> Result<()> {
    process::run(Command::new("umoci").args(verb).args(words))
}

/// Puts the full names in place of the `image-N` tags of a layout's index.
fn name_images(index: &str, names: &[&str]) -> Result<String> {
    let mut index: Value = serde_json::from_str(index).context("umoci's index.json is no JSON")?;
    let manifests = index["manifests"]
        .as_array_mut()
        .context("umoci's index.json lists no manifests")?;
    let mut named = 0;
    for manifest in manifests {
        let annotations = manifest["annotations"]
            .as_object_mut()
            .context("an image has no annotations")?;
        let number = annotations[TAG_ANNOTATION]
            .as_str()
            .and_then(|tag| tag.strip_prefix("image-")?.parse::<usize>().ok());
        let name = number
            .and_then(|number| names.get(number))
            .context("an image has a tag that nobody gave")?;
        annotations.insert(TAG_ANNOTATION.into(), Value::from(*name));
        annotations.insert(NAME_ANNOTATION.into(), Value::from(*name));
        named += 1;
    }
    if named != names.len() {
        bail!(
            "umoci wrote {named} images where {} were asked for",
            names.len()
        );
    }
    serde_json::to_string(&index).context("cannot write index.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_get_the_names_that_containerd_reads() {
        let index = r#"{"schemaVersion":2,"manifests":[
            {"digest":"sha256:b","annotations":{"org.opencontainers.image.ref.name":"image-1"}},
            {"digest":"sha256:a","annotations":{"org.opencontainers.image.ref.name":"image-0"}}]}"#;
        let named: Value =
            serde_json::from_str(&name_images(index, &["x/a:1", "x/b:1"]).unwrap()).unwrap();
        assert_eq!(
            named["manifests"][0]["annotations"][NAME_ANNOTATION],
            "x/b:1"
        );
        assert_eq!(
            named["manifests"][1]["annotations"][NAME_ANNOTATION],
            "x/a:1"
        );
        assert_eq!(
            named["manifests"][1]["annotations"][TAG_ANNOTATION],
            "x/a:1"
        );
    }

    #[test]
    fn a_lost_or_foreign_image_is_noticed() {
        let index =
            r#"{"manifests":[{"annotations":{"org.opencontainers.image.ref.name":"base"}}]}"#;
        assert!(name_images(index, &["a"]).is_err());
        assert!(name_images(r#"{"manifests":[]}"#, &["a"]).is_err());
        assert!(name_images("{}", &[]).is_err());
    }
}
