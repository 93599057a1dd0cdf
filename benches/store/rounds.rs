//! The same thing done many times, in rounds; the median of the rounds counts.

use std::time::{Duration, Instant};

use crate::Failed;

const ROUNDS: usize = 15;

pub struct Rounds {
    /// How often in a round.
    count: u32,
}

impl Rounds {
    pub fn of(count: u32) -> Rounds {
        Rounds { count }
    }

    /// Prints a row of the table.
    pub fn time(&self, name: &str, mut act: impl FnMut()) {
        // It cannot fail.
        let _ = self.try_time(name, || {
            act();
            Ok(())
        });
    }

    pub fn try_time(&self, name: &str, mut act: impl FnMut() -> Result<(), Failed>) -> Result<(), Failed> {
        let mut rounds = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            for _ in 0..self.count {
                act()?;
            }
            rounds.push(begun.elapsed() / self.count);
        }
        println!("{}", row(name, &mut rounds));
        Ok(())
    }
}

/// A name, the median, the least and the greatest.
pub fn row(name: &str, times: &mut [Duration]) -> String {
    times.sort();
    let at = |index: usize| times.get(index).map_or(0, Duration::as_nanos);
    format!("| {name} | {} | {}–{} |", at(times.len() / 2), at(0), at(times.len().saturating_sub(1)))
}
