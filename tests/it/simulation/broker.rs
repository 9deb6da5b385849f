//! Scripted brokers without sockets: one that holds a persistent session for the gateway's source, one that takes the sink's results.
//!
//! They parse and write packets by hand: the proof must not share a codec with what it proves. Bytes in transit lie in a [`Link`], where a
//! cut loses them.

use std::collections::VecDeque;

/// Bytes under way on one connection.
#[derive(Default)]
pub struct Link {
    pub to_gateway: VecDeque<u8>,
    pub to_broker: VecDeque<u8>,
    received: Vec<u8>,
}

impl Link {
    /// Moves up to `count` bytes on to the broker's parser.
    pub fn carry_to_broker(&mut self, count: usize) {
        let count = count.min(self.to_broker.len());
        self.received.extend(self.to_broker.drain(..count));
    }

    /// Takes up to `count` bytes off for the gateway.
    pub fn carry_to_gateway(&mut self, count: usize) -> Vec<u8> {
        let count = count.min(self.to_gateway.len());
        self.to_gateway.drain(..count).collect()
    }

    /// The next whole packet that has arrived: first byte and body.
    fn take_packet(&mut self) -> Option<(u8, Vec<u8>)> {
        let (mut length, mut header) = (0usize, 1);
        loop {
            let byte = *self.received.get(header)?;
            length |= usize::from(byte & 0x7f) << (7 * (header - 1));
            header += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        if self.received.len() < header + length {
            return None;
        }
        let packet: Vec<u8> = self.received.drain(..header + length).collect();
        Some((packet[0], packet[header..].to_vec()))
    }

    fn send(&mut self, first: u8, body: &[u8]) {
        self.to_gateway.push_back(first);
        let mut length = body.len();
        loop {
            let more = length > 0x7f;
            self.to_gateway.push_back((length & 0x7f) as u8 | u8::from(more) << 7);
            length >>= 7;
            if !more {
                break;
            }
        }
        self.to_gateway.extend(body);
    }
}

/// How the broker marks what it sends again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marks {
    /// Mosquitto.
    DupAndId,
    /// aedes.
    Id,
    /// RabbitMQ, which numbers from 1 on each connection. An equal text under way at a crash can pass for the one before it.
    Dup,
}

/// A device's message under way: the model's number of it, and its payload.
type Queued = (usize, Vec<u8>);

/// The broker between the devices and the gateway.
pub struct LocalBroker {
    pub v5: bool,
    pub marks: Marks,
    pub window: usize,
    /// The session holds our filter.
    pub subscribed: bool,
    session: bool,
    queue: VecDeque<Queued>,
    in_flight: VecDeque<(u16, Queued)>,
    next_id: u16,
    accepted: bool,
    pub acknowledged: u64,
}

impl LocalBroker {
    pub fn new(v5: bool, marks: Marks, window: usize) -> LocalBroker {
        LocalBroker {
            v5,
            marks,
            window,
            subscribed: false,
            session: false,
            queue: VecDeque::new(),
            in_flight: VecDeque::new(),
            next_id: 0,
            accepted: false,
            acknowledged: 0,
        }
    }

    /// A device's message; the broker has acknowledged it to the device.
    pub fn publish(&mut self, number: usize, payload: Vec<u8>) {
        self.queue.push_back((number, payload));
    }

    /// A device's message at QoS 0: sent at once or never.
    pub fn publish_unsafely(&mut self, link: Option<&mut Link>, payload: &[u8]) {
        if let Some(link) = link
            && self.accepted
            && self.subscribed
        {
            self.send(link, 0, false, payload);
        }
    }

    pub fn is_drained(&self) -> bool {
        self.queue.is_empty() && self.in_flight.is_empty()
    }

    pub fn disconnected(&mut self) {
        self.accepted = false;
    }

    /// Forgets the session: returns the messages that were never sent, and those that were and are not acknowledged.
    pub fn lose_session(&mut self) -> (Vec<usize>, Vec<usize>) {
        (self.session, self.subscribed, self.accepted, self.next_id) = (false, false, false, 0);
        let in_flight = self.in_flight.drain(..).map(|(_, (number, _))| number).collect();
        (self.queue.drain(..).map(|(number, _)| number).collect(), in_flight)
    }

