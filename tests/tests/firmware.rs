//! Every scenario over the embassy adapter on a microcontroller, in QEMU.
//!
//! Needs the test image: `./tests/run firmware` builds it, and names it in `PORTCULLIS_FIRMWARE`.
#![forbid(unsafe_code)]

use std::{
    env,
    io::{self, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use portcullis_tests::{
    bare_core::BareCore,
    device::control::CONTROL_PORT,
    emulator::Emulator,
    judge::{self, Judge},
    over_embassy::OverEmbassy,
    over_qemu::{OverQemu, READY},
    scenario::Scenarios,
    secrets::{Search, Secret},
};

/// The variable that has the path of the test image.
const IMAGE: &str = "PORTCULLIS_FIRMWARE";
/// How long an image may take to notice that nobody needs it.
const END_TIME_MAX: Duration = Duration::from_secs(20);

/// Prints a line that the test harness does not hide.
fn say(line: &str) {
    io::stdout().write_all(format!("\n{line}\n").as_bytes()).unwrap();
}

/// The test image; where there is none, that is said.
fn image(title: &str) -> Option<PathBuf> {
    let image = env::var_os(IMAGE).map(PathBuf::from);
    if image.is_none() {
        say(&format!("skip - {title}: {IMAGE} does not name a test image"));
    }
    image
}

#[test]
fn every_scenario_over_the_firmware() {
    let Some(image) = image("scenarios over the firmware") else { return };
    let scenarios = Scenarios::load();
    let started = Instant::now();
    let mut firmware = OverQemu::start(&image).expect("the image starts");
    let mut judge = Judge::with(
        vec![Box::new(BareCore::default()), Box::new(OverEmbassy::new()), Box::new(&mut firmware)],
        judge::gaps(),
    );
    let mut cases = 0;
    for scenario in scenarios.iter() {
        judge.run(scenario);
        cases += 1;
    }
    let failures = judge.failures();
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
    drop(judge);
    assert!(cases > 800, "only {cases} cases");
    // SEC-320: the device's log has nothing that was secret meanwhile.
    let log = firmware.log();
    assert_eq!(log.trim_end(), READY);
    assert_eq!(Search::new(Secret::all(&scenarios)).find(log.as_bytes()), []);
    say(&format!("{cases} cases over the firmware in {} s", started.elapsed().as_secs()));
}

/// An emulator must not stay when the test is killed, which drops nothing.
#[test]
fn the_image_ends_with_its_driver() {
    let Some(image) = image("the image ends with its driver") else { return };
    let emulator = Emulator::start(&image, &[CONTROL_PORT], READY).expect("the image starts");
    let driver = TcpStream::connect(emulator.addresses()[0]).expect("a connection");
    drop(driver);
    let deadline = Instant::now() + END_TIME_MAX;
    while !emulator.log().contains("halted: the driver is gone") {
        assert!(Instant::now() < deadline, "{}", emulator.log());
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_is_no_image_does_not_start() {
    if image("what is no image").is_none() {
        return;
    }
    let error = Emulator::start(Path::new("no-such-image"), &[CONTROL_PORT], READY).err();
    assert!(error.is_some_and(|error| error.to_string().contains("does not start")));
}
