//! Says readably what differs, so that one sees at once whose fault it is.

use std::fmt::Write;

use super::case::Case;
use super::compare::{Difference, Ports, compare};
use super::run::{Answer, Outcome};
use super::wanted::Wanted;

/// So many differing cases are shown with both answers whole; of the rest only what differs.
const WHOLE: usize = 12;

/// One proxy's outcomes of all cases.
pub struct Side {
    pub name: String,
    pub port: u16,
    pub outcomes: Vec<Outcome>,
}

/// The differences nobody wanted, as a text for people; None if there are none. Marks the entries that matched.
pub fn unwanted(cases: &[Case], left: &Side, right: &Side, wanted: &[Wanted], used: &mut [bool]) -> Option<String> {
    let ports = Ports { left: left.port, right: right.port };
    let mut text = String::new();
    let mut names = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let (l, r) = (&left.outcomes[number], &right.outcomes[number]);
        let mut found = compare(l, r, &ports);
        found.retain(|difference| !mark(wanted, used, &case.name, difference));
        if found.is_empty() {
            continue;
        }
        let _ = write!(text, "\n=== {}\n    {}\n", case.name, case.shown(number));
        for difference in &found {
            let (l, r) = (shorten(&difference.left), shorten(&difference.right));
            let _ = writeln!(text, "  {}\n    {}: {l}\n    {}: {r}", difference.what, left.name, right.name);
        }
        if names.len() < WHOLE {
            let _ = write!(text, "{}{}", shown_whole(&left.name, l), shown_whole(&right.name, r));
        }
        let whats: Vec<&str> = found.iter().map(|difference| difference.what.as_str()).collect();
        names.push(format!("{}: {}", case.name, whats.join(", ")));
    }
    if names.is_empty() {
        return None;
    }
    let count = names.len();
    let _ = write!(text, "\n{count} of {} cases differ between {} and {}", cases.len(), left.name, right.name);
    let _ = write!(text, " in a way that `wanted.rs` does not list:\n  {}\n", names.join("\n  "));
    Some(text)
}

/// Whether the difference is wanted; all entries that say so are marked as used.
fn mark(wanted: &[Wanted], used: &mut [bool], case: &str, difference: &Difference) -> bool {
    let mut any = false;
    for (entry, used) in wanted.iter().zip(used) {
        if entry.matches(case, difference) {
            *used = true;
            any = true;
        }
    }
    any
}

/// The entries of the list that matched nothing.
pub fn unused(wanted: &[Wanted], used: &[bool]) -> Vec<String> {
    let idle = wanted.iter().zip(used).filter(|(_, used)| !**used);
    idle.map(|(entry, _)| format!("{:?} / {:?} ({})", entry.case, entry.what, entry.why)).collect()
}

/// An outcome, for people.
pub fn shown_whole(name: &str, outcome: &Outcome) -> String {
    let mut text = format!("--- {name}\n");
    for answer in &outcome.answers {
        match answer {
            Answer::Whole(response) => text += &response.to_string(),
            Answer::None(word, what) => text += &format!("({word}) {what}\n"),
        }
    }
    text + &format!("({})\n", outcome.end)
}

fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(300).collect();
    if short.len() < text.len() {
        short += "…";
    }
    short
}
