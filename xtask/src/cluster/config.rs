//! Configuration files of the node's daemons. Pure: text from a [`Home`].

use serde_json::json;

use super::home::Home;

/// The image of a pod's sandbox. Pinned, so that it is never collected.
pub(super) const PAUSE_IMAGE: &str = "localhost/pause:1";

/// The manifest of CoreDNS for this cluster.
#[must_use]
pub(super) fn coredns(home: &Home) -> String {
    include_str!("coredns.yaml").replace("CLUSTER_IP", &home.plan.dns().to_string())
}

/// containerd's configuration (TOML). `restrict_oom_score` is for a root that may not lower it.
#[must_use]
pub(super) fn containerd(home: &Home, restrict_oom_score: bool) -> String {
    let quoted = |file: &str| format!("{:?}", home.path(file));
    format!(
        r#"version = 3
root = {root}
state = {state}

[grpc]
  address = {socket}

[plugins."io.containerd.internal.v1.opt"]
  path = {opt}

# Its socket has a fixed path: a second cluster would take it from the first.
[plugins."io.containerd.nri.v1.nri"]
  disable = true

[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "{PAUSE_IMAGE}"

[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = {restrict_oom_score}
  # Pods' network namespaces lie below this cluster's folder, and go with it.
  netns_mounts_under_state_dir = true

[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = ["/usr/lib/cni", "/opt/cni/bin"]
  conf_dir = {cni}
"#,
        root = quoted("containerd"),
        state = quoted("containerd-run"),
        socket = quoted("containerd.sock"),
        opt = quoted("containerd-opt"),
        cni = quoted("cni"),
    )
}

/// The pods' network: a routed wire to each pod, without a bridge, so that traffic between pods of one node always
/// passes kube-proxy's rules, whether or not the kernel has `br_netfilter`.
#[must_use]
pub(super) fn cni(home: &Home) -> String {
    pretty(&json!({
        "cniVersion": "1.0.0",
        "name": home.name.prefixed(),
        "plugins": [{
            "type": "ptp",
            "ipMasq": false,
            "ipam": {
                "type": "host-local",
                // The default folder would be shared with other clusters.
                "dataDir": home.path("cni-addresses"),
                "ranges": [[{"subnet": home.plan.pods()}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }],
    }))
}

/// kubelet's configuration.
#[must_use]
pub(super) fn kubelet(home: &Home) -> String {
    pretty(&json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failCgroupV1": false,
        "cgroupDriver": "cgroupfs",
        // Two kubelets under one root end each other's pods.
        "cgroupRoot": format!("/{}", home.name.prefixed()),
        "failSwapOn": false,
        "containerRuntimeEndpoint": format!("unix://{}", home.path("containerd.sock")),
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": home.path("pki/ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "clusterDNS": [home.plan.dns().to_string()],
        "clusterDomain": "cluster.local",
        "resolvConf": home.path("resolv.conf"),
        // Their defaults are folders of the machine.
        "podLogsDir": home.path("pod-logs"),
        "volumePluginDir": home.path("volume-plugins"),
        // The machine's disk may be nearly full for its own reasons: nothing is evicted, no imported image collected.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {"memory.available": "1Mi", "nodefs.available": "1Mi", "imagefs.available": "1Mi"},
    }))
}

/// kube-proxy's configuration.
#[must_use]
pub(super) fn proxy(home: &Home) -> String {
    pretty(&json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": home.path("kubeconfig")},
        "clusterCIDR": home.plan.pods(),
        "hostnameOverride": home.name.as_str(),
        "nodePortAddresses": ["primary"],
        // The limit belongs to the machine, not to us.
        "conntrack": {"maxPerCore": 0},
    }))
}

/// What pods with `dnsPolicy: Default` see as their resolver: this cluster's, since there is no way out.
#[must_use]
pub(super) fn resolv_conf(home: &Home) -> String {
    format!("nameserver {}\n", home.plan.dns())
}

fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::plan::Plan;

    fn home() -> Home {
        Home {
            name: "west".parse().unwrap(),
            plan: Plan::new(33).unwrap(),
            bin: "/cache/bin".into(),
            dir: "/state/west".into(),
        }
    }

    #[test]
    fn nothing_is_shared_with_another_cluster() {
        let other = Home {
            name: "east".parse().unwrap(),
            plan: Plan::new(34).unwrap(),
            dir: "/state/east".into(),
            ..home()
        };
        let files = |h: &Home| {
            [
                containerd(h, true),
                cni(h),
                kubelet(h),
                proxy(h),
                resolv_conf(h),
                coredns(h),
            ]
        };
        for (ours, theirs) in files(&home()).iter().zip(files(&other)) {
            assert!(!ours.contains("east") && !ours.contains("10.34."), "{ours}");
            assert!(
                !theirs.contains("west") && !theirs.contains("10.33."),
                "{theirs}"
            );
        }
    }

    #[test]
    fn kubelet_has_its_own_cgroup_and_folders() {
        let config: serde_json::Value = serde_json::from_str(&kubelet(&home())).unwrap();
        assert_eq!(config["cgroupRoot"], "/skupper-west");
        assert_eq!(config["clusterDNS"][0], "10.33.96.10");
        assert_eq!(config["podLogsDir"], "/state/west/pod-logs");
        assert_eq!(
            config["containerRuntimeEndpoint"],
            "unix:///state/west/containerd.sock"
        );
    }

    #[test]
    fn oom_score_follows_the_machine() {
        assert!(containerd(&home(), true).contains("restrict_oom_score_adj = true"));
        assert!(containerd(&home(), false).contains("restrict_oom_score_adj = false"));
    }

    #[test]
    fn dns_service_has_the_address_that_kubelet_tells() {
        assert!(coredns(&home()).contains("clusterIP: 10.33.96.10\n"));
        assert!(!coredns(&home()).contains("CLUSTER_IP"));
    }
}
