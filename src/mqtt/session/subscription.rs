//! Which topic filters the broker holds for us, and what must be asked of it after connecting.
//!
//! A broker keeps the filters of a persistent session, so what was granted is stored with the gateway's state, as opaque lines of QoS and filter. 3.1.1 sends
//! retained messages again for every SUBSCRIBE: there only what is not in the stored lines is asked for.

use bytes::BytesMut;

use crate::mqtt::codec::{self, Unwritable};
use crate::mqtt::{Protocol, Subscription, reason};

use super::connection::said;

/// Filters in one packet; AWS takes no more.
const FILTERS_A_PACKET: usize = 8;

/// What came of a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    #[error("the broker refuses to subscribe {filter:?}: {text} (code 0x{code:02x})")]
    Refused { filter: String, code: u8, text: String },
    #[error("the broker grants {filter:?} at QoS {granted} instead of {asked}")]
    Lowered { filter: String, asked: u8, granted: u8 },
    #[error("the broker does not end the subscription of {filter:?}: {text} (code 0x{code:02x})")]
    Kept { filter: String, code: u8, text: String },
}

#[derive(Debug)]
enum Asked {
    Subscribe(Vec<Subscription>),
    Unsubscribe(Vec<String>),
}

/// The filters of one session and the state of asking for them.
#[derive(Debug)]
pub struct SubscriptionSet {
    wanted: Vec<Subscription>,
    stored: Vec<String>,
    /// By packet id, 1 upwards.
    open: Vec<(u16, Asked)>,
    /// Lines that hold after this round.
    granted: Vec<String>,
    refused: Vec<String>,
}

impl SubscriptionSet {
    pub fn new(wanted: Vec<Subscription>, stored: Vec<String>) -> SubscriptionSet {
        SubscriptionSet { wanted, stored, open: Vec::new(), granted: Vec::new(), refused: Vec::new() }
    }

    /// After CONNACK: appends what must be asked.
    pub fn ask(&mut self, protocol: Protocol, session_present: bool, out: &mut BytesMut) -> Result<(), Unwritable> {
        self.open.clear();
        self.granted.clear();
        self.refused.clear();
        let held = if session_present { std::mem::take(&mut self.stored) } else { Vec::new() };
        let is_wanted = |filter: &str| self.wanted.iter().any(|it| it.filter == filter);
        let removed: Vec<String> = held.iter().map(|it| filter_of(it).to_owned()).filter(|it| !is_wanted(it)).collect();
        for chunk in removed.chunks(FILTERS_A_PACKET) {
            let packet_id = self.next_id();
            codec::unsubscribe(protocol, packet_id, chunk, out)?;
            self.open.push((packet_id, Asked::Unsubscribe(chunk.to_vec())));
        }
        let is_held = |it: &&Subscription| protocol == Protocol::V4 && held.contains(&line(it));
        self.granted.extend(self.wanted.iter().filter(is_held).map(line));
        let missing: Vec<Subscription> = self.wanted.iter().filter(|it| !is_held(it)).cloned().collect();
        for chunk in missing.chunks(FILTERS_A_PACKET) {
            let packet_id = self.next_id();
            codec::subscribe(protocol, packet_id, chunk, out)?;
            self.open.push((packet_id, Asked::Subscribe(chunk.to_vec())));
        }
        self.stored = held;
        Ok(())
    }

    /// Whether lines are stored: they hold no longer when the broker has no session.
    pub fn has_stored(&self) -> bool {
        !self.stored.is_empty()
    }

    fn next_id(&self) -> u16 {
        self.open.len() as u16 + 1
    }

    /// `None` if this SUBACK answers nothing.
    pub fn on_suback(&mut self, packet_id: u16, codes: &[u8], reason: Option<String>) -> Option<Vec<Trouble>> {
        let at = self.open.iter().position(|(id, asked)| *id == packet_id && matches!(asked, Asked::Subscribe(_)))?;
        let (_, Asked::Subscribe(subscriptions)) = self.open.remove(at) else { return None };
        if codes.len() != subscriptions.len() {
            return None;
        }
        let mut troubles = Vec::new();
        for (subscription, &code) in subscriptions.into_iter().zip(codes) {
            let asked = subscription.qos;
            if code > 2 {
                let text = said(reason::text(code), reason.clone());
                self.refused.push(format!("{:?}: {text}", subscription.filter));
                troubles.push(Trouble::Refused { filter: subscription.filter, code, text });
                continue;
            }
            // The line says what was asked: a broker that grants less is not asked again each time.
            self.granted.push(line(&subscription));
            if code < asked {
                troubles.push(Trouble::Lowered { filter: subscription.filter, asked, granted: code });
            }
        }
        Some(troubles)
    }

    /// `None` if this UNSUBACK answers nothing.
    pub fn on_unsuback(&mut self, packet_id: u16, codes: &[u8]) -> Option<Vec<Trouble>> {
        let at = self.open.iter().position(|(id, asked)| *id == packet_id && matches!(asked, Asked::Unsubscribe(_)))?;
        let (_, Asked::Unsubscribe(filters)) = self.open.remove(at) else { return None };
        let mut troubles = Vec::new();
        for (filter, &code) in filters.into_iter().zip(codes) {
            if code >= 0x80 {
                self.granted.push(line(&Subscription { filter: filter.clone(), qos: 1 }));
                troubles.push(Trouble::Kept { filter, code, text: reason::text(code).to_owned() });
            }
        }
        Some(troubles)
    }

    /// Once every answer has come: the lines to store.
    pub fn settled(&mut self) -> Option<Vec<String>> {
        if !self.open.is_empty() {
            return None;
        }
        self.granted.sort();
        self.stored = self.granted.clone();
        Some(self.stored.clone())
    }

    /// If not one filter was granted: why.
    pub fn nothing_granted(&self) -> Option<String> {
        let all_refused = self.open.is_empty() && !self.refused.is_empty() && self.refused.len() == self.wanted.len();
        all_refused.then(|| self.refused.join("; "))
    }
}

fn line(subscription: &Subscription) -> String {
    format!("{} {}", subscription.qos, subscription.filter)
}

fn filter_of(line: &str) -> &str {
    line.split_once(' ').map_or(line, |(_, filter)| filter)
}
