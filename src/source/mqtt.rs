//! The MQTT source: its settings as the driver takes them.

use tokio::sync::{mpsc, watch};

use crate::config::settings::MqttSourceSettings;
use crate::gateway::Event;
use crate::mqtt::Subscription;
use crate::mqtt::driver::{SourceControl, SourceDriverSettings, run_source};

/// Connection numbers of this start; 0 stands for those before it.
const FIRST_CONNECTION: u64 = 1;

pub async fn run(
    source: usize,
    name: &str,
    settings: &MqttSourceSettings,
    intake_bytes_max: usize,
    stored_filters: Vec<String>,
    events: mpsc::Sender<Event>,
    control: watch::Receiver<SourceControl>,
) {
    let subscriptions = settings.filters.iter().map(|filter| Subscription { filter: filter.clone(), qos: settings.qos });
    let driver = SourceDriverSettings {
        name: name.to_owned(),
        source,
        broker: settings.broker.clone(),
        subscriptions: subscriptions.collect(),
        stored_filters,
        payload_bytes_max: settings.payload_bytes_max,
        intake_bytes_max,
        first_connection: FIRST_CONNECTION,
    };
    run_source(driver, events, control).await;
}
