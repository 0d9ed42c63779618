//! Where the time of one decision goes: the best of many rounds for each step, so that what else the
//! machine does is left out.

use std::{hint::black_box, time::Instant};

use portcullis_core::{
    bearer::Credentials,
    encoding::{base64url, json::Reader, scratch::Scratch},
    jwt::UnverifiedJwt,
    limits::SCRATCH_LEN,
    message::Field,
};
use portcullis_core_benches::{
    contenders, ours,
    token::{self, Size},
};

const ROUNDS: u32 = 500;
const CALLS_PER_ROUND: u32 = 500;

fn main() {
    for size in Size::ALL {
        println!("{}", size.name());
        whole(size);
        steps(size);
        encodings(size);
    }
}

/// Nanoseconds of one call in the best round.
fn measure(name: &str, mut call: impl FnMut()) {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        (0..CALLS_PER_ROUND).for_each(|_| call());
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS_PER_ROUND));
    }
    println!("  {name:34} {best:7.0} ns");
}

fn whole(size: Size) {
    let field = size.field();
    for contender in contenders() {
        measure(contender.name, || assert!((contender.admits)(black_box(&field))));
    }
    measure("reading the clock", || {
        black_box(token::now_secs());
    });
}

/// Each of the last three includes the one above it.
fn steps(size: Size) {
    let (token, keys, field) = (size.token(), ours::key_ring(), size.field());
    measure("bearer: parse", || {
        let _ = black_box(Credentials::parse(Field::One(black_box(&field))));
    });
    let mut buffer = [0; SCRATCH_LEN];
    measure("jwt: parse", || {
        let mut scratch = Scratch::new(&mut buffer);
        let _ = black_box(UnverifiedJwt::parse(black_box(&token), &mut scratch));
    });
    measure("jwt: parse, verify", || {
        let mut scratch = Scratch::new(&mut buffer);
        let jwt = UnverifiedJwt::parse(black_box(&token), &mut scratch).expect("well-formed");
        let _ = black_box(jwt.verify(&keys));
    });
    measure("jwt: parse, verify, claims", || {
        let mut scratch = Scratch::new(&mut buffer);
        let jwt = UnverifiedJwt::parse(black_box(&token), &mut scratch).expect("well-formed");
        let verified = jwt.verify(&keys).expect("signed");
        let _ = black_box(verified.claims(&mut scratch));
    });
}

fn encodings(size: Size) {
    let token = size.token();
    let mut buffer = [0; SCRATCH_LEN];
    for (name, segment) in ["header", "claims", "signature"].into_iter().zip(token.split('.')) {
        measure(&format!("base64url: {name}, {} characters", segment.len()), || {
            let decoded = base64url::decode_into(black_box(segment.as_bytes()), &mut buffer);
            assert!(black_box(decoded).is_ok());
        });
        if name == "signature" {
            continue;
        }
        let document = base64url::decode_into(segment.as_bytes(), &mut buffer).expect("encoded");
        let document = document.to_vec();
        measure(&format!("json: {name}, {} bytes", document.len()), || {
            let mut reader = Reader::new(black_box(&document), 8).expect("UTF-8");
            let mut members = reader.object().expect("an object");
            while let Ok(Some(_)) = members.next(&mut reader) {
                reader.skip().expect("a value");
            }
            assert!(black_box(reader.end()).is_ok());
        });
    }
}
