//! The MQTT sink's driver: connects, for ever; publishes what the delivery window gives; reports what the broker acknowledges.

use std::time::{Duration, Instant};

use super::delivery::{Outcome, Outgoing};
use super::feed::Feed;
use crate::config::settings::MqttSinkSettings;
use crate::mqtt::driver::{Backoff, Notices, Progress, Wire, random};
use crate::mqtt::{CloseReason, PublishRefused, Publisher, PublisherEvent};

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// Why a connection was left.
enum Left {
    Closed(CloseReason),
    Finished,
}

struct Driver<'a> {
    gateway: &'a str,
    name: &'a str,
    settings: &'a MqttSinkSettings,
    feed: Feed,
    publisher: Publisher,
    notices: Notices,
    began: Instant,
    accepted: Option<Instant>,
    held_told: bool,
}

/// Delivers until told to finish and everything is delivered, or the core is gone.
pub async fn run(gateway: &str, name: &str, settings: &MqttSinkSettings, feed: Feed) {
    let publisher = Publisher::new(settings.broker.clone());
    let notices = Notices::default();
    let driver = Driver { gateway, name, settings, feed, publisher, notices, began: Instant::now(), accepted: None, held_told: false };
    driver.run().await;
}

impl Driver<'_> {
    async fn run(mut self) {
        let mut backoff = Backoff::default();
        let mut connection = 0;
        while !self.feed.is_finished() {
            connection += 1;
            let reason = match self.unless_finished(Wire::connect(&self.settings.broker)).await {
                None => return,
                Some(Err(error)) => error.to_string(),
                Some(Ok(wire)) => match self.serve(wire, connection).await {
                    Left::Finished => return,
                    Left::Closed(reason) => {
                        if let Some(lasted) = self.accepted.take().map(|it| it.elapsed()) {
                            backoff.lasted(lasted);
                            self.notices.ended(lasted, matches!(reason, CloseReason::Lost(_)));
                        }
                        reason.to_string() + self.notices.suspicion(&self.settings.broker.client_id).as_str()
                    }
                },
            };
            self.feed.delivery.disconnected();
            self.feed.connected(false).await;
            self.complain(&reason);
            if self.unless_finished(tokio::time::sleep(backoff.next(random()))).await.is_none() {
                return;
            }
        }
    }

    fn complain(&mut self, reason: &str) {
        let (sink, broker) = (self.name, self.broker_name());
        if self.notices.problem(reason) {
            tracing::warn!(sink, broker, "{reason}; results wait in the outbox, trying again until it works");
        } else {
            tracing::debug!(sink, broker, "{reason}");
        }
    }

    fn broker_name(&self) -> String {
        format!("{}:{}", self.settings.broker.host, self.settings.broker.port)
    }

    /// `None` if there is nothing left to do before `future` completes.
    async fn unless_finished<F: Future>(&mut self, future: F) -> Option<F::Output> {
        let mut future = std::pin::pin!(future);
        loop {
            tokio::select! {
                output = &mut future => return Some(output),
                alive = self.feed.changed() => if !alive || self.feed.is_finished() { return None },
            }
        }
    }

    fn mono_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// One connection, to its end.
    async fn serve(&mut self, mut wire: Wire, connection: u64) -> Left {
        self.publisher.start(connection, self.mono_us());
        loop {
            if let Some(reason) = self.take_events().await {
                if matches!(reason, CloseReason::NothingTaken(_)) {
                    self.goodbye(wire).await;
                }
                return Left::Closed(reason);
            }
            self.feed.report().await;
            if self.feed.is_leaving() {
                self.goodbye(wire).await;
                return Left::Finished;
            }
            if self.publisher.is_open() {
                self.feed.refill().await;
                self.publish().await;
                self.feed.report().await;
                if self.feed.is_finished() {
                    self.goodbye(wire).await;
                    return Left::Finished;
                }
            }
            if let Err(left) = self.turn(&mut wire).await {
                return left;
            }
        }
    }

    async fn goodbye(&mut self, wire: Wire) {
        self.publisher.disconnect();
        wire.close(self.publisher.output(), GOODBYE).await;
    }

    /// Hands the publisher as much as both windows allow.
    async fn publish(&mut self) {
        let now_us = self.feed.now_us();
        let mono_us = self.mono_us();
        while self.publisher.free_window() > 0 {
            let Some(outgoing) = self.feed.delivery.next(now_us) else { return };
            let token = outgoing.token;
            match send(&mut self.publisher, self.gateway, self.name, self.settings, outgoing, mono_us) {
                Ok(()) => {}
                // The latter two end a connection before anything is sent on it.
                Err(
                    PublishRefused::WindowFull
                    | PublishRefused::NotConnected
                    | PublishRefused::QosTooHigh { .. }
                    | PublishRefused::NotRetained,
                ) => {
                    self.feed.delivery.not_sent(token);
                    return;
                }
                Err(refusal) => {
                    let refused = self.feed.delivery.give_up(token, &refusal.to_string());
                    self.feed.refused(refused).await;
                }
            }
        }
    }

    async fn take_events(&mut self) -> Option<CloseReason> {
        while let Some(event) = self.publisher.poll_event() {
            match event {
                PublisherEvent::Connected => {
                    if let Some(reason) = self.nothing_taken() {
                        return Some(reason);
                    }
                    self.accepted = Some(Instant::now());
                    if self.notices.connected() {
                        tracing::info!(sink = self.name, broker = self.broker_name(), "connected");
                    }
                    self.feed.connected(true).await;
                }
                PublisherEvent::Acknowledged { token } => {
                    self.feed.delivery.acknowledged(token);
                    self.held_told = false;
                }
                PublisherEvent::Rejected { token, reason_code, text, class } => {
                    let reason = format!("the broker refuses the result: {text} (code 0x{reason_code:02x})");
                    match self.feed.delivery.rejected(token, class, &reason, self.feed.now_us()) {
                        Outcome::Again => tracing::debug!(sink = self.name, "{reason}; sending it again"),
                        Outcome::Held => self.tell_held(&reason),
                        Outcome::GivenUp(refused) => self.feed.refused(refused).await,
                    }
                }
                PublisherEvent::Closed(reason) => return Some(reason),
            }
        }
        None
    }

    /// Where the broker takes no result as the sink's settings have it, none is sent and none given up: one side's settings are to change first.
    fn nothing_taken(&self) -> Option<CloseReason> {
        let refusal = self.publisher.takes(self.settings.retain, self.settings.qos).err()?;
        let mend = match refusal {
            PublishRefused::NotRetained => "set retain = false for this sink, or let the broker keep them",
            _ => "set qos = 0 for this sink, or let the broker take QoS 1",
        };
        Some(CloseReason::NothingTaken(format!("{refusal}: {mend}")))
    }

    fn tell_held(&mut self, reason: &str) {
        if !self.held_told {
            tracing::warn!(sink = self.name, "{reason}: all results are refused so, look at the user's rights; they wait in the outbox");
            self.held_told = true;
        }
    }

    /// Waits until something can be done, and does it.
    async fn turn(&mut self, wire: &mut Wire) -> Result<(), Left> {
        let now_us = self.mono_us();
        let timeout = self.publisher.next_timeout().map(|at_us| Duration::from_micros(at_us.saturating_sub(now_us)));
        let retry = self.feed.retry_at().map(|at| at.saturating_duration_since(Instant::now()));
        tokio::select! {
            progress = wire.progress(self.publisher.output(), true) => {
                if progress.map_err(|error| Left::Closed(CloseReason::Lost(error.to_string())))? == Progress::Read {
                    let mono_us = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
                    self.publisher.receive(&mut wire.input, mono_us);
                }
            }
            alive = self.feed.changed() => if !alive { return Err(Left::Finished) },
            () = tokio::time::sleep(timeout.unwrap_or_default()), if timeout.is_some() => {
                let mono_us = self.mono_us();
                self.publisher.on_timeout(mono_us);
            }
            () = tokio::time::sleep(retry.unwrap_or_default()), if retry.is_some() => {}
        }
        Ok(())
    }
}

fn send(
    publisher: &mut Publisher,
    gateway: &str,
    sink: &str,
    settings: &MqttSinkSettings,
    outgoing: Outgoing<'_>,
    mono_us: u64,
) -> Result<(), PublishRefused> {
    let epoch = format!("{:016x}", outgoing.epoch);
    let seq = outgoing.seq.to_string();
    let properties = [("gateway", gateway), ("sink", sink), ("epoch", &epoch), ("seq", &seq)];
    publisher.publish(outgoing.token, outgoing.record.topic, outgoing.record.payload, &properties, settings.retain, settings.qos, mono_us)
}
