//! `cargo xtask bench sentences`: see [`skupper_tests::sentences`].

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use xtask::cargo::Profile;
use xtask::image;

/// How long a planted fault takes from its write to its sentence.
#[derive(Debug, Parser)]
struct Arguments {
    /// Rounds with new sites; each plants every kind of fault once.
    #[arg(long, default_value_t = 4)]
    rounds: usize,
    /// Takes this program instead of a release build.
    #[arg(long)]
    program: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let options = image::Options {
        profile: Profile::Release,
        program: arguments.program,
        ..image::Options::default()
    };
    skupper_tests::sentences::measure(&options, arguments.rounds)
}
