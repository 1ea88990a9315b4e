//! `skstat`: what each display asks, and the tables that it makes of the answers.

mod cells;
mod live;
mod memory;
mod policy;
mod router;

use std::collections::BTreeMap;

use super::Format;
use crate::{Attributes, Kind, Value};

/// What is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Display {
    /// `-g`: the router.
    #[default]
    General,
    /// `-c`: connections.
    Connections,
    /// `-l`: links.
    Links,
    /// `-n`: routers of the network.
    Nodes,
    /// `-e`: connections to edge routers.
    Edge,
    /// `-a`: addresses.
    Addresses,
    /// `-m`: memory.
    Memory,
    /// `-p`: policy.
    Policy,
    /// `--autolinks`
    AutoLinks,
    /// `--vhosts`
    Vhosts,
    /// `--vhostgroups`
    VhostGroups,
    /// `--vhoststats`
    VhostStats,
    /// `--log`: asked with [`crate::protocol::Request::log`] and shown by [`log_lines`].
    Log,
    /// `--all-entities`
    All,
}

impl Display {
    /// Whether the time and the router's name are printed above it.
    pub fn has_heading(self) -> bool {
        !matches!(
            self,
            Display::Log | Display::Vhosts | Display::VhostGroups | Display::VhostStats
        )
    }

    /// The parts of `--all-entities`, in their order; else the display itself.
    fn parts(self) -> Vec<Display> {
        match self {
            Display::All => vec![
                Display::Links,
                Display::Addresses,
                Display::Connections,
                Display::AutoLinks,
                Display::General,
                Display::Memory,
                Display::Policy,
                Display::Vhosts,
                Display::VhostStats,
            ],
            one => vec![one],
        }
    }
}

/// How it is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// More columns.
    pub verbose: bool,
    /// The layout.
    pub format: Format,
}

/// A QUERY that a display needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// The type of entities.
    pub kind: Kind,
    /// The attributes; none for all.
    pub attributes: &'static [&'static str],
    /// Whether `--limit` bounds the number of rows.
    pub limited: bool,
}

/// What was answered, by type.
pub type Answers = BTreeMap<Kind, Vec<Attributes>>;

/// What a display needs to know; `heading` if [`heading`] is printed above it.
pub fn needs(display: Display, heading: bool) -> Vec<Need> {
    let mut needs: Vec<Need> = Vec::new();
    if heading {
        needs.push(all(Kind::RouterMetrics));
    }
    for part in display.parts() {
        match part {
            Display::General => needs.extend([
                all(Kind::Router),
                all(Kind::RouterMetrics),
                all(Kind::Network),
            ]),
            Display::Connections | Display::Edge => needs.push(limited(Kind::Connection, &[])),
            Display::Links => needs.push(limited(Kind::Link, live::LINK_COLUMNS)),
            Display::Nodes => needs.push(limited(Kind::Node, &[])),
            Display::Addresses => needs.push(limited(Kind::Address, live::ADDRESS_COLUMNS)),
            Display::Memory => {
                needs.push(Need {
                    kind: Kind::Allocator,
                    attributes: memory::COLUMNS,
                    limited: false,
                });
                needs.push(all(Kind::RouterMetrics));
            }
            Display::Policy => needs.push(all(Kind::Policy)),
            Display::AutoLinks => needs.push(limited(Kind::AutoLink, live::AUTO_LINK_COLUMNS)),
            Display::Vhosts | Display::VhostGroups => needs.push(all(Kind::Vhost)),
            Display::VhostStats => needs.push(all(Kind::VhostStats)),
            Display::Log | Display::All => {}
        }
    }
    let mut seen = Vec::new();
    needs.retain(|need| {
        let new = !seen.contains(&need.kind);
        seen.push(need.kind);
        new
    });
    needs
}

const fn all(kind: Kind) -> Need {
    Need {
        kind,
        attributes: &[],
        limited: false,
    }
}

const fn limited(kind: Kind, attributes: &'static [&'static str]) -> Need {
    Need {
        kind,
        attributes,
        limited: true,
    }
}

/// The lines above a display: the time, as upstream writes it, and the router's name.
pub fn heading(now: jiff::Timestamp, answers: &Answers) -> String {
    let router = first(answers, Kind::RouterMetrics)
        .map(|metrics| cells::text(metrics, "id"))
        .unwrap_or_default();
    format!(
        "{}+00:00 UTC\n{router}\n\n",
        now.strftime("%Y-%m-%d %H:%M:%S.%6f")
    )
}

/// The display.
pub fn render(display: Display, answers: &Answers, options: Options) -> String {
    let part = |part: Display| -> String {
        let tables = match part {
            Display::General => router::general(answers),
            Display::Connections => live::connections(rows(answers, Kind::Connection)),
            Display::Edge => return live::edges(rows(answers, Kind::Connection), options),
            Display::Links => live::links(rows(answers, Kind::Link), options.verbose),
            Display::Nodes => return router::nodes(rows(answers, Kind::Node), options),
            Display::Addresses => live::addresses(rows(answers, Kind::Address), options.verbose),
            Display::Memory => return memory::memory(answers, options),
            Display::Policy => return policy::policy(answers, options),
            Display::AutoLinks => return live::auto_links(rows(answers, Kind::AutoLink), options),
            Display::Vhosts => return policy::vhosts(rows(answers, Kind::Vhost), options),
            Display::VhostGroups => {
                return policy::vhost_groups(rows(answers, Kind::Vhost), options);
            }
            Display::VhostStats => {
                return policy::vhost_stats(rows(answers, Kind::VhostStats), options);
            }
            Display::Log | Display::All => return String::new(),
        };
        tables.render(options.format)
    };
    match display {
        Display::All => display
            .parts()
            .into_iter()
            .map(|each| part(each) + "\n")
            .collect(),
        one => part(one),
    }
}

/// The lines of `--log`, of what GET-LOG answered. Times are told in `zone`.
pub fn log_lines(log: &Value, zone: &jiff::tz::TimeZone) -> String {
    let line = |entry: &Value| {
        let text = |index: usize| entry.get(index).and_then(Value::as_str).unwrap_or_default();
        let seconds = entry.get(5).and_then(Value::as_i64).unwrap_or(0);
        let time = jiff::Timestamp::from_second(seconds)
            .unwrap_or_default()
            .to_zoned(zone.clone());
        let time = time.strftime("%a %b %e %H:%M:%S %Y");
        format!("{time} {} ({}) {}\n", text(0), text(1), text(2))
    };
    log.as_array().into_iter().flatten().map(line).collect()
}

fn rows(answers: &Answers, kind: Kind) -> &[Attributes] {
    answers.get(&kind).map(Vec::as_slice).unwrap_or_default()
}

fn first(answers: &Answers, kind: Kind) -> Option<&Attributes> {
    rows(answers, kind).first()
}

#[cfg(test)]
mod tests;
