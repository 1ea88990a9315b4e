//! Parts of the cluster go and come back: the state comes back too, and nothing of the user's is lost.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use skupper_tests::application::WEB;
use skupper_tests::ground::Ground;
use skupper_tests::space::{LIMIT, Space};
use skupper_tests::stage::Stage;
use xtask::cluster::{Cluster, Component};
use xtask::wait;

use crate::Scenario;

pub(crate) const SCENARIOS: &[Scenario] = &[Scenario::shared(
    "the_state_comes_back_after_pods_kubelet_api_server_and_controller_went",
    scenario,
)
.alone()
.own_cluster()];

/// For how many seconds the API server is away, if another number is wanted than [`AWAY`].
const AWAY_VARIABLE: &str = "SKUPPER_TEST_API_AWAY";
const AWAY: u64 = 8;
const PAGE: &str = "still here";

/// What happens.
type Disturbance = fn(&Stage, &Scene) -> Result<()>;

const DISTURBANCES: &[(&str, Disturbance)] = &[
    ("the accepting site's router pod is killed", |_, scene| {
        kill_router(&scene.ground.west)
    }),
    ("the connecting site's router pod is killed", |_, scene| {
        kill_router(&scene.ground.east)
    }),
    ("the kubelet is killed and started", kubelet_restarts),
    ("the API server is away", api_server_is_away),
    (
        "the controller is killed again and again",
        controller_is_killed,
    ),
];

/// Two linked sites with an application.
struct Scene {
    ground: Ground,
    /// Where the application is reached in the connecting site.
    address: SocketAddr,
}

fn scenario(stage: &Stage) -> Result<()> {
    let ground = Ground::new(stage, "chaos")?;
    ground.west.web_server("backend", PAGE)?;
    ground.west.connector("backend", WEB)?;
    ground.east.listener("backend", WEB)?;
    let address = ground.east.service_address("backend", WEB)?;
    let scene = Scene { ground, address };
    scene.is_well()?;
    let written = scene.users_secrets()?;

    let mut wrong = String::new();
    for (what, disturb) in DISTURBANCES {
        let seen = disturb(stage, &scene)
            .and_then(|()| scene.is_well())
            .and_then(|()| {
                let found = scene.users_secrets()?;
                ensure!(found == written, "the user's Secrets changed");
                Ok(())
            });
        if let Err(error) = seen {
            writeln!(wrong, "{what}: {error:#}")?;
        }
        println!("{what}: looked at");
    }
    if let Err(error) = secret_changes_without_controller(stage, &scene) {
        writeln!(
            wrong,
            "a Secret changes while there is no controller: {error:#}"
        )?;
    }
    ensure!(
        wrong.is_empty(),
        "of {} disturbances these were not outlived:\n{wrong}",
        DISTURBANCES.len() + 1
    );
    Ok(())
}

impl Scene {
    /// A request goes through, and every object of the way says that it is Ready.
    fn is_well(&self) -> Result<()> {
        self.request_goes_through()?;
        let (west, east) = (&self.ground.west, &self.ground.east);
        for (space, kind, name) in [
            (west, "site", "west"),
            (east, "site", "east"),
            (west, "routeraccess", "skupper-router"),
            (east, "link", "good"),
            (west, "connector", "backend"),
            (east, "listener", "backend"),
        ] {
            space.await_ready(kind, name)?;
        }
        Ok(())
    }

    fn request_goes_through(&self) -> Result<()> {
        self.ground.east.shows(self.address, PAGE)
    }

    /// Identity, version and content of every Secret that the user wrote.
    fn users_secrets(&self) -> Result<Vec<Value>> {
        let (west, east) = (&self.ground.west, &self.ground.east);
        [
            (west, "skupper-site-server"),
            (west, "skupper-site-ca"),
            (east, "good"),
        ]
        .into_iter()
        .map(|(space, name)| {
            let mut secret = space.get("secret", name)?;
            Ok(serde_json::json!([
                secret["metadata"]["uid"].take(),
                secret["metadata"]["resourceVersion"].take(),
                secret["type"].take(),
                secret["data"].take()
            ]))
        })
        .collect()
    }

    /// A Link that is made now comes up: controller, adaptor and router all see what is new.
    fn a_new_link_comes_up(&self, name: &str) -> Result<()> {
        let east = &self.ground.east;
        east.link(name, &self.ground.endpoints, "good")?;
        east.await_ready("link", name)?;
        east.kubectl(&["delete", "link", name]).map(drop)
    }
}

