//! `bench plot`: draws what `bench append --curve` wrote, as one SVG file that needs nothing else.

use super::curve::HEADER;
use crate::output::OutputArguments;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Options of `bench plot`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What `bench append --curve` wrote
    #[arg(long, value_name = "FILE.csv")]
    curve: PathBuf,
    /// Where to draw it
    #[arg(long, value_name = "FILE.svg")]
    out: PathBuf,
    #[command(flatten)]
    output: OutputArguments,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    let text = std::fs::read_to_string(&arguments.curve).map_err(|e| format!("{}: {e}", arguments.curve.display()))?;
    let rows = parse(&text).map_err(|e| format!("{}: {e}", arguments.curve.display()))?;
    std::fs::write(&arguments.out, draw(&rows)).map_err(|e| format!("{}: {e}", arguments.out.display()))?;
    let answer = json!({ "rows": rows.len(), "out": arguments.out });
    Ok(arguments.output.data(&answer, || format!("{} rows drawn in {}", rows.len(), arguments.out.display())))
}

/// Events so far, events a second, resident bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Row {
    events: f64,
    rate: f64,
    rss: f64,
}

fn parse(text: &str) -> Result<Vec<Row>, String> {
    let mut lines = text.lines();
    if lines.next() != Some(HEADER) {
        return Err(format!("the first line is not `{HEADER}`"));
    }
    let row = |(number, line): (usize, &str)| {
        let mut numbers = line.split(',').map(str::parse::<f64>);
        match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(events)), Some(Ok(rate)), Some(Ok(rss)), None)
                if events >= 1.0 && rate >= 0.0 && rss >= 0.0 && (events + rate + rss).is_finite() =>
            {
                Ok(Row { events, rate, rss })
            }
            _ => Err(format!("line {} is not three numbers", number + 2)),
        }
    };
    let rows = lines.enumerate().map(row).collect::<Result<Vec<_>, _>>()?;
    if rows.is_empty() { Err("there are no rows".into()) } else { Ok(rows) }
}

/// Where the panels lie.
const LEFT: f64 = 90.0;
const RIGHT: f64 = 800.0;
const PANEL: f64 = 190.0;
const FIRST_TOP: f64 = 40.0;
const SECOND_TOP: f64 = 290.0;

/// One panel: what it shows, and how a row says it.
struct Panel {
    top: f64,
    title: &'static str,
    colour: &'static str,
    value: fn(&Row) -> f64,
}

const PANELS: [Panel; 2] = [
    Panel { top: FIRST_TOP, title: "events per second", colour: "#0b62a4", value: |row| row.rate },
    Panel { top: SECOND_TOP, title: "resident memory, MiB", colour: "#a4400b", value: |row| row.rss / 1_048_576.0 },
];

fn draw(rows: &[Row]) -> String {
    let from = rows.iter().map(|row| row.events.log10()).fold(f64::INFINITY, f64::min).floor();
    let to = rows.iter().map(|row| row.events.log10()).fold(0.0, f64::max).ceil().max(from + 1.0);
    let x = |events: f64| LEFT + (events.log10() - from) / (to - from) * (RIGHT - LEFT);
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 830 540\" role=\"img\" \
         aria-label=\"Events per second and resident memory against the size of the log\">\n\
         <style>text{font:13px sans-serif;fill:#222}.grid{stroke:#ddd}.axis{stroke:#222}</style>\n\
         <rect width=\"830\" height=\"540\" fill=\"#fff\"/>\n",
    );
    for panel in &PANELS {
        draw_panel(panel, rows, (from, to), &x, &mut svg);
    }
    svg.push_str("<text x=\"445\" y=\"528\" text-anchor=\"middle\">events in the log</text>\n</svg>\n");
    svg
}

