//! `decide/allow` beside other libraries and the bare MAC.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use portcullis_core_benches::{contenders, token::Size};

fn allow(criterion: &mut Criterion) {
    for size in Size::ALL {
        let mut group = criterion.benchmark_group(size.name());
        let field = size.field();
        group.throughput(Throughput::Bytes(u64::try_from(size.token_len()).unwrap_or(0)));
        for contender in contenders() {
            assert!((contender.admits)(&field), "{}", contender.name);
            group.bench_function(contender.name, |bencher| {
                bencher.iter(|| (contender.admits)(black_box(&field)));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, allow);
criterion_main!(benches);
