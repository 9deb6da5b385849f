//! Simulated sensors at their own pace; a gateway that falls behind makes them wait, and they catch up.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::link::{Leave, Link};
use super::sensors::Sensors;
use crate::config::settings::SimulateSettings;
use crate::gateway::FrameContent;

/// Rows handed over at a time.
const ROWS_AT_ONCE: usize = 1_024;
/// Rows are gathered for so long: fast sensors should not cost a wake-up each.
const GATHER_US: u64 = 10_000;

pub async fn run(settings: &SimulateSettings, mut link: Link) -> Result<(), Leave> {
    let now_us = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64);
    let (mut sensors, began) = (Sensors::new(settings, now_us), Instant::now());
    link.opened(&format!("simulating {} sensors", settings.devices)).await?;
    while let Some(at_us) = sensors.next_at_us() {
        let elapsed_us = began.elapsed().as_micros() as u64;
        if at_us > elapsed_us {
            link.sleep(std::time::Duration::from_micros((at_us - elapsed_us).max(GATHER_US))).await?;
        }
        let rows = sensors.take(began.elapsed().as_micros() as u64, ROWS_AT_ONCE);
        let frames = rows.into_iter().map(|row| (None, FrameContent::Whole(Bytes::from(row))));
        link.send(frames.collect(), Vec::new()).await?;
    }
    link.finish().await
}
