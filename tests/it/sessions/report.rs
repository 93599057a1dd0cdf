//! The table of all scenarios, for the documentation: `EDGE_TEST_REPORT` names its file.

use super::visitor::Tally;
use std::fs::OpenOptions;
use std::io::Write;
use std::sync::Mutex;
use std::time::Duration;

const HEAD: &str = "| scenario | edges | acknowledged | lost | doubled | new | failed | under way | p50 added | p99 added |\n\
                    |---|---|---|---|---|---|---|---|---|---|\n";

/// Whether the head stands.
static BEGUN: Mutex<bool> = Mutex::new(false);

pub fn add(scenario: &str, edges: usize, tally: Tally, added: Vec<Duration>) {
    let (p50, p99) = (percentile(added.clone(), 50), percentile(added, 99));
    let Tally { acknowledged, lost, doubled, new_empty, failed, cut } = tally;
    line(&format!(
        "| {scenario} | {edges} | {acknowledged} | {lost} | {doubled} | {new_empty} | {failed} | {cut} | {} ms | {} ms |\n",
        p50.as_millis(),
        p99.as_millis()
    ));
}

fn line(text: &str) {
    print!("{text}");
    let Some(path) = std::env::var_os("EDGE_TEST_REPORT") else { return };
    let mut begun = BEGUN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let mut options = OpenOptions::new();
    options.create(true).write(true).append(*begun).truncate(!*begun);
    let mut file = options.open(path).expect("the file of the report");
    let head = if std::mem::replace(&mut *begun, true) { "" } else { HEAD };
    file.write_all(format!("{head}{text}").as_bytes()).expect("the report is written");
}

pub fn percentile(mut times: Vec<Duration>, percent: usize) -> Duration {
    times.sort();
    times.get((times.len().saturating_sub(1)) * percent / 100).copied().unwrap_or_default()
}
