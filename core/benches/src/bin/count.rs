//! Checks one token so many times, for counting instructions:
//! `count <contender> <300|1024> <times>`. Without arguments, names the contenders.

use std::{hint::black_box, process::ExitCode};

use portcullis_core_benches::{contenders, token::Size};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [index, len, times] = arguments.as_slice() else {
        contenders().iter().for_each(|contender| println!("{}", contender.name));
        return ExitCode::SUCCESS;
    };
    let contender = index.parse().ok().and_then(|index: usize| contenders().into_iter().nth(index));
    let size = Size::ALL.into_iter().find(|size| size.token_len().to_string() == *len);
    let (Some(contender), Some(size), Ok(times)) = (contender, size, times.parse::<u32>()) else {
        return ExitCode::FAILURE;
    };
    let field = size.field();
    let admitted = (0..times).all(|_| (contender.admits)(black_box(&field)));
    if admitted { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