fn draw_panel(panel: &Panel, rows: &[Row], decades: (f64, f64), x: &dyn Fn(f64) -> f64, svg: &mut String) {
    let most = rows.iter().map(panel.value).fold(0.0, f64::max);
    let step = step(most);
    let top = (most / step).ceil().max(1.0) * step;
    let bottom = panel.top + PANEL;
    let y = |value: f64| bottom - value / top * PANEL;
    svg.push_str(&format!("<text x=\"{LEFT}\" y=\"{:.1}\">{}</text>\n", panel.top - 12.0, panel.title));
    let mut value = 0.0;
    while value <= top + step / 2.0 {
        let at = y(value);
        svg.push_str(&format!(
            "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{RIGHT}\" y2=\"{at:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
            LEFT - 8.0,
            at + 4.5,
            thousands(value)
        ));
        value += step;
    }
    let mut decade = decades.0;
    while decade <= decades.1 {
        let events = 10_f64.powf(decade);
        let at = x(events);
        svg.push_str(&format!(
            "<line class=\"grid\" x1=\"{at:.1}\" y1=\"{:.1}\" x2=\"{at:.1}\" y2=\"{bottom:.1}\"/>\
             <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n",
            panel.top,
            bottom + 18.0,
            thousands(events)
        ));
        decade += 1.0;
    }
    svg.push_str(&format!(
        "<polyline class=\"axis\" fill=\"none\" points=\"{LEFT},{} {LEFT},{bottom} {RIGHT},{bottom}\"/>\n",
        panel.top
    ));
    let points: Vec<_> = rows.iter().map(|row| format!("{:.1},{:.1}", x(row.events), y((panel.value)(row)))).collect();
    svg.push_str(&format!(
        "<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"1.6\" points=\"{}\"/>\n",
        panel.colour,
        points.join(" ")
    ));
}

/// A round distance of grid lines: 1, 2 or 5 times a power of ten, four to ten of them.
fn step(most: f64) -> f64 {
    let rough = (most / 8.0).max(1.0);
    let power = 10_f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|times| times * power).find(|step| *step >= rough).unwrap_or(rough)
}

/// A whole number with its digits in groups.
fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_a_point_within_the_picture() {
        let rows: Vec<Row> = (1..=100_u32)
            .map(|n| Row { events: f64::from(n) * 1000.0, rate: 30_000.0 - f64::from(n), rss: 1e8 + f64::from(n) })
            .collect();
        let svg = draw(&rows);
        let lines: Vec<_> = svg.lines().filter(|line| line.contains("stroke-width")).collect();
        assert_eq!(lines.len(), 2);
        for (line, panel) in lines.iter().zip(&PANELS) {
            let points = line.split("points=\"").nth(1).unwrap().trim_end_matches("\"/>");
            let points: Vec<(f64, f64)> = points
                .split(' ')
                .map(|p| p.split_once(',').unwrap())
                .map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()))
                .collect();
            assert_eq!(points.len(), 100);
            assert!(points.windows(2).all(|w| w[0].0 <= w[1].0), "events grow to the right");
            let within =
                |p: &(f64, f64)| (LEFT..=RIGHT).contains(&p.0) && (panel.top..=panel.top + PANEL).contains(&p.1);
            assert!(points.iter().all(within), "{points:?}");
        }
        // Equal factors are equal distances: 1,000 and 100,000 stand at both ends, 10,000 in the middle.
        let x = |label: &str| {
            let text = svg.lines().find(|line| line.ends_with(&format!("middle\">{label}</text>"))).unwrap();
            text.split("x1=\"").nth(1).unwrap().split('"').next().unwrap().parse::<f64>().unwrap()
        };
        assert!((x("1,000") - LEFT).abs() < 0.2 && (x("100,000") - RIGHT).abs() < 0.2);
        assert!((x("10,000") - f64::midpoint(LEFT, RIGHT)).abs() < 0.2);
    }

    #[test]
    fn what_is_no_curve_is_refused_with_its_line() {
        assert!(parse("a,b\n").unwrap_err().contains("first line"));
        assert!(parse(&format!("{HEADER}\n")).unwrap_err().contains("no rows"));
        for bad in ["1,2", "1,2,x", "0,1,1", "1,inf,1", "1,2,3,4"] {
            let text = format!("{HEADER}\n1000,2,3\n{bad}\n");
            assert_eq!(parse(&text).unwrap_err(), "line 3 is not three numbers", "{bad}");
        }
    }

    #[test]
    fn grid_lines_are_round_and_neither_few_nor_many() {
        for most in [7.0, 130.0, 999.0, 31_234.0, 58_000.0] {
            let lines = most / step(most);
            assert!((3.0..=8.0).contains(&lines), "{lines} lines for {most}");
        }
    }
}
