//! The gateway's process, without threads: its core, its sessions, its delivery windows, and a change set on the way to the disk.

use std::collections::BTreeSet;

use bytes::BytesMut;
use tidemill::batch::Stamp;
use tidemill::config::settings::{Settings, SinkKind, SourceKind, WhenFull};
use tidemill::gateway::{Action, Discard, Event, Gateway, Heir, Heirs, Seeds, unchanged};
use tidemill::mqtt::{Publisher, PublisherEvent, Session, SessionEvent, SessionSettings, Subscription};
use tidemill::store::{ChangeSet, LogName, keys};
use tidemill::uplink::delivery::{Delivery, Outcome};

use super::broker::Link;
use super::store::MemoryStore;

/// One sink's task: its session, its delivery window, its connection.
pub struct SinkTask {
    log: LogName,
    publisher: Publisher,
    pub delivery: Delivery,
    /// Where the committed log begins, as the core last said.
    pub told_start: u64,
    pub link: Option<Link>,
    input: BytesMut,
}

impl SinkTask {
    fn start(settings: &Settings, gateway: &Gateway, sink: usize) -> SinkTask {
        let SinkKind::Mqtt(mqtt) = &settings.sinks[sink].kind else { panic!("the simulation's sinks are MQTT") };
        let (cursor, end) = gateway.delivery_start(sink);
        SinkTask {
            log: LogName::outbox(&settings.sinks[sink].name),
            publisher: Publisher::new(mqtt.broker.clone()),
            delivery: Delivery::new(cursor, end),
            told_start: 0,
            link: None,
            input: BytesMut::new(),
        }
    }

    fn flush(&mut self) {
        if let Some(link) = &mut self.link {
            let output = self.publisher.output();
            link.to_broker.extend(output.iter());
            output.clear();
        }
    }
}

pub struct Process {
    pub gateway: Gateway,
    session: Session,
    pub sinks: Vec<SinkTask>,
    pub committing: Option<Box<ChangeSet>>,
    /// What the core has back, as the disk had no room for it.
    returned: Option<Box<ChangeSet>>,
    pub local: Option<Link>,
    local_input: BytesMut,
    local_connection: u64,
    connections: u64,
    acknowledge: Option<(u64, u64)>,
    /// An outbox has the policy to block.
    may_block: bool,
    pub paused: bool,
    /// How often everything received was durable after a [`Event::Stop`].
    pub stopped: u32,
    /// From a [`Event::Stop`] on.
    stopping: bool,
    /// From a [`Event::Hold`] on.
    pub holding: bool,
    pub held: bool,
}

/// A core from what the store holds but the state of `left_out`, told what waits.
fn core(settings: &Settings, store: &MemoryStore, left_out: BTreeSet<String>, seed: u64, stamp: Stamp) -> Gateway {
    let loaded = store.load_without(left_out);
    let seeds = Seeds { epoch: seed as u32, hash: seed };
    let mut gateway = Gateway::start(settings, &loaded, seeds, &Discard::default(), stamp).expect("the store was written by this gateway");
    for (sink, sink_settings) in settings.sinks.iter().enumerate() {
        if let Some(from) = gateway.wants_waiting(sink) {
            gateway.take_up(sink, store.read(&LogName::outbox(&sink_settings.name), from));
        }
    }
    gateway
}

fn session(settings: &Settings, gateway: &Gateway) -> Session {
    let SourceKind::Mqtt(source) = &settings.sources[0].kind else { panic!("not MQTT") };
    Session::new(SessionSettings {
        broker: source.broker.clone(),
        subscriptions: source.filters.iter().map(|filter| Subscription { filter: filter.clone(), qos: 1 }).collect(),
        stored_filters: gateway.stored_filters(0).to_vec(),
        payload_bytes_max: settings.sources[0].payload_bytes_max,
    })
}

impl Process {
    /// Starts from what the store holds.
    pub fn start(settings: &Settings, store: &MemoryStore, seed: u64, stamp: Stamp) -> Process {
        let gateway = core(settings, store, BTreeSet::new(), seed, stamp);
        let session = session(settings, &gateway);
        let sinks = (0..settings.sinks.len()).map(|sink| SinkTask::start(settings, &gateway, sink)).collect();
        Process {
            gateway,
            session,
            sinks,
            committing: None,
            returned: None,
            local: None,
            local_input: BytesMut::new(),
            local_connection: 0,
            connections: 0,
            acknowledge: None,
            may_block: settings.sinks.iter().any(|sink| sink.outbox.when_full == WhenFull::Block),
            paused: false,
            stopped: 0,
            stopping: false,
            holding: false,
            held: false,
        }
    }

