//! What fuzzing found worth keeping, given to the same function once more. Included by the tests of each fuzzed crate.

use std::path::Path;

/// Gives each seed of a target to its body. The name of the last one is printed, for a failure to show.
pub(crate) fn replay(target: &str, body: fn(&[u8])) {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(target);
    // Some take Miri seconds each.
    let most = if cfg!(miri) { 8 } else { usize::MAX };
    let mut replayed = 0;
    for seed in std::fs::read_dir(&seeds).unwrap().take(most) {
        let path = seed.unwrap().path();
        println!("{}", path.display());
        body(&std::fs::read(path).unwrap());
        replayed += 1;
    }
    assert!(replayed > 0, "no seeds in {}", seeds.display());
}
