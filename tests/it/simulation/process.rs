//! The gateway's process, without threads: its core, its sessions, its delivery window, and a change set on the way to the disk.

use bytes::BytesMut;
use tidemill::batch::Stamp;
use tidemill::config::settings::{Settings, SinkKind, SourceKind};
use tidemill::gateway::{Action, Event, Gateway, Seeds};
use tidemill::mqtt::{Publisher, PublisherEvent, Session, SessionEvent, SessionSettings, Subscription};
use tidemill::store::{ChangeSet, LogName};
use tidemill::uplink::delivery::{Delivery, Outcome};

use super::broker::Link;
use super::store::MemoryStore;

pub struct Process<'a> {
    settings: &'a Settings,
    pub gateway: Gateway,
    session: Session,
    publisher: Publisher,
    pub delivery: Delivery,
    pub committing: Option<Box<ChangeSet>>,
    pub local: Option<Link>,
    pub central: Option<Link>,
    local_input: BytesMut,
    central_input: BytesMut,
    connections: u64,
    acknowledge: Option<(u64, u64)>,
    pub paused: bool,
    pub stopped: bool,
}

impl<'a> Process<'a> {
    /// Starts from what the store holds.
    pub fn start(settings: &'a Settings, store: &MemoryStore, seed: u64, stamp: Stamp) -> Process<'a> {
        let loaded = store.load();
        let seeds = Seeds { epoch: seed as u32, hash: seed };
        let gateway = Gateway::start(settings, &loaded, seeds, &[], stamp).expect("the store was written by this gateway");
        let SourceKind::Mqtt(source) = &settings.sources[0].kind;
        let SinkKind::Mqtt(sink) = &settings.sinks[0].kind else { panic!("the simulation's sink is MQTT") };
        let (cursor, end) = gateway.delivery_start(0);
        let session = Session::new(SessionSettings {
            broker: source.broker.clone(),
            subscriptions: source.filters.iter().map(|filter| Subscription { filter: filter.clone(), qos: 1 }).collect(),
            stored_filters: gateway.stored_filters(0).to_vec(),
            payload_bytes_max: source.payload_bytes_max,
        });
        Process {
            settings,
            gateway,
            session,
            publisher: Publisher::new(sink.broker.clone()),
            delivery: Delivery::new(cursor, end),
            committing: None,
            local: None,
            central: None,
            local_input: BytesMut::new(),
            central_input: BytesMut::new(),
            connections: 0,
            acknowledge: None,
            paused: false,
            stopped: false,
        }
    }

    pub fn connect_local(&mut self, now: Stamp) {
        self.connections += 1;
        self.local = Some(Link::default());
        self.local_input.clear();
        self.session.start(self.connections, now.mono_us);
        self.flush();
    }

    pub fn cut_local(&mut self, now: Stamp) {
        if self.local.take().is_some() {
            self.event(Event::Disconnected { source: 0, connection: self.connections }, now);
        }
    }

    pub fn connect_central(&mut self, now: Stamp) {
        self.connections += 1;
        self.central = Some(Link::default());
        self.central_input.clear();
        self.publisher.start(self.connections, now.mono_us);
        self.flush();
    }

    pub fn cut_central(&mut self) {
        if self.central.take().is_some() {
            self.delivery.disconnected();
        }
    }

    /// Tells the core and carries out what it asks for.
    pub fn event(&mut self, event: Event, now: Stamp) {
        for action in self.gateway.on(event, now) {
            match action {
                Action::Commit(changes) => {
                    assert!(self.committing.is_none(), "one change set is in flight");
                    self.committing = Some(changes);
                }
                Action::Acknowledge { connection, through_seq, .. } => {
                    self.acknowledge = Some((connection, through_seq));
                }
                Action::PauseSources => self.paused = true,
                Action::ResumeSources => self.paused = false,
                Action::Deliver { start, end, .. } => self.delivery.available(start, end),
                Action::Stopped => self.stopped = true,
            }
        }
        if let Some((connection, through_seq)) = self.acknowledge.take()
            && self.local.is_some()
        {
            self.session.acknowledge(connection, through_seq, now.mono_us);
        }
        self.flush();
    }

    /// Up to `count` bytes arrive from the local broker.
    pub fn receive_local(&mut self, count: usize, now: Stamp) {
        let Some(link) = &mut self.local else { return };
        self.local_input.extend_from_slice(&link.carry_to_gateway(count));
        self.session.receive(&mut self.local_input, now.mono_us);
        self.local_events(now);
    }

    fn local_events(&mut self, now: Stamp) {
        while let Some(event) = self.session.poll_event() {
            let connection = self.session.connection();
            match event {
                SessionEvent::Connected { resumed } => self.event(Event::Connected { source: 0, connection, resumed }, now),
                SessionEvent::Messages(messages) => self.event(Event::Messages { source: 0, connection, messages }, now),
                SessionEvent::Proven { through_seq } => self.event(Event::Proven { source: 0, connection, through_seq }, now),
                SessionEvent::Subscribed { filters } => self.event(Event::Subscribed { source: 0, filters }, now),
                SessionEvent::SubscriptionTrouble(text) => panic!("subscription: {text}"),
                SessionEvent::Closed(reason) => {
                    assert!(reason.to_string().contains("silent") || reason.to_string().contains("answer"), "{reason}");
                    self.cut_local(now);
                }
            }
        }
        self.flush();
    }

    /// Up to `count` bytes arrive from the central broker.
    pub fn receive_central(&mut self, count: usize, now: Stamp) {
        let Some(link) = &mut self.central else { return };
        self.central_input.extend_from_slice(&link.carry_to_gateway(count));
        self.publisher.receive(&mut self.central_input, now.mono_us);
        self.central_events(now);
    }

    fn central_events(&mut self, now: Stamp) {
        while let Some(event) = self.publisher.poll_event() {
            match event {
                PublisherEvent::Connected => {}
                PublisherEvent::Acknowledged { token } => self.delivery.acknowledged(token),
                PublisherEvent::Rejected { token, class, text, .. } => {
                    let outcome = self.delivery.rejected(token, class, &text, now.mono_us);
                    assert_eq!(outcome, Outcome::Again, "the central broker refuses nothing");
                }
                PublisherEvent::Closed(_) => self.cut_central(),
            }
        }
        self.report(now);
    }

    fn report(&mut self, now: Stamp) {
        if let Some((cursor, count)) = self.delivery.take_progress() {
            self.event(Event::Delivered { sink: 0, cursor, count }, now);
        }
    }

    /// Publishes what the windows allow.
    pub fn publish(&mut self, store: &MemoryStore, now: Stamp) {
        if self.central.is_none() {
            return;
        }
        if let Some(from) = self.delivery.read_from() {
            self.delivery.filled(store.read(&LogName::outbox(&self.settings.sinks[0].name), from));
        }
        while self.publisher.free_window() > 0 {
            let Some(outgoing) = self.delivery.next(now.mono_us) else { break };
            let record = outgoing.record;
            let sent = self.publisher.publish(outgoing.token, record.topic, record.payload, &[], false, 1, now.mono_us);
            sent.expect("the window is free and the record is small");
        }
        self.report(now);
        self.flush();
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Stamp) {
        if self.local.is_some() && self.session.next_timeout().is_some_and(|at| at <= now.mono_us) {
            self.session.on_timeout(now.mono_us);
            self.local_events(now);
        }
        if self.central.is_some() && self.publisher.next_timeout().is_some_and(|at| at <= now.mono_us) {
            self.publisher.on_timeout(now.mono_us);
            self.central_events(now);
        }
        if self.gateway.wake_at_us(now).is_some_and(|at| at <= now.mono_us) {
            self.event(Event::Tick, now);
        }
        if self.paused {
            self.cut_local(now);
        }
    }

    /// For a failure's text.
    pub fn describe(&self) -> String {
        format!(
            "central {} open {} in flight {} window {}, read from {:?}, cursor {:?}, books {:?}, committing {}",
            self.central.is_some(),
            self.publisher.is_open(),
            self.publisher.in_flight(),
            self.publisher.free_window(),
            self.delivery.read_from(),
            self.delivery.cursor(),
            self.gateway.delivery_start(0),
            self.committing.is_some(),
        )
    }

    /// Puts what the sessions have written on its way.
    fn flush(&mut self) {
        if let Some(link) = &mut self.local {
            let output = self.session.output();
            link.to_broker.extend(output.iter());
            output.clear();
        }
        if let Some(link) = &mut self.central {
            let output = self.publisher.output();
            link.to_broker.extend(output.iter());
            output.clear();
        }
    }
}