    /// Another core takes over from the held one. `anew`: the source, and each sink, whose task is another from now on.
    pub fn change_hands(&mut self, settings: &Settings, store: &MemoryStore, seed: u64, anew: (bool, &[bool]), now: Stamp) {
        assert!(self.held && self.committing.is_none(), "held with a change set in flight");
        let heir = |index: usize, anew: bool| if anew { Heir::Restarted(index) } else { Heir::Kept(index) };
        let sinks = anew.1.iter().enumerate().map(|(sink, anew)| heir(sink, *anew));
        let heirs = Heirs { sources: vec![heir(0, anew.0)], sinks: sinks.collect() };
        // Now and then the state is read back all the same, as that of a changed query is.
        let moves = |_: &String| !seed.is_multiple_of(4);
        let left_out = unchanged(settings, &self.gateway.identities(), &Discard::default()).into_iter().filter(moves).collect();
        let old = std::mem::replace(&mut self.gateway, core(settings, store, left_out, seed, now));
        self.gateway.take_over(old, &heirs, now);
        if anew.0 {
            assert!(self.local.is_none(), "the old task has left");
            // A new task numbers its connections from 1.
            (self.session, self.connections) = (session(settings, &self.gateway), 0);
        }
        for sink in (0..anew.1.len()).filter(|sink| anew.1[*sink]) {
            self.sinks[sink] = SinkTask::start(settings, &self.gateway, sink);
        }
        (self.holding, self.held) = (false, false);
    }

    pub fn connect_local(&mut self, now: Stamp) {
        self.connections += 1;
        self.local_connection = self.connections;
        self.local = Some(Link::default());
        self.local_input.clear();
        self.session.start(self.connections, now.mono_us);
        self.flush();
    }

    pub fn cut_local(&mut self, now: Stamp) {
        if self.local.take().is_some() {
            self.event(Event::Disconnected { source: 0, connection: self.local_connection }, now);
        }
    }

    pub fn connect_sink(&mut self, sink: usize, now: Stamp) {
        self.connections += 1;
        let task = &mut self.sinks[sink];
        task.link = Some(Link::default());
        task.input.clear();
        task.publisher.start(self.connections, now.mono_us);
        task.flush();
    }

    pub fn cut_sink(&mut self, sink: usize) {
        if self.sinks[sink].link.take().is_some() {
            self.sinks[sink].delivery.disconnected();
        }
    }

    /// Tells the core and carries out what it asks for.
    pub fn event(&mut self, event: Event, now: Stamp) {
        match event {
            Event::Hold => self.holding = true,
            Event::Release => (self.holding, self.held) = (false, false),
            Event::Stop => (self.holding, self.held, self.stopping) = (false, false, true),
            _ => {}
        }
        let blocked = !self.holding
            && !self.stopping
            && self.may_block
            && !matches!(event, Event::Delivered { .. })
            && self.gateway.status().sinks.iter().any(|sink| sink.outbox_full);
        for action in self.gateway.on(event, now) {
            match action {
                Action::Commit(changes) => {
                    assert!(self.committing.is_none(), "one change set is in flight");
                    let again = self.returned.take();
                    again.iter().for_each(|before| comes_again(before, &changes));
                    assert!(
                        !blocked || again.is_some() || changes.appends.iter().all(|append| append.log.sink().is_none()),
                        "results for a full outbox that blocks"
                    );
                    self.committing = Some(changes);
                }
                Action::Acknowledge { connection, through_seq, .. } => {
                    self.acknowledge = Some((connection, through_seq));
                }
                Action::PauseSources => self.paused = true,
                Action::ResumeSources => self.paused = false,
                Action::Deliver { sink, start, end } => {
                    self.sinks[sink].told_start = start;
                    self.sinks[sink].delivery.available(start, end);
                }
                Action::Stopped => self.stopped += 1,
                Action::Held => self.held = true,
            }
        }
        let due = self.gateway.wake_at_us(now).is_some_and(|at| at <= now.mono_us);
        assert!(!due, "the core has handled an event and wants to be woken at once");
        if let Some((connection, through_seq)) = self.acknowledge.take()
            && self.local.is_some()
        {
            self.session.acknowledge(connection, through_seq, now.mono_us);
        }
        self.flush();
    }