/// The pod (without which a Service, a Link, a status is nothing) ends at once, as with its machine.
fn kill_pod(kubectl: impl Fn(&[&str]) -> Result<String>, label: &str) -> Result<()> {
    let ask = [
        "get",
        "pod",
        "-l",
        label,
        "-o",
        "jsonpath={range .items[*]}{.metadata.uid} {end}",
    ];
    let before = kubectl(&ask)?;
    kubectl(&["delete", "pod", "-l", label, "--force", "--grace-period=0"])?;
    wait::until(&format!("another pod {label}"), LIMIT, || {
        let now = kubectl(&ask)?;
        let is_other = now
            .split(' ')
            .all(|uid| !before.contains(uid) || uid.is_empty());
        Ok((!now.trim().is_empty() && is_other).then_some(()))
    })
}

fn kill_router(space: &Space) -> Result<()> {
    let label = "skupper.io/component=router";
    kill_pod(|arguments| space.kubectl(arguments), label)?;
    space.await_pods(label)
}

fn kubelet_restarts(stage: &Stage, scene: &Scene) -> Result<()> {
    stage.cluster.kill(Component::Kubelet)?;
    // Whoever runs needs nobody who watches over it.
    scene.request_goes_through()?;
    stage.cluster.start(Component::Kubelet)?;
    wait::until("the kubelet to answer", LIMIT, || {
        scene.ground.west.kubectl(&["logs", "backend"]).map(Some)
    })?;
    kill_router(&scene.ground.west)
}

fn api_server_is_away(stage: &Stage, scene: &Scene) -> Result<()> {
    let seconds = match std::env::var(AWAY_VARIABLE) {
        Ok(text) => text
            .parse()
            .with_context(|| format!("{AWAY_VARIABLE}={text}"))?,
        Err(_) => AWAY,
    };
    stage.cluster.kill(Component::ApiServer)?;
    // The length of the disturbance; nothing is expected to be ready after it.
    std::thread::sleep(Duration::from_secs(seconds));
    let meanwhile = scene.request_goes_through();
    stage.cluster.start(Component::ApiServer)?;
    wait::until("the API server to be ready", LIMIT, || {
        Ok(stage.cluster.is_healthy().then_some(()))
    })?;
    meanwhile.context("while the API server was away")?;
    scene.a_new_link_comes_up("after-the-api-server")
}

fn controller_is_killed(stage: &Stage, scene: &Scene) -> Result<()> {
    // At different stages of the same work; nothing depends on how long it is waited.
    for pause in [0, 300, 1000] {
        let name = format!("controller-{pause}");
        let client = scene.ground.good_client()?.secret(&name);
        scene.ground.east.apply(&client)?;
        scene
            .ground
            .east
            .link(&name, &scene.ground.endpoints, &name)?;
        std::thread::sleep(Duration::from_millis(pause));
        kill_controller(&stage.cluster)?;
    }
    for pause in [0, 300, 1000] {
        let name = format!("controller-{pause}");
        scene.ground.east.await_ready("link", &name)?;
        scene.ground.east.kubectl(&["delete", "link", &name])?;
    }
    Ok(())
}

fn secret_changes_without_controller(stage: &Stage, scene: &Scene) -> Result<()> {
    let ground = &scene.ground;
    let scale = |replicas: &str| {
        let replicas = format!("--replicas={replicas}");
        let scale = ["scale", "deployment/skupper-controller", &replicas];
        stage
            .cluster
            .kubectl(["-n", "skupper"].iter().chain(&scale))
    };
    scale("0")?;
    wait::until("the controller's end", LIMIT, || {
        let pods = stage
            .cluster
            .kubectl(["-n", "skupper", "get", "pods", "-o", "name"])?;
        Ok(pods.trim().is_empty().then_some(()))
    })?;
    let server = ground.good_server()?.secret("skupper-site-server");
    ground.west.replace_secret(&server)?;
    scale("1")?;
    stage.await_presented(&ground.west, &ground.host, &server)?;
    scene.is_well()
}

fn kill_controller(cluster: &Cluster) -> Result<()> {
    let kubectl = |arguments: &[&str]| cluster.kubectl(["-n", "skupper"].iter().chain(arguments));
    kill_pod(kubectl, "application=skupper-controller")
}
