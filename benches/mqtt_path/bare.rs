//! The bare subscriber: reads, parses with rumqttc's codec, acknowledges what each read brought in one write, and does nothing else.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Instant;

use bytes::BytesMut;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Connect, Filter, Packet, PubAck, Subscribe};

use super::measure::Process;

pub const FILTER: &str = "sensors/+/climate";
const READ_BYTES: usize = 64 << 10;

/// Takes `messages` messages, then prints CPU µs, seconds between first and last, and peak MB.
pub fn run(port: u16, messages: u64) {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("connected");
    stream.set_nodelay(true).expect("a socket option");
    let mut output = BytesMut::new();
    let connect = Connect { keep_alive: 60, client_id: "bare".to_owned(), clean_start: true, properties: None };
    connect.write(&None, &None, &mut output).expect("fits");
    stream.write_all(&output).expect("written");
    output.clear();
    let mut subscribe = Subscribe::new(Filter::new(FILTER, QoS::AtLeastOnce), None);
    subscribe.pkid = 1;
    subscribe.write(&mut output).expect("fits");
    let mut input = BytesMut::new();
    let mut chunk = vec![0; READ_BYTES];
    let mut received = 0;
    let mut first = None;
    while received < messages {
        if !output.is_empty() {
            stream.write_all(&output).expect("written");
            output.clear();
        }
        let count = stream.read(&mut chunk).expect("read");
        assert!(count > 0, "closed by the broker");
        input.extend_from_slice(&chunk[..count]);
        while let Ok(packet) = Packet::read(&mut input, None) {
            if let Packet::Publish(publish) = packet {
                first.get_or_insert_with(|| (Instant::now(), Process::own().cpu_us()));
                PubAck::new(publish.pkid, None).write(&mut output).expect("fits");
                received += 1;
            }
        }
    }
    stream.write_all(&output).expect("written");
    let (began, cpu_before_us) = first.expect("messages came");
    let own = Process::own();
    println!("{} {} {}", own.cpu_us() - cpu_before_us, began.elapsed().as_secs_f64(), own.peak_mb());
}
