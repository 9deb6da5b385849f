//! MQTT 3.1.1 and 5 packets as the tests need them, written by hand: the proof must not share a codec with what it proves.
//!
//! Limits: QoS 0 and 1; of the properties it reads user properties and skips the others. What only a broker sends is in [`super::broker`].

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V4,
    V5,
}

impl Version {
    fn level(self) -> u8 {
        match self {
            Version::V4 => 4,
            Version::V5 => 5,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publish {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: u8,
    pub dup: bool,
    pub retain: bool,
    /// 0 for QoS 0.
    pub packet_id: u16,
    pub user_properties: Vec<(String, String)>,
}

/// What arrives. `code` 0 is success; on MQTT 5 anything below 0x80 is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    ConnAck { session_present: bool, code: u8 },
    Publish(Publish),
    PubAck { packet_id: u16, code: u8 },
    SubAck { packet_id: u16, codes: Vec<u8> },
    PingResp,
    Disconnect { code: u8 },
    Connect { clean: bool },
    Subscribe { packet_id: u16 },
    PingReq,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed packet: {0}")]
pub struct Malformed(pub &'static str);

/// A session of `expiry_s` seconds where `clean` is false (MQTT 3.1.1: for ever).
pub fn connect(version: Version, client_id: &str, clean: bool, keep_alive_s: u16) -> Vec<u8> {
    let mut body = Vec::new();
    put_text(&mut body, "MQTT");
    body.push(version.level());
    body.push(if clean { 2 } else { 0 });
    body.extend(keep_alive_s.to_be_bytes());
    if version == Version::V5 {
        let session_expiry_s: u32 = if clean { 0 } else { 86_400 };
        body.extend([5, 17]);
        body.extend(session_expiry_s.to_be_bytes());
    }
    put_text(&mut body, client_id);
    frame(0x10, &body)
}

pub fn publish(version: Version, message: &Publish) -> Vec<u8> {
    let mut body = Vec::with_capacity(message.topic.len() + message.payload.len() + 8);
    put_text(&mut body, &message.topic);
    if message.qos > 0 {
        body.extend(message.packet_id.to_be_bytes());
    }
    if version == Version::V5 {
        let mut properties = Vec::new();
        for (name, value) in &message.user_properties {
            properties.push(38);
            put_text(&mut properties, name);
            put_text(&mut properties, value);
        }
        put_length(&mut body, properties.len());
        body.extend(properties);
    }
    body.extend(&message.payload);
    frame(0x30 | u8::from(message.dup) << 3 | message.qos << 1 | u8::from(message.retain), &body)
}

pub fn puback(packet_id: u16) -> Vec<u8> {
    frame(0x40, &packet_id.to_be_bytes())
}

pub fn subscribe(version: Version, packet_id: u16, filter: &str, qos: u8) -> Vec<u8> {
    let mut body = packet_id.to_be_bytes().to_vec();
    if version == Version::V5 {
        body.push(0);
    }
    put_text(&mut body, filter);
    body.push(qos);
    frame(0x82, &body)
}

pub fn disconnect() -> Vec<u8> {
    frame(0xe0, &[])
}

/// Takes the first whole packet off `buffer`; `None` if there is none yet.
pub fn take(version: Version, buffer: &mut Vec<u8>) -> Result<Option<Incoming>, Malformed> {
    let mut length = 0;
    let mut header = 1;
    loop {
        let Some(&byte) = buffer.get(header) else { return Ok(None) };
        length |= usize::from(byte & 0x7f) << (7 * (header - 1));
        header += 1;
        if byte & 0x80 == 0 {
            break;
        }
        if header > 4 {
            return Err(Malformed("remaining length of more than four bytes"));
        }
    }
    if buffer.len() < header + length {
        return Ok(None);
    }
    let first = buffer[0];
    let mut body = Reader { rest: &buffer[header..header + length] };
    let packet = match first >> 4 {
        1 => body.connect(version)?,
        2 => Incoming::ConnAck { session_present: body.byte()? & 1 == 1, code: body.byte()? },
        3 => Incoming::Publish(body.publish(version, first)?),
        4 => Incoming::PubAck { packet_id: body.number()?, code: body.byte().unwrap_or(0) },
        8 => Incoming::Subscribe { packet_id: body.number()? },
        9 => {
            let packet_id = body.number()?;
            if version == Version::V5 {
                body.properties()?;
            }
            Incoming::SubAck { packet_id, codes: body.rest.to_vec() }
        }
        12 => Incoming::PingReq,
        13 => Incoming::PingResp,
        14 => Incoming::Disconnect { code: body.byte().unwrap_or(0) },
        _ => return Err(Malformed("a packet type that no test expects")),
    };
    buffer.drain(..header + length);
    Ok(Some(packet))
}

/// All whole packets in `bytes`.
pub fn take_all(version: Version, mut bytes: Vec<u8>) -> Vec<Incoming> {
    std::iter::from_fn(|| take(version, &mut bytes).unwrap_or_else(|error| panic!("{error}"))).collect()
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Malformed("it ends early"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.bytes(1)?[0])
    }

    fn number(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_be_bytes([self.byte()?, self.byte()?]))
    }

    fn text(&mut self) -> Result<String, Malformed> {
        let length = usize::from(self.number()?);
        String::from_utf8(self.bytes(length)?.to_vec()).map_err(|_| Malformed("text that is not UTF-8"))
    }

    fn length(&mut self) -> Result<usize, Malformed> {
        let mut length = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.byte()?;
            length |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(length);
            }
        }
        Err(Malformed("a length of more than four bytes"))
    }

