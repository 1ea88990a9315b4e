//! What the system tells of the process: its memory, and the host's name.

use std::fs;

/// The size of the process and what of it is in memory, in octets; none where the system does not tell.
pub(crate) fn usage() -> Option<(u64, u64)> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    Some((
        kilobytes(&status, "VmSize:")? * 1024,
        kilobytes(&status, "VmRSS:")? * 1024,
    ))
}

/// The name of this host; in a pod, the pod's. Empty where the system does not tell.
pub(super) fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

fn kilobytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_memory() {
        let (size, resident) = usage().unwrap();
        assert!(size >= resident && resident > 0);
        assert_eq!(kilobytes("Name:\tx\nVmRSS:\t    5 kB\n", "VmRSS:"), Some(5));
    }
}
