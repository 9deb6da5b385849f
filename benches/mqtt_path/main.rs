//! MQTT to MQTT through real Mosquittos at QoS 1: the gateway against a bare subscriber that only acknowledges.
//!
//! `cargo bench --bench mqtt_path [-- --quick] [--only paced|fast|many|footprint] [--seconds N]`. 100 devices, windows per device, results to a second broker; at 1,000 messages/s and as fast as
//! the broker goes. Prints CPU microseconds per message of both, and the gateway's memory and bytes written. Each run has its own brokers,
//! with the limits of `configs/mosquitto.conf`; the gateway's count is checked against what was sent. A bare subscriber is this program
//! itself in a process of its own, so both sides are measured alike.

mod bare;
mod footprint;
#[path = "../measure/mod.rs"]
mod measure;
mod producer;
mod runs;
/// The tests' own brokers and client.
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/support/mod.rs"]
mod support;
mod volume;

use measure::{Call, figure};
use producer::Pace;
use runs::Work;

const RATE_PER_S: u64 = 1_000;

/// How much is sent.
struct Extent {
    paced_messages: u64,
    fast_messages: u64,
    footprint_seconds: u64,
}

fn main() {
    let call = Call::of_process();
    if let Some(port) = call.number("--bare") {
        return bare::run(u16::try_from(port).expect("a port"), call.number("--messages").expect("how many to wait for"));
    }
    if call.is_for_others("mqtt_path") {
        return;
    }
    let extent = match call.is_quick() {
        true => Extent { paced_messages: RATE_PER_S, fast_messages: 5_000, footprint_seconds: 1 },
        false => Extent { paced_messages: 25 * RATE_PER_S, fast_messages: 300_000, footprint_seconds: 120 },
    };
    let only = call.value("--only");
    if only.is_none_or(|only| only == "paced") {
        paced(&extent);
    }
    if only.is_none_or(|only| only == "fast") {
        fast(&extent);
    }
    if only.is_none_or(|only| only == "many") {
        many(&extent);
    }
    if only == Some("footprint") || (only.is_none() && call.is_quick()) {
        footprint::run(call.number("--seconds").unwrap_or(extent.footprint_seconds));
    }
}

fn paced(extent: &Extent) {
    let pace = Pace::PerSecond(RATE_PER_S);
    let messages = extent.paced_messages;
    let bare = runs::bare(messages, pace);
    let gateway = runs::gateway(&Work::new(messages, pace));
    figure("mqtt.paced.bare_cpu_us", bare.cpu_us / messages as f64);
    figure("mqtt.paced.gateway_cpu_us", gateway.cpu_us / messages as f64);
    figure("mqtt.paced.ratio", gateway.cpu_us / bare.cpu_us);
    figure("mqtt.bare_peak_mb", bare.peak_mb);
    figure("mqtt.gateway_idle_mb", gateway.idle_mb);
    figure("mqtt.gateway_busy_mb", gateway.peak_mb);
    figure("mqtt.written_bytes.windows_10_s", gateway.written_bytes / messages as f64);
    let minute = runs::gateway(&Work { window: "1 minute", ..Work::new(messages, pace) });
    figure("mqtt.written_bytes.windows_1_min", minute.written_bytes / messages as f64);
}

fn fast(extent: &Extent) {
    let messages = extent.fast_messages;
    let bare = runs::bare(messages, Pace::Full);
    let gateway = runs::gateway(&Work::new(messages, Pace::Full));
    figure("mqtt.fast.bare_cpu_us", bare.cpu_us / messages as f64);
    figure("mqtt.fast.gateway_cpu_us", gateway.cpu_us / messages as f64);
    figure("mqtt.fast.ratio", gateway.cpu_us / bare.cpu_us);
    figure("mqtt.fast.bare_messages_per_s", messages as f64 / bare.seconds);
    figure("mqtt.fast.gateway_messages_per_s", messages as f64 / gateway.seconds);
    figure("mqtt.fast.gateway_busy_mb", gateway.peak_mb);
}

/// A hundred queries over the source, each of windows of 1 to 30 minutes, beside one.
fn many(extent: &Extent) {
    let messages = extent.fast_messages;
    let work = Work { window: "1 minute", ..Work::new(messages, Pace::Full) };
    let [one, hundred] = [1, 100].map(|queries| runs::gateway(&Work { queries, ..work }).cpu_us / messages as f64);
    figure("mqtt.queries.1_cpu_us", one);
    figure("mqtt.queries.100_cpu_us", hundred);
    figure("mqtt.queries.ratio", hundred / one);
}
