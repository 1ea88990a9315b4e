//! The `skupper` command.

fn main() {}
