//! The light and the thermometer.

use embassy_rp::{
    Peri,
    adc::{Adc, Blocking, Channel, Config},
    gpio::{Level, Output},
    peripherals::{ADC, ADC_TEMP_SENSOR, PIN_25},
};

use super::shared::Shared;
use crate::rp2040;

static LED: Shared<Output<'static>> = Shared::new();
static THERMOMETER: Shared<(Adc<'static, Blocking>, Channel<'static>)> = Shared::new();

pub(super) fn start(
    led: Peri<'static, PIN_25>,
    adc: Peri<'static, ADC>,
    sensor: Peri<'static, ADC_TEMP_SENSOR>,
) {
    LED.put(Output::new(led, Level::Low));
    let adc = Adc::new_blocking(adc, Config::default());
    THERMOMETER.put((adc, Channel::new_temp_sensor(sensor)));
}

/// Turns the light on or off.
pub fn set_led(on: bool) {
    LED.with(|led| led.set_level(Level::from(on)));
}

/// The temperature of the chip in thousandths of a degree, by its own sensor.
///
/// # Errors
///
/// A reason, when the converter cannot read the sensor.
pub fn millicelsius() -> Result<i32, &'static str> {
    match THERMOMETER.with(|(adc, sensor)| adc.blocking_read(sensor)) {
        Some(Ok(reading)) => Ok(rp2040::millicelsius(reading)),
        Some(Err(_)) | None => Err("the sensor cannot be read"),
    }
}
