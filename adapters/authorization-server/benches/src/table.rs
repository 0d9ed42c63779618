//! Tables of what was measured.

use crate::load::{KINDS, Measured};

/// One row for each kind of request and each server: medians, and how far rounds lay apart.
pub fn print_rounds(names: &[&str], rounds: &[Vec<[Measured; 3]>]) {
    println!(
        "| request | server | requests/s | lowest to highest | processor µs/request | lowest to highest | requests/processor-second |"
    );
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: |");
    for (at, kind) in KINDS.iter().enumerate() {
        for (name, rounds) in names.iter().zip(rounds) {
            let rate = Spread::of(rounds.iter().map(|round| round[at].per_second));
            let cost = Spread::of(rounds.iter().map(|round| round[at].cost));
            println!(
                "| {kind} | {name} | {:.0} | {:.0} to {:.0} | {:.0} | {:.0} to {:.0} | {:.0} |",
                rate.median,
                rate.lowest,
                rate.highest,
                cost.median,
                cost.lowest,
                cost.highest,
                1e6 / cost.median
            );
        }
    }
}

struct Spread {
    lowest: f64,
    median: f64,
    highest: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<_> = values.collect();
        values.sort_by(f64::total_cmp);
        let (lowest, highest) = (values[0], values[values.len() - 1]);
        Self { lowest, median: values[values.len() / 2], highest }
    }
}
