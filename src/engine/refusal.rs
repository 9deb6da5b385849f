//! Why an operator that groups did not take a row in.

use crate::engine::keyer::KEY_BYTES_MAX;
use crate::engine::room::GROUP_BYTES_MAX;

/// The reason; the operator's state is as if the row had not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    KeyLength,
    Keys,
    Bytes,
    GroupBytes,
    Overflow,
}

impl Refusal {
    /// Whether the operator was full.
    pub fn is_for_want_of_room(self) -> bool {
        matches!(self, Refusal::Keys | Refusal::Bytes | Refusal::GroupBytes)
    }

    /// For people. `keys_max`, `bytes_max`: the operator's limits.
    pub fn reason(self, keys_max: usize, bytes_max: usize) -> String {
        match self {
            Refusal::KeyLength => format!("the group key is longer than {KEY_BYTES_MAX} bytes; group by a part of it: left(x, 100)"),
            Refusal::Keys => {
                format!("the query holds {keys_max} keys, its limit; rows with further keys are rejected until some are gone")
            }
            Refusal::Bytes => format!(
                "the query's state has reached its limit of {bytes_max} bytes; rows that need more are rejected until windows close"
            ),
            Refusal::GroupBytes => {
                format!("an aggregate keeps at most {GROUP_BYTES_MAX} bytes of a group's values, and this group has reached them")
            }
            Refusal::Overflow => "a sum of integers does not fit in BIGINT; sum(CAST(x AS DOUBLE)) does, try_sum(x) gives NULL".to_owned(),
        }
    }
}