    /// The disk has no room for the change set on its way: the core has it back.
    pub fn refuse_commit(&mut self, pause_us: u64, now: Stamp) {
        let changes = self.committing.take().expect("a change set is on its way");
        self.returned = Some(changes.clone());
        self.event(Event::StoreDown { reason: "full".to_owned(), pause_us, changes }, now);
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

    /// Up to `count` bytes arrive from the broker of a sink.
    pub fn receive_sink(&mut self, sink: usize, count: usize, now: Stamp) {
        let task = &mut self.sinks[sink];
        let Some(link) = &mut task.link else { return };
        task.input.extend_from_slice(&link.carry_to_gateway(count));
        task.publisher.receive(&mut task.input, now.mono_us);
        self.sink_events(sink, now);
    }

    fn sink_events(&mut self, sink: usize, now: Stamp) {
        while let Some(event) = self.sinks[sink].publisher.poll_event() {
            let delivery = &mut self.sinks[sink].delivery;
            match event {
                PublisherEvent::Connected => {}
                PublisherEvent::Acknowledged { token } => delivery.acknowledged(token),
                PublisherEvent::Rejected { token, class, text, .. } => {
                    let outcome = delivery.rejected(token, class, &text, now.mono_us);
                    assert_eq!(outcome, Outcome::Again, "the central broker refuses nothing");
                }
                PublisherEvent::Closed(_) => self.cut_sink(sink),
            }
        }
        self.report(sink, now);
    }

    fn report(&mut self, sink: usize, now: Stamp) {
        if let Some((cursor, count)) = self.sinks[sink].delivery.take_progress() {
            self.event(Event::Delivered { sink, cursor, count }, now);
        }
    }

    /// Publishes what the windows allow.
    pub fn publish(&mut self, store: &MemoryStore, now: Stamp) {
        for sink in 0..self.sinks.len() {
            let task = &mut self.sinks[sink];
            if task.link.is_none() {
                continue;
            }
            if let Some(from) = task.delivery.read_from() {
                task.delivery.filled(store.read(&task.log, from));
            }
            while task.publisher.free_window() > 0 {
                let Some(outgoing) = task.delivery.next(now.mono_us) else { break };
                let record = outgoing.record;
                let sent = task.publisher.publish(outgoing.token, record.topic, record.payload, &[], false, 1, now.mono_us);
                sent.expect("the window is free and the record is small");
            }
            self.report(sink, now);
        }
        self.flush();
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Stamp) {
        if self.local.is_some() && self.session.next_timeout().is_some_and(|at| at <= now.mono_us) {
            self.session.on_timeout(now.mono_us);
            self.local_events(now);
        }
        for sink in 0..self.sinks.len() {
            let task = &mut self.sinks[sink];
            if task.link.is_some() && task.publisher.next_timeout().is_some_and(|at| at <= now.mono_us) {
                task.publisher.on_timeout(now.mono_us);
                self.sink_events(sink, now);
            }
        }
        if self.gateway.wake_at_us(now).is_some_and(|at| at <= now.mono_us) {
            self.event(Event::Tick, now);
        }
        if self.paused {
            self.cut_local(now);
        }
    }

    /// Everything committed is with the sinks' brokers.
    pub fn is_delivered(&self) -> bool {
        self.sinks.iter().all(|task| task.delivery.is_done())
    }

    /// For a failure's text.
    pub fn describe(&self) -> String {
        let sink = |(index, task): (usize, &SinkTask)| {
            let (open, window) = (task.publisher.is_open(), task.publisher.free_window());
            let (read_from, cursor, books) = (task.delivery.read_from(), task.delivery.cursor(), self.gateway.delivery_start(index));
            format!("sink {index}: open {open}, window {window}, read from {read_from:?}, cursor {cursor:?}, books {books:?}; ")
        };
        let sinks: String = self.sinks.iter().enumerate().map(sink).collect();
        format!("{sinks}committing {}, paused {}, stopped {}", self.committing.is_some(), self.paused, self.stopped)
    }

    /// Puts what the sessions have written on its way.
    fn flush(&mut self) {
        if let Some(link) = &mut self.local {
            let output = self.session.output();
            link.to_broker.extend(output.iter());
            output.clear();
        }
        self.sinks.iter_mut().for_each(SinkTask::flush);
    }
}

/// The same step comes again, though with more cursors and drops: nothing else is added, and nothing is missing.
fn comes_again(before: &ChangeSet, now: &ChangeSet) {
    assert_eq!((now.number, &now.deletes), (before.number, &before.deletes));
    let appends = |set: &ChangeSet| -> Vec<_> { set.appends.iter().map(|append| (append.offset, append.bytes.clone())).collect() };
    assert_eq!(appends(now), appends(before));
    assert!(before.drops.iter().all(|drop| now.drops.contains(drop)));
    let others = |set: &ChangeSet| -> Vec<_> { set.puts.iter().filter(|(key, _)| !key.starts_with(&keys::cursor(""))).cloned().collect() };
    assert_eq!(others(now), others(before));
}
