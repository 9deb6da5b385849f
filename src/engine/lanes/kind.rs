//! The kinds of lanes, and what each asks of its input and of memory.

use crate::engine::lanes::{Comoments, Histogram, Keep, Kept, List, Moments, Numbers, Precision, Quantiles, Registers, Set, Shape, Tally};

/// What a lane accumulates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum LaneKind {
    Count,
    SumLong,
    /// As `SumLong`, but a sum that leaves 64 bits is given up ([`SUM_LOST`](super::SUM_LOST)) instead of refusing the row.
    SumTry,
    SumDouble,
    MinLong,
    MaxLong,
    MinDouble,
    MaxDouble,
    MinText,
    MaxText,
    Moments,
    Shape,
    /// Of the first two columns.
    Comoments,
    BitAnd,
    BitOr,
    BitXor,
    /// One value: of the second column where there is one, by the first. `nulls`: rows without a value count too.
    Kept {
        keep: Keep,
        nulls: bool,
    },
    /// All values; `ordered`: with the further columns as sort key before each.
    List {
        nulls: bool,
        ordered: bool,
    },
    /// Different values of all columns.
    Set {
        nulls: bool,
    },
    /// Frequencies of values of any type.
    Tally,
    /// Frequencies of numbers; as often as the second column says where there is one.
    Numbers,
    Quantiles(Precision),
    /// HyperLogLog++ of this precision.
    Registers(u8),
    /// So many bins.
    Histogram(u32),
}

impl LaneKind {
    /// Bytes of one cell in memory, without what varies.
    pub fn cell_bytes(self) -> usize {
        match self {
            LaneKind::SumLong | LaneKind::SumTry | LaneKind::MinText | LaneKind::MaxText => 16,
            LaneKind::Moments => size_of::<Moments>(),
            LaneKind::Shape => size_of::<Shape>(),
            LaneKind::Comoments => size_of::<Comoments>(),
            LaneKind::Kept { .. } => size_of::<Kept>(),
            LaneKind::List { .. } => size_of::<List>(),
            LaneKind::Set { .. } => size_of::<Set>(),
            LaneKind::Tally => size_of::<Tally>(),
            LaneKind::Numbers => size_of::<Numbers>(),
            LaneKind::Quantiles(_) => size_of::<Quantiles>(),
            LaneKind::Registers(_) => size_of::<Registers>(),
            LaneKind::Histogram(_) => size_of::<Histogram>(),
            _ => 8,
        }
    }

    /// Whether cells have memory beyond their width.
    pub fn is_loose(self) -> bool {
        matches!(self, LaneKind::MinText | LaneKind::MaxText) || self.grows()
    }

    /// Whether a row may add to a cell's memory without a bound of its own.
    pub fn grows(self) -> bool {
        use LaneKind as K;
        matches!(
            self,
            K::Kept { .. } | K::List { .. } | K::Set { .. } | K::Tally | K::Numbers | K::Quantiles(_) | K::Registers(_) | K::Histogram(_)
        )
    }

    /// Whether the first column is read as 64-bit integers.
    pub fn reads_longs(self) -> bool {
        use LaneKind as K;
        matches!(self, K::SumLong | K::SumTry | K::MinLong | K::MaxLong | K::BitAnd | K::BitOr | K::BitXor)
    }

    /// Whether the first column is read as doubles.
    pub fn reads_doubles(self) -> bool {
        use LaneKind as K;
        matches!(
            self,
            K::SumDouble
                | K::MinDouble
                | K::MaxDouble
                | K::Moments
                | K::Shape
                | K::Comoments
                | K::Numbers
                | K::Quantiles(_)
                | K::Histogram(_)
        )
    }

    /// Whether values are kept as they are, of whatever length.
    pub fn keeps_values(self) -> bool {
        use LaneKind as K;
        matches!(self, K::MinText | K::MaxText | K::Kept { .. } | K::List { .. } | K::Set { .. } | K::Tally)
    }

    /// Whether cells depend on the rows' numbers in order of arrival.
    pub fn is_sequenced(self) -> bool {
        matches!(self, LaneKind::Kept { .. } | LaneKind::List { .. } | LaneKind::Set { .. })
    }

    /// Whether rows whose columns are NULL take part.
    pub fn takes_nulls(self) -> bool {
        matches!(self, LaneKind::Kept { nulls: true, .. } | LaneKind::List { nulls: true, .. } | LaneKind::Set { nulls: true })
    }
}
