//! What a stateful operator may hold, and how it stands to that.
//!
//! The policy is the same everywhere: what an operator holds goes on, rows that would need more are rejected to the dead letters and counted. An
//! operator that has to let go of something it holds counts that as evicted. Neither is silent: both stand in the status.

/// Keys that one operator of a query may hold if nothing is said.
pub const KEYS_MAX_DEFAULT: usize = 1_000_000;

/// Estimated bytes of state that one operator of a query may hold if nothing is said.
pub const STATE_BYTES_MAX_DEFAULT: usize = 256 << 20;

/// The limits of each operator of one query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateLimits {
    pub keys_max: usize,
    /// Estimated memory.
    pub bytes_max: usize,
}

impl Default for StateLimits {
    fn default() -> StateLimits {
        StateLimits { keys_max: KEYS_MAX_DEFAULT, bytes_max: STATE_BYTES_MAX_DEFAULT }
    }
}

/// One stateful operator: what it holds, its limits, how often they were felt since the start.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct OperatorStatus {
    /// As SQL calls it: `GROUP BY`, `JOIN`.
    pub operator: &'static str,
    /// Keys, or rows where it holds those.
    pub keys: usize,
    pub keys_max: usize,
    /// Estimated memory.
    pub bytes: usize,
    pub bytes_max: usize,
    /// Rows rejected for want of room.
    pub rejected: u64,
    /// Keys or rows that it had to let go before their time.
    pub evicted: u64,
}
