//! The report as a page that needs nothing else: figures, and plots second by second.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::bench::speed::series::Second;

/// Size of a plot, in its own units.
const WIDTH: u64 = 720;
const HEIGHT: u64 = 180;
/// Left of a plot, for its numbers.
const MARGIN: u64 = 70;

const STYLE: &str = "body{font:15px/1.5 sans-serif;max-width:52em;margin:2em auto;color:#222}\
table{border-collapse:collapse}td{padding:.15em 1em .15em 0}td+td{text-align:right;font-variant-numeric:tabular-nums}\
svg{width:100%;height:auto;margin:.5em 0 1.5em}svg text{font-size:11px;fill:#555}";

/// A line of a plot: name, colour, and a value a second.
type Curve<'a> = (&'a str, &'a str, Vec<u64>);

/// The page of a report's object.
pub(super) fn page(object: &Value, seconds: &[Second]) -> String {
    let empty = Map::new();
    let fields = object.as_object().unwrap_or(&empty);
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let title = format!("stockade bench: {} ({})", text("workload"), text("mode"));
    let mut rows = String::new();
    for (name, value) in fields.iter().filter(|(name, value)| *name != "series" && !value.is_null()) {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        writeln!(rows, "<tr><td>{}</td><td>{}</td></tr>", escaped(name), escaped(&value))
            .expect("a String takes all");
    }
    let of = |value: fn(&Second) -> u64| seconds.iter().map(value).collect();
    let answered = plot(&[("calls a second", "#2266aa", of(|second| second.ops))]);
    let took = plot(&[
        ("p50, us", "#2266aa", of(|second| second.p50_us)),
        ("p99, us", "#cc4422", of(|second| second.p99_us)),
    ]);
    let title = escaped(&title);
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style></head>\n\
         <body><h1>{title}</h1>\n<h2>Calls answered, second by second</h2>\n{answered}\n<h2>How long a call took</h2>\n{took}\n\
         <h2>Figures</h2>\n<table>\n{rows}</table></body></html>"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn plot(curves: &[Curve<'_>]) -> String {
    let top = curves.iter().flat_map(|(_, _, values)| values).copied().max().unwrap_or(0).max(1);
    let mut svg = format!("<svg viewBox=\"0 0 {} {}\" role=\"img\">", MARGIN + WIDTH, HEIGHT + 30);
    for part in 0..=4_u64 {
        let (value, y) = (top * part / 4, HEIGHT - HEIGHT * part / 4 + 10);
        write!(
            svg,
            "<line x1=\"{MARGIN}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{value}</text>",
            MARGIN + WIDTH,
            MARGIN - 6,
            y + 4,
        )
        .expect("a String takes all");
    }
    for (number, (name, colour, values)) in (0_u64..).zip(curves) {
        let last = u64::try_from(values.len()).unwrap_or(u64::MAX).saturating_sub(1).max(1);
        let point = |(second, value): (u64, &u64)| {
            let up =
                u64::try_from(u128::from(HEIGHT) * u128::from(*value) / u128::from(top)).unwrap_or(HEIGHT);
            format!("{},{}", MARGIN + WIDTH * second / last, HEIGHT - up + 10)
        };
        let points: Vec<String> = (0_u64..).zip(values).map(point).collect();
        write!(
            svg,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>\
             <text x=\"{}\" y=\"{}\" style=\"fill:{colour}\">{name}</text>",
            points.join(" "),
            MARGIN + 10 + 140 * number,
            HEIGHT + 26,
        )
        .expect("a String takes all");
    }
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_has_its_figures_and_a_point_a_second() {
        let second = |ops| Second { ops, p50_us: 100, p99_us: 900, max_us: 1_000 };
        let object = json!({ "workload": "w<1>", "mode": "unary", "ops": 30, "nodes": null, "series": [] });
        let page = page(&object, &[second(10), second(20)]);
        assert!(page.contains("<td>ops</td><td>30</td>"), "{page}");
        assert!(page.contains("w&lt;1&gt;") && !page.contains("nodes"), "{page}");
        assert!(page.contains(&format!("points=\"{MARGIN},100 {},10\"", MARGIN + WIDTH)), "{page}");
    }
}
