//! The MQTT source: its settings as the driver takes them.

use tokio::sync::{mpsc, watch};

use crate::config::settings::{SourceKind, SourceSettings};
use crate::gateway::Event;
use crate::mqtt::Subscription;
use crate::mqtt::driver::{SourceControl, SourceDriverSettings, run_source};

/// Connection numbers of this start; 0 stands for those before it.
const FIRST_CONNECTION: u64 = 1;

pub async fn run(
    source: usize,
    settings: &SourceSettings,
    intake_bytes_max: usize,
    stored_filters: Vec<String>,
    events: mpsc::Sender<Event>,
    control: watch::Receiver<SourceControl>,
) {
    let SourceKind::Mqtt(mqtt) = &settings.kind else { return };
    let subscriptions = mqtt.filters.iter().map(|filter| Subscription { filter: filter.clone(), qos: mqtt.qos });
    let driver = SourceDriverSettings {
        name: settings.name.clone(),
        source,
        broker: mqtt.broker.clone(),
        subscriptions: subscriptions.collect(),
        stored_filters,
        payload_bytes_max: settings.payload_bytes_max,
        intake_bytes_max,
        rate_max: settings.rate_max,
        first_connection: FIRST_CONNECTION,
    };
    run_source(driver, events, control).await;
}