    fn publish(&mut self, version: Version, first: u8) -> Result<Publish, Malformed> {
        let qos = first >> 1 & 3;
        let topic = self.text()?;
        let packet_id = if qos > 0 { self.number()? } else { 0 };
        let user_properties = if version == Version::V5 { self.properties()? } else { Vec::new() };
        let payload = self.rest.to_vec();
        Ok(Publish { topic, payload, qos, dup: first & 8 != 0, retain: first & 1 != 0, packet_id, user_properties })
    }

    fn connect(&mut self, version: Version) -> Result<Incoming, Malformed> {
        self.text()?;
        if self.byte()? != version.level() {
            return Err(Malformed("another protocol version"));
        }
        Ok(Incoming::Connect { clean: self.byte()? & 2 != 0 })
    }

    /// The user properties.
    fn properties(&mut self) -> Result<Vec<(String, String)>, Malformed> {
        let length = self.length()?;
        let mut block = Reader { rest: self.bytes(length)? };
        let mut user = Vec::new();
        while !block.rest.is_empty() {
            match block.length()? {
                1 | 23 | 25 | 36 | 37 | 40 | 41 | 42 => drop(block.byte()?),
                19 | 33 | 34 | 35 => drop(block.number()?),
                2 | 17 | 24 | 39 => drop(block.bytes(4)?),
                11 => drop(block.length()?),
                3 | 8 | 9 | 18 | 21 | 22 | 26 | 28 | 31 => drop(block.text()?),
                38 => user.push((block.text()?, block.text()?)),
                _ => return Err(Malformed("an unknown property")),
            }
        }
        Ok(user)
    }
}

pub fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    put_length(&mut packet, body.len());
    packet.extend(body);
    packet
}

fn put_length(out: &mut Vec<u8>, mut length: usize) {
    loop {
        let more = if length > 0x7f { 0x80 } else { 0 };
        out.push((length & 0x7f) as u8 | more);
        length >>= 7;
        if length == 0 {
            return;
        }
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend(u16::try_from(text.len()).expect("test texts are below 64 KiB").to_be_bytes());
    out.extend(text.as_bytes());
}
