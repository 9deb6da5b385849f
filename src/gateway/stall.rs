//! Recognises a sender that waits for our acknowledgements, so that a batch closes early instead of idling until its interval ends.
//!
//! MQTT 3.1.1 does not tell how many unacknowledged messages a broker allows (Mosquitto: 20, RabbitMQ: 10), so the level is learnt: a batch
//! that closed after a quiet spell with n unacknowledged, and was followed by new messages as soon as it was acknowledged, had stalled at n.
//! A wrong guess is forgotten as soon as an early close is not followed by messages. Costs latency only, never correctness.

/// Quiet for this long with the learnt number unacknowledged: the sender waits.
pub const QUIET_US: u64 = 10_000;
/// Messages that come within this time after the acknowledgement were waiting for it.
const FOLLOWS_US: u64 = 50_000;

#[derive(Debug, Default)]
pub struct Stall {
    /// As many unacknowledged as the sender last stalled at.
    level: Option<u64>,
    /// Level of the batch being committed, to be confirmed or refuted.
    candidate: Option<u64>,
    acknowledged_at_us: Option<u64>,
    last_arrival_us: u64,
}

impl Stall {
    /// Messages came.
    pub fn arrived(&mut self, mono_us: u64) {
        self.last_arrival_us = mono_us;
        if let Some(acknowledged_at_us) = self.acknowledged_at_us.take()
            && let Some(candidate) = self.candidate.take()
        {
            let waited = mono_us.saturating_sub(acknowledged_at_us) <= FOLLOWS_US;
            self.level = waited.then_some(candidate);
        }
    }

    /// The batch closed with `unacknowledged` messages of this source.
    pub fn closed(&mut self, unacknowledged: u64, mono_us: u64) {
        let quiet = mono_us.saturating_sub(self.last_arrival_us) >= QUIET_US;
        self.candidate = (quiet && unacknowledged > 0).then_some(unacknowledged);
        self.acknowledged_at_us = None;
        if !quiet {
            self.level = None;
        }
    }

    pub fn acknowledged(&mut self, mono_us: u64) {
        self.acknowledged_at_us = Some(mono_us);
    }

    /// A new connection is a new sender.
    pub fn connected(&mut self) {
        *self = Stall { last_arrival_us: self.last_arrival_us, ..Stall::default() };
    }

    /// When the sender will count as stalled if nothing comes, µs on the monotonic clock.
    pub fn deadline_us(&self, unacknowledged: u64) -> Option<u64> {
        self.level.filter(|level| unacknowledged >= *level).map(|_| self.last_arrival_us + QUIET_US)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confirmed_level_closes_early_and_a_refuted_one_is_forgotten() {
        let mut stall = Stall::default();
        stall.arrived(1_000);
        assert_eq!(stall.deadline_us(20), None, "nothing learnt yet");
        stall.closed(20, 1_000_000);
        stall.acknowledged(1_010_000);
        stall.arrived(1_011_000);
        assert_eq!(stall.deadline_us(19), None);
        assert_eq!(stall.deadline_us(20), Some(1_021_000));
        stall.closed(20, 1_021_000);
        stall.acknowledged(1_030_000);
        stall.arrived(1_500_000);
        assert_eq!(stall.deadline_us(20), None, "it had not been waiting");
    }

    #[test]
    fn a_busy_sender_is_not_stalled() {
        let mut stall = Stall::default();
        stall.arrived(999_000);
        stall.closed(500, 1_000_000);
        stall.acknowledged(1_030_000);
        stall.arrived(1_031_000);
        assert_eq!(stall.deadline_us(500), None);
    }
}
