//! Plots of a soak: lines over the number of orders, as SVG that needs nothing else.

#![allow(clippy::float_arithmetic, reason = "coordinates of a drawing")]
#![allow(clippy::cast_precision_loss, reason = "a drawing needs no more than a pixel")]

use std::fmt::Write as _;

use super::sampler::Sample;

const WIDTH: f64 = 760.0;
const PANEL: f64 = 210.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 130.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 30.0;
/// Points of a line at most: more don't show.
const MAX_POINTS: usize = 600;
/// Dark enough on white, told apart by people who see fewer colours.
const COLOURS: [&str; 5] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#555555"];

struct Line {
    name: &'static str,
    /// Orders and value.
    points: Vec<(f64, f64)>,
}

struct Panel {
    title: &'static str,
    lines: Vec<Line>,
}

/// Memory, disk by part, rate and time of calls, over the orders done.
pub(crate) fn draw(samples: &[Sample]) -> String {
    let panels = panels(samples);
    let height = PANEL * panels.len() as f64;
    let orders = samples.last().map_or(1.0, |sample| sample.orders.max(1) as f64);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    for (number, panel) in panels.iter().enumerate() {
        draw_panel(&mut svg, panel, PANEL * number as f64, orders);
    }
    svg.push_str("</svg>\n");
    svg
}

fn panels(samples: &[Sample]) -> Vec<Panel> {
    let step = samples.len().div_ceil(MAX_POINTS).max(1);
    let line = |name, value: &dyn Fn(&Sample) -> f64| {
        let point = |sample: &Sample| (sample.orders as f64, value(sample));
        Line { name, points: samples.iter().step_by(step).map(point).collect() }
    };
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let most = |value: fn(&super::sampler::NodeSample) -> u64| {
        move |sample: &Sample| sample.nodes.iter().map(value).max().unwrap_or(0)
    };
    let disk = |name, value: fn(&super::sampler::NodeSample) -> u64| {
        let most = most(value);
        line(name, &move |sample| mib(most(sample)))
    };
    vec![
        Panel {
            title: "Resident memory of the largest node, MiB",
            lines: vec![line("memory", &|sample| mib(sample.resident_bytes()))],
        },
        Panel {
            title: "Bytes on disk of a node by part, MiB",
            lines: vec![
                disk("log", |node| node.disk.wal),
                disk("snapshots", |node| node.disk.snapshots),
                disk("engine", |node| node.disk.engine),
            ],
        },
        Panel { title: "Mutations a second", lines: vec![line("mutations", &|sample| sample.calls as f64)] },
        Panel {
            title: "Time of a call, milliseconds",
            lines: vec![
                line("p50", &|sample| sample.p50_us as f64 / 1_000.0),
                line("p99", &|sample| sample.p99_us as f64 / 1_000.0),
            ],
        },
    ]
}

fn draw_panel(svg: &mut String, panel: &Panel, top: f64, orders: f64) {
    let (x0, x1) = (LEFT, WIDTH - RIGHT);
    let (y0, y1) = (top + PANEL - BOTTOM, top + TOP);
    let highest = panel.lines.iter().flat_map(|line| &line.points).map(|point| point.1).fold(1.0, f64::max);
    let highest = round_up(highest);
    let text = |svg: &mut String, x: f64, y: f64, anchor: &str, text: &str| {
        let _ = writeln!(svg, "<text x=\"{x:.0}\" y=\"{y:.0}\" text-anchor=\"{anchor}\">{text}</text>");
    };
    text(svg, x0, top + 18.0, "start", panel.title);
    for quarter in 0..=4 {
        let part = f64::from(quarter) / 4.0;
        let y = y0 + (y1 - y0) * part;
        let _ =
            writeln!(svg, "<line x1=\"{x0}\" y1=\"{y:.1}\" x2=\"{x1}\" y2=\"{y:.1}\" stroke=\"#dddddd\"/>");
        text(svg, x0 - 6.0, y + 4.0, "end", &short(highest * part));
        text(svg, x0 + (x1 - x0) * part, y0 + 16.0, "middle", &short(orders * part));
    }
    text(svg, x1 + 10.0, y0 + 16.0, "start", "orders");
    for ((number, line), colour) in panel.lines.iter().enumerate().zip(COLOURS) {
        let point = |(x, y): &(f64, f64)| {
            format!("{:.1},{:.1}", x0 + (x1 - x0) * x / orders, y0 + (y1 - y0) * y / highest)
        };
        let points = line.points.iter().map(point).collect::<Vec<_>>().join(" ");
        let _ = writeln!(
            svg,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" points=\"{points}\"/>"
        );
        let y = y1 + 12.0 + 18.0 * number as f64;
        let _ = writeln!(
            svg,
            "<line x1=\"{:.0}\" y1=\"{y:.0}\" x2=\"{:.0}\" y2=\"{y:.0}\" stroke=\"{colour}\" stroke-width=\"3\"/>",
            x1 + 10.0,
            x1 + 28.0
        );
        text(svg, x1 + 34.0, y + 4.0, "start", line.name);
    }
}

/// The next of 1, 2, 4 and 8 times a power of ten: its quarters are easy to read.
fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let step = [1.0, 2.0, 4.0, 8.0, 10.0].into_iter().find(|step| step * power >= value);
    step.unwrap_or(10.0) * power
}

fn short(value: f64) -> String {
    if value >= 1e6 {
        format!("{:.2}M", value / 1e6)
    } else if value >= 10_000.0 {
        format!("{:.0}k", value / 1e3)
    } else if value >= 10.0 || value == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::sampler::NodeSample;
    use super::*;

    #[test]
    fn a_plot_has_a_line_for_each_thing() {
        let sample =
            |orders| Sample { orders, calls: 7, nodes: vec![NodeSample::default()], ..Sample::default() };
        let svg = draw(&(0..2_000).map(sample).collect::<Vec<_>>());
        assert_eq!(svg.matches("<polyline").count(), 7);
        assert!(svg.len() < 200_000, "{}", svg.len());
    }

    #[test]
    fn the_scale_ends_at_a_round_number() {
        assert_eq!(
            [0.9, 3.0, 5.0, 81.0, 1_000.0].map(round_up).map(short),
            ["1.00", "4.00", "8.00", "100", "1000"]
        );
    }
}
