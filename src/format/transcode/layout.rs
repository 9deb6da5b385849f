//! What a binary frame is made of. Made by the configuration, read by `binary`.
//!
//! Fields stand one after the other unless they say at which byte; a group is a run of equal elements and becomes an ARRAY of STRUCTs.
//!
//! Limits: [`FIELDS_MAX`] fields, groups within groups to [`DEPTH_MAX`], [`ELEMENTS_MAX`] elements of a group.

/// Fields of a frame, those of its groups included.
pub const FIELDS_MAX: usize = 1024;
/// Groups within groups.
pub const DEPTH_MAX: usize = 4;
/// Elements of one group.
pub const ELEMENTS_MAX: usize = 65_536;

#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    pub items: Vec<Item>,
    /// Bytes behind the last field make a frame bad, unless they are to be ignored.
    pub rest_ignored: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    Field(BinaryField),
    Group(Group),
    /// Bytes without meaning.
    Skip(usize),
}

#[derive(Clone, Debug, PartialEq)]
pub struct BinaryField {
    pub name: String,
    /// Byte from the beginning of the frame, or of the group's element; `None`: behind the field before.
    pub offset: Option<usize>,
    pub kind: Kind,
    pub endian: Endian,
    pub scaling: Option<Scaling>,
    /// Bits of an integer, each a value of its own instead of the whole.
    pub bits: Vec<BitField>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// So many bytes, 1 to 8.
    Unsigned(usize),
    Signed(usize),
    /// IEEE 754 of 4 bytes, of 8 bytes.
    Float,
    Double,
    /// Two decimal digits a byte, the more significant first; so many bytes, at most 8.
    Bcd(usize),
    /// A text of so many bytes, up to its first NUL; `None`: to the end of the frame.
    Text(Option<usize>),
    Bytes(Option<usize>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endian {
    Big,
    Little,
}

/// value × scale + add. A scale such as 0.1 divides by its whole inverse instead, so that 213 becomes 21.3 and not 21.300000000000001.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaling {
    pub scale: f64,
    pub add: f64,
}

/// Bits `lowest..lowest + width` of an integer, bit 0 being the least significant. One bit is a BOOLEAN.
#[derive(Clone, Debug, PartialEq)]
pub struct BitField {
    pub name: String,
    pub lowest: u32,
    pub width: u32,
    pub scaling: Option<Scaling>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    pub name: String,
    pub count: Count,
    pub items: Vec<Item>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Count {
    Fixed(usize),
    /// The value of an earlier field of that name, as it stands in the frame.
    Field(String),
    /// As many as the rest of the frame holds.
    Rest,
}

impl Scaling {
    pub fn apply(self, value: f64) -> f64 {
        let inverse = (1.0 / self.scale).round();
        let scaled = if self.scale.abs() < 1.0 && 1.0 / inverse == self.scale { value / inverse } else { value * self.scale };
        scaled + self.add
    }
}

impl Kind {
    /// Bytes of a value; `None` for one that reaches to the end of the frame.
    pub fn width(self) -> Option<usize> {
        match self {
            Kind::Unsigned(width) | Kind::Signed(width) | Kind::Bcd(width) => Some(width),
            Kind::Float => Some(4),
            Kind::Double => Some(8),
            Kind::Text(width) | Kind::Bytes(width) => width,
        }
    }

    pub fn is_integer(self) -> bool {
        matches!(self, Kind::Unsigned(_) | Kind::Signed(_) | Kind::Bcd(_))
    }
}
