//! Development tasks of this workspace, as a library.
//!
//! The command `cargo xtask …` is a thin shell round it; tests and the demo call it directly:
//!
//! ```no_run
//! use xtask::cluster::Cluster;
//!
//! # fn main() -> anyhow::Result<()> {
//! let cluster = Cluster::up("my-test")?; // about 10 s; builds the binaries once if need be
//! cluster.load("target/image/skupper.tar")?;
//! cluster.apply("{apiVersion: v1, kind: Namespace, metadata: {name: west}}")?;
//! println!("{}", cluster.kubectl(["get", "namespaces"])?);
//! cluster.down()?;
//! # Ok(())
//! # }
//! ```
//!
//! * [`cluster`]: a real Kubernetes on this machine, or somebody's existing one.
//! * [`image`]: the OCI images of the one binary.
//! * [`demo`]: two sites linked with one's own certificates, before one's eyes.
//! * [`suite`]: every test, with what they need made ready first.
//! * [`host`]: what the machine must offer, and how it is installed.
//! * [`oci`], [`cargo`], [`release`]: writing images, building a program of the workspace, and training it for users.
//! * [`process`], [`wait`], [`progress`]: running tools, waiting for conditions, saying what takes long.

pub mod bench;
pub mod cargo;
pub mod cluster;
pub mod demo;
pub mod host;
pub mod image;
pub mod install;
pub mod oci;
pub mod process;
pub mod progress;
pub mod release;
pub mod suite;
pub mod wait;
