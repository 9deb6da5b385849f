//! Simulated sensors over real MQTT: each publishes a temperature that wanders with the hour and its own noise.

use std::time::Duration;

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use tidemill::mqtt::BrokerSettings;

pub const COUNT: u32 = 100;

/// Publishes one reading a second for each sensor, evenly spread, until dropped.
pub async fn run(broker: BrokerSettings) {
    let mut options = MqttOptions::new("demo-sensors", broker.host, broker.port);
    options.set_inflight(100);
    let (client, mut connection) = AsyncClient::new(options, 100);
    let publish = async {
        let mut step = 0u32;
        let mut clock = tokio::time::interval(Duration::from_secs(1) / COUNT);
        loop {
            clock.tick().await;
            let sensor = step % COUNT;
            let payload = reading(sensor, step / COUNT);
            if client.publish(format!("sensors/dev-{sensor:03}/climate"), QoS::AtLeastOnce, false, payload).await.is_err() {
                return;
            }
            step = step.wrapping_add(1);
        }
    };
    let work = async {
        loop {
            match connection.poll().await {
                Ok(Event::Incoming(Packet::Disconnect)) | Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
                Ok(_) => {}
            }
        }
    };
    tokio::select! {
        () = publish => {}
        () = work => {}
    }
}

fn reading(sensor: u32, second: u32) -> String {
    let base = 18.0 + f64::from(sensor % 10) * 0.7;
    let swing = 3.0 * (f64::from(second) / 30.0 + f64::from(sensor)).sin();
    let noise = f64::from(sensor.wrapping_mul(7_919).wrapping_add(second.wrapping_mul(104_729)) % 100) / 100.0 - 0.5;
    let humidity = 55.0 - 5.0 * (f64::from(second) / 45.0).cos();
    format!(r#"{{"temperature":{:.2},"humidity":{humidity:.1}}}"#, base + swing + noise)
}
