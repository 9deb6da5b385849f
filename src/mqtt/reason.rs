//! MQTT reason codes as text for people, and what a refused publish means for the message.
//!
//! Limits: the numbers of MQTT 5 plus the five return codes of a 3.1.1 CONNACK; unknown codes get a general text.

use super::Protocol;

/// "Session taken over": another client connected with our client id.
pub const SESSION_TAKEN_OVER: u8 = 0x8E;

/// What a reason code of MQTT 5 says.
pub fn text(code: u8) -> &'static str {
    match code {
        0x00 => "success",
        0x01 => "granted at QoS 1",
        0x02 => "granted at QoS 2",
        0x04 => "disconnected with the will message",
        0x10 => "no matching subscribers",
        0x11 => "no subscription existed",
        0x80 => "unspecified error",
        0x81 => "malformed packet",
        0x82 => "protocol error",
        0x83 => "the broker's own rules refuse it",
        0x84 => "the broker does not speak this protocol version",
        0x85 => "the client id is not accepted",
        0x86 => "wrong user name or password",
        0x87 => "not authorised",
        0x88 => "server unavailable",
        0x89 => "server busy",
        0x8A => "this client is banned",
        0x8B => "the broker is shutting down",
        0x8C => "wrong authentication method",
        0x8D => "the broker heard nothing from us within the keep-alive time",
        SESSION_TAKEN_OVER => {
            "session taken over: another client connected with the same client id; if that is another gateway, give each its own gateway id"
        }
        0x8F => "topic filter not accepted",
        0x90 => "topic name not accepted",
        0x91 => "packet id in use",
        0x92 => "packet id not found",
        0x93 => "receive maximum exceeded",
        0x94 => "topic alias not accepted",
        0x95 => "packet too large",
        0x96 => "message rate too high",
        0x97 => "quota exceeded",
        0x98 => "closed by the broker's administrator",
        0x99 => "payload format not accepted",
        0x9A => "the broker keeps no retained messages",
        0x9B => "QoS not supported",
        0x9C => "the broker asks to use another server for now",
        0x9D => "the broker has moved to another server",
        0x9E => "shared subscriptions not supported",
        0x9F => "connection rate exceeded",
        0xA0 => "the longest permitted connection time is over",
        0xA1 => "subscription identifiers not supported",
        0xA2 => "wildcard subscriptions not supported",
        _ => "a reason unknown to MQTT 5",
    }
}

/// What the code of a refusing CONNACK says. A broker that knows only 3.1.1 answers an MQTT 5 CONNECT with 3.1.1's codes.
pub fn refusal_text(protocol: Protocol, code: u8) -> &'static str {
    match (protocol, code) {
        (Protocol::V5, 0x01 | 0x84) => "the broker does not speak MQTT 5: set protocol = \"3.1.1\"",
        (Protocol::V4, 0x01) => "the broker does not speak MQTT 3.1.1",
        (_, 0x02) => "the client id is not accepted",
        (_, 0x03) => "server unavailable",
        (_, 0x04) => "wrong user name or password",
        (_, 0x05) => "not authorised",
        (Protocol::V4, 0x00) => "success",
        (Protocol::V4, _) => "a return code unknown to MQTT 3.1.1",
        (Protocol::V5, _) => text(code),
    }
}

/// Whether a refusing CONNACK is about who we are, so that only a person can mend it.
pub fn refuses_credentials(code: u8) -> bool {
    matches!(code, 0x04 | 0x05 | 0x86 | 0x87 | 0x8A | 0x8C)
}

/// What a refused publish means for its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The broker cannot take it now: back off and send it again, for ever.
    Retry,
    /// The broker does not want this message: a few tries, then dead-letter it and go on.
    Message,
    /// Not authorised for this topic: as [`Rejection::Message`]; where everything is refused so, the credentials are wrong: hold.
    Credentials,
}

/// Sorts the reason code of a PUBACK; `None` if the message was taken.
pub fn rejection(code: u8) -> Option<Rejection> {
    match code {
        0x00..=0x7F => None,
        0x80 | 0x91 | 0x97 => Some(Rejection::Retry),
        0x87 => Some(Rejection::Credentials),
        _ => Some(Rejection::Message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_refuse_in_words() {
        assert_eq!(refusal_text(Protocol::V4, 4), "wrong user name or password");
        assert_eq!(refusal_text(Protocol::V5, 0x86), "wrong user name or password");
        assert!(refusal_text(Protocol::V5, 1).contains("3.1.1"));
        assert!(text(SESSION_TAKEN_OVER).contains("another gateway"));
    }

    #[test]
    fn puback_codes_sort_as_the_uplink_needs_them() {
        assert_eq!(rejection(0x00), None);
        assert_eq!(rejection(0x10), None, "nobody subscribed is no failure");
        for code in [0x80, 0x97] {
            assert_eq!(rejection(code), Some(Rejection::Retry));
        }
        for code in [0x83, 0x90, 0x99, 0xEE] {
            assert_eq!(rejection(code), Some(Rejection::Message));
        }
        assert_eq!(rejection(0x87), Some(Rejection::Credentials));
    }
}
