//! The plot: for each figure how ours stands to each peer, on a logarithmic scale; right of the middle is better.

use std::fmt::Write as _;

use super::report::Row;

const PEERS: [(&str, &str); 4] = [
    ("direct", "#999999"),
    ("haproxy", "#d95f02"),
    ("haproxy-plain", "#e6ab02"),
    ("skrouterd", "#1b9e77"),
];
/// Widths in pixels: of the names, and of one doubling.
const NAMES: f64 = 430.0;
const DOUBLING: f64 = 60.0;
/// Doublings that are shown on each side.
const SHOWN: f64 = 4.0;
const BAR: f64 = 9.0;

/// Draws it as SVG.
pub(super) fn draw(rows: &[Row<'_>]) -> String {
    let (middle, width) = (
        NAMES + SHOWN * DOUBLING,
        NAMES + 2.0 * SHOWN * DOUBLING + 60.0,
    );
    let mut body = String::new();
    let mut y = 40.0;
    for (at, (name, colour)) in PEERS.iter().enumerate() {
        let x = NAMES + at as f64 * 120.0;
        // Writing to a string cannot fail.
        let _ = writeln!(
            body,
            "<rect x='{x}' y='10' width='10' height='10' fill='{colour}'/><text x='{}' y='19'>to {name}</text>",
            x + 14.0
        );
    }
    for row in rows {
        let Some(ours) = row.of("ours").filter(|ours| *ours > 0.0) else {
            continue;
        };
        let mut bars = String::new();
        let mut height = 0.0;
        for (peer, colour) in PEERS {
            let Some(theirs) = row.of(peer).filter(|theirs| *theirs > 0.0) else {
                continue;
            };
            let better = if row.figure.less_is_better {
                theirs / ours
            } else {
                ours / theirs
            };
            let length = better.log2().clamp(-SHOWN, SHOWN) * DOUBLING;
            let (x, at) = (middle + length.min(0.0), y + height);
            let _ = writeln!(
                bars,
                "<rect x='{x:.1}' y='{at}' width='{:.1}' height='{}' fill='{colour}'/><text x='{:.1}' y='{}'>{better:.2}</text>",
                length.abs(),
                BAR - 1.0,
                middle + length.max(0.0) + 4.0,
                at + BAR - 1.0
            );
            height += BAR;
        }
        if height > 0.0 {
            let _ = writeln!(
                body,
                "<text x='4' y='{}'>{}</text>{bars}",
                y + BAR,
                row.figure.name
            );
            y += height + 6.0;
        }
    }
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{}' font-family='sans-serif' font-size='10'>\n\
         <rect width='100%' height='100%' fill='white'/>\n{body}\
         <line x1='{middle}' y1='30' x2='{middle}' y2='{y}' stroke='black'/>\n\
         <text x='4' y='19'>How many times better ours is (the line: equal)</text>\n</svg>\n",
        y + 10.0
    )
}
