//! The results as they arrive at the central side: one line a window, with the warmest devices.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use tidemill::mqtt::BrokerSettings;

static SHOWN: AtomicU64 = AtomicU64::new(0);
/// A window's results come together; after this silence it is shown.
const GATHER: Duration = Duration::from_millis(400);
const WARMEST: usize = 4;

/// Results received so far.
pub fn shown() -> u64 {
    SHOWN.load(Ordering::Relaxed)
}

struct Row {
    device: String,
    start: String,
    mean: f64,
    peak: f64,
    readings: u64,
}

/// Subscribes and prints until dropped.
pub async fn run(broker: BrokerSettings, filter: String) {
    let mut options = MqttOptions::new("demo-screen", broker.host, broker.port);
    options.set_max_packet_size(1 << 20, 1 << 20);
    let (client, mut connection) = AsyncClient::new(options, 10);
    let mut rows = Vec::new();
    loop {
        match tokio::time::timeout(GATHER, connection.poll()).await {
            Ok(Ok(Event::Incoming(Packet::ConnAck(_)))) => {
                if client.subscribe(&filter, QoS::AtLeastOnce).await.is_err() {
                    return;
                }
            }
            Ok(Ok(Event::Incoming(Packet::Publish(publish)))) => {
                SHOWN.fetch_add(1, Ordering::Relaxed);
                match row(&publish.payload) {
                    Some(row) => rows.push(row),
                    None => println!("{} {}", publish.topic, String::from_utf8_lossy(&publish.payload)),
                }
            }
            Ok(Ok(_)) => {}
            Ok(Err(_)) => tokio::time::sleep(Duration::from_secs(1)).await,
            Err(_) => show(&mut rows),
        }
    }
}

/// A result of the query `climate`; others are printed as they come.
fn row(payload: &[u8]) -> Option<Row> {
    let row: serde_json::Value = serde_json::from_slice(payload).ok()?;
    Some(Row {
        device: row["device"].as_str()?.to_owned(),
        start: row["start"].as_str()?.to_owned(),
        mean: row["mean"].as_f64()?,
        peak: row["peak"].as_f64()?,
        readings: row["n"].as_u64()?,
    })
}

fn show(rows: &mut Vec<Row>) {
    rows.sort_by(|a, b| a.start.cmp(&b.start).then(b.peak.total_cmp(&a.peak)));
    for window in rows.chunk_by(|a, b| a.start == b.start) {
        let readings: u64 = window.iter().map(|row| row.readings).sum();
        let time = window[0].start.get(11..19).unwrap_or(&window[0].start);
        let warmest: Vec<String> =
            window.iter().take(WARMEST).map(|row| format!("{} {:.1} (mean {:.1})", row.device, row.peak, row.mean)).collect();
        println!("{time}  {:3} devices  {readings:4} readings  warmest: {}", window.len(), warmest.join(", "));
    }
    rows.clear();
}
