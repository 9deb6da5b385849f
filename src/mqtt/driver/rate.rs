//! So many messages a second and no more: a token bucket that holds a second's worth.

/// Counts what was taken. Reads no clock: µs are given.
#[derive(Clone, Debug)]
pub struct Rate {
    /// `None`: no limit.
    per_second: Option<f64>,
    tokens: f64,
    at_us: u64,
}

impl Rate {
    pub fn new(per_second: Option<f64>) -> Rate {
        Rate { per_second, tokens: per_second.unwrap_or(0.0).max(1.0), at_us: 0 }
    }

    /// Takes `count` messages, which may be more than there is room for: the next ones wait for longer then.
    pub fn take(&mut self, count: usize, now_us: u64) {
        self.fill(now_us);
        self.tokens -= count as f64;
    }

    /// How long to wait before the next message, µs; 0 if it may come at once.
    pub fn wait_us(&mut self, now_us: u64) -> u64 {
        self.fill(now_us);
        match self.per_second {
            Some(per_second) if self.tokens < 1.0 => ((1.0 - self.tokens) / per_second * 1e6).ceil() as u64,
            _ => 0,
        }
    }

    fn fill(&mut self, now_us: u64) {
        let Some(per_second) = self.per_second else { return };
        let since_us = now_us.saturating_sub(self.at_us);
        self.tokens = (self.tokens + since_us as f64 / 1e6 * per_second).min(per_second.max(1.0));
        self.at_us = self.at_us.max(now_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_rate_is_kept_whatever_comes_at_once() {
        for at_once in [1usize, 7, 500] {
            let (mut rate, mut now_us, mut taken) = (Rate::new(Some(100.0)), 0, 0);
            while now_us < 60_000_000 {
                let wait_us = rate.wait_us(now_us);
                if wait_us == 0 {
                    rate.take(at_once, now_us);
                    taken += at_once;
                } else {
                    now_us += wait_us;
                }
            }
            assert!((6_000..=6_100 + at_once).contains(&taken), "{taken} of 6000 in a minute, {at_once} at once");
        }
    }

    #[test]
    fn slow_rates_and_none() {
        let mut slow = Rate::new(Some(0.1));
        slow.take(1, 0);
        assert_eq!(slow.wait_us(0), 10_000_000);
        assert_eq!(slow.wait_us(10_000_000), 0);
        let mut none = Rate::new(None);
        none.take(1_000_000, 0);
        assert_eq!(none.wait_us(0), 0);
    }
}