    /// Answers what has arrived and sends what the window allows.
    pub fn work(&mut self, link: &mut Link) {
        while let Some((first, body)) = link.take_packet() {
            match first >> 4 {
                1 => self.accept(link),
                8 => {
                    let reason: &[u8] = if self.v5 { &[body[0], body[1], 0, 1] } else { &[body[0], body[1], 1] };
                    link.send(0x90, reason);
                    (self.session, self.subscribed) = (true, true);
                }
                10 => link.send(0xb0, if self.v5 { &body[..3] } else { &body[..2] }),
                4 => {
                    let id = u16::from_be_bytes([body[0], body[1]]);
                    let before = self.in_flight.len();
                    self.in_flight.retain(|(in_flight, _)| *in_flight != id);
                    self.acknowledged += (before - self.in_flight.len()) as u64;
                }
                12 => link.send(0xd0, &[]),
                14 => self.accepted = false,
                other => panic!("a client sent packet type {other}"),
            }
        }
        while self.accepted && self.subscribed && self.in_flight.len() < self.window {
            let Some(queued) = self.queue.pop_front() else { break };
            self.next_id = self.next_id % u16::MAX + 1;
            self.send(link, self.next_id, false, &queued.1);
            self.in_flight.push_back((self.next_id, queued));
        }
    }

    fn accept(&mut self, link: &mut Link) {
        let present = u8::from(self.session);
        let body = [present, 0, 0];
        link.send(0x20, if self.v5 { &body } else { &body[..2] });
        self.accepted = true;
        // On 3.1.1 a gateway that dies before its SUBSCRIBE has arrived would find a session without filters: not told apart here.
        self.session |= self.v5;
        if self.marks == Marks::Dup {
            self.next_id = 0;
        }
        for index in 0..self.in_flight.len() {
            if self.marks == Marks::Dup {
                // Numbers begin at 1 on each connection.
                self.next_id = self.next_id % u16::MAX + 1;
                self.in_flight[index].0 = self.next_id;
            }
            let (id, (_, payload)) = self.in_flight[index].clone();
            self.send(link, id, self.marks != Marks::Id, &payload);
        }
    }

    /// At QoS 1, or at QoS 0 where `id` is 0.
    fn send(&self, link: &mut Link, id: u16, dup: bool, payload: &[u8]) {
        let mut body = vec![0, 3];
        body.extend(b"s/d");
        if id > 0 {
            body.extend(id.to_be_bytes());
        }
        if self.v5 {
            body.push(0);
        }
        body.extend(payload);
        link.send(0x30 | u8::from(id > 0) << 1 | u8::from(dup) << 3, &body);
    }
}

/// The broker that takes results: keeps each arrival and acknowledges it.
pub struct CentralBroker {
    pub v5: bool,
    pub arrived: Vec<Vec<u8>>,
}

impl CentralBroker {
    pub fn work(&mut self, link: &mut Link) {
        while let Some((first, body)) = link.take_packet() {
            match first >> 4 {
                1 => link.send(0x20, if self.v5 { &[0, 0, 0][..] } else { &[0, 0][..] }),
                3 => {
                    let topic = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
                    let id = [body[topic], body[topic + 1]];
                    let properties = if self.v5 { property_bytes(&body[topic + 2..]) } else { 0 };
                    self.arrived.push(body[topic + 2 + properties..].to_vec());
                    link.send(0x40, &id);
                }
                12 => link.send(0xd0, &[]),
                14 => {}
                other => panic!("a publisher sent packet type {other}"),
            }
        }
    }
}

/// Length of the properties with their own length field.
fn property_bytes(bytes: &[u8]) -> usize {
    let (mut length, mut at) = (0, 0);
    loop {
        length |= usize::from(bytes[at] & 0x7f) << (7 * at);
        at += 1;
        if bytes[at - 1] & 0x80 == 0 {
            return at + length;
        }
    }
}
