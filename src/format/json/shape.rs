//! A second speculation, before the templates: that a payload has not only the text between the values but also the widths of the last
//! payload of its length. Then that text is compared a word at a time, and the values are where they were.
//!
//! Invariant: as for a template, a shape accepts only what the general way accepts, with the same result. It may decline anything.
//!
//! Limits: payloads of [`SHAPE_BYTES_MAX`]; one shape for each length modulo [`SHAPES_MAX`].

use super::super::convert::Converter;
use super::super::number::{POWERS_OF_TEN, eight_digits_value};
use super::super::row::{Slot, Target, TextRef};
use super::super::words;
use super::template::{Action, Trace};

pub const SHAPE_BYTES_MAX: usize = 512;
pub const SHAPES_MAX: usize = 16;
/// Payloads of its length that a shape may fail before it is replaced.
const MISSES_MAX: u8 = 8;

/// Digits of an integer, as two runs.
const INTEGER_DIGITS_MAX: usize = 16;

/// Eight bytes of the payload.
#[derive(Clone, Copy, Default)]
struct WordRule {
    value: u64,
    /// Bytes that must be as in `value`.
    fixed: u64,
}

/// At most eight bytes that end at `end`.
#[derive(Clone, Copy)]
struct Run {
    end: u16,
    /// Those bytes in the word that ends with them.
    mask: u64,
}

enum Field {
    /// `inside` is the end of the string, or all of it where it is short.
    Text {
        slot: u16,
        start: u16,
        inside: Run,
    },
    SkippedText {
        start: u16,
        inside: Run,
    },
    /// `run` is the number without its point: the digits before it, a byte later than they stand, and those after it.
    Decimal {
        slot: u16,
        negative: bool,
        run: Run,
        whole: u64,
        fraction: u64,
        scale: f64,
    },
    Integer {
        slot: u16,
        target: Target,
        negative: bool,
        high: Run,
        low: Run,
    },
    /// All bytes of the value are fixed, so the value is.
    Constant {
        slot: u16,
        value: Slot,
    },
}

pub struct Shape {
    len: usize,
    /// By eight bytes.
    rules: Vec<WordRule>,
    /// The last eight bytes.
    last: WordRule,
    fields: Vec<Field>,
    /// Where the first of several digits stands: it must not be 0.
    leading: Vec<u16>,
}

#[derive(Default)]
pub struct Shapes {
    slots: [ShapeSlot; SHAPES_MAX],
}

#[derive(Default)]
struct ShapeSlot {
    shape: Option<Shape>,
    misses: u8,
}

impl Shapes {
    /// Reads a payload that is one object into `slots`, all NULL before. `false`: it has no known shape, and the slots hold anything.
    #[inline(always)]
    pub fn read(&mut self, payload: &[u8], slots: &mut [Slot], converter: &Converter) -> bool {
        let slot = &mut self.slots[payload.len() % SHAPES_MAX];
        match &slot.shape {
            Some(shape) if shape.len == payload.len() && shape.read(payload, slots, converter).is_some() => {
                slot.misses = 0;
                true
            }
            _ => false,
        }
    }

    /// A payload of this length was read otherwise; returns whether its shape should be learned.
    #[inline]
    pub fn missed(&mut self, len: usize) -> bool {
        let slot = &mut self.slots[len % SHAPES_MAX];
        slot.misses = slot.misses.saturating_add(1);
        len <= SHAPE_BYTES_MAX && (slot.shape.is_none() || slot.misses >= MISSES_MAX)
    }

    /// Remembers the shape of a payload that was read into `slots` the general way, if it has one.
    pub fn learn(&mut self, trace: &Trace, payload: &[u8], slots: &[Slot]) {
        let slot = &mut self.slots[payload.len() % SHAPES_MAX];
        slot.misses = 0;
        if let Some(shape) = Shape::learn(trace, payload, slots) {
            slot.shape = Some(shape);
        }
    }
}

impl Shape {
    #[inline(always)]
    fn read(&self, payload: &[u8], slots: &mut [Slot], converter: &Converter) -> Option<()> {
        for (rule, chunk) in self.rules.iter().zip(payload.as_chunks::<8>().0) {
            if !rule.allows(u64::from_le_bytes(*chunk)) {
                return None;
            }
        }
        if !self.last.allows(u64::from_le_bytes(*payload.last_chunk::<8>()?)) {
            return None;
        }
        for at in &self.leading {
            if payload[usize::from(*at)] == b'0' {
                return None;
            }
        }
        for field in &self.fields {
            let (slot, value) = match field {
                Field::Text { slot, start, inside } => {
                    is_plain(payload, *start, inside).then_some(())?;
                    (slot, Slot::Text(TextRef::in_payload(usize::from(*start), usize::from(inside.end))))
                }
                Field::SkippedText { start, inside } => {
                    is_plain(payload, *start, inside).then_some(())?;
                    continue;
                }
                Field::Decimal { slot, negative, run, whole, fraction, scale } => {
                    let word = run.word(payload)?;
                    let magnitude = digits((word & whole) << 8 | word & fraction, run.mask)? as f64 / scale;
                    if *negative && *whole == 0 && magnitude == 0.0 {
                        // An integer 0 has no sign: left to the general way.
                        return None;
                    }
                    (slot, Slot::Double(if *negative { -magnitude } else { magnitude }))
                }
                Field::Integer { slot, target, negative, high, low } => {
                    let mut value = digits(low.word(payload)? & low.mask, low.mask)?;
                    if high.mask != 0 {
                        value += digits(high.word(payload)? & high.mask, high.mask)? * 100_000_000;
                    }
                    let value = if *negative { -(value as i64) } else { value as i64 };
                    match target {
                        Target::Timestamp => (slot, Slot::Timestamp(converter.micros(value)?)),
                        Target::Int => (slot, Slot::Int(i32::try_from(value).ok()?)),
                        _ => (slot, Slot::BigInt(value)),
                    }
                }
                Field::Constant { slot, value } => (slot, *value),
            };
            slots[usize::from(*slot)] = value;
        }
        Some(())
    }

    fn learn(trace: &Trace, payload: &[u8], slots: &[Slot]) -> Option<Shape> {
        let len = payload.len();
        if !(8..=SHAPE_BYTES_MAX).contains(&len) {
            return None;
        }
        let mut shape = Shape { len, rules: Vec::new(), last: WordRule::default(), fields: Vec::new(), leading: Vec::new() };
        let mut fixed = vec![true; len];
        for (start, end, action) in trace.values()? {
            shape.learn_value(payload, *start, *end, *action, slots, &mut fixed)?;
        }
        shape.rules = payload.chunks_exact(8).zip(fixed.chunks_exact(8)).map(|(bytes, fixed)| WordRule::new(bytes, fixed)).collect();
        shape.last = WordRule::new(&payload[len - 8..], &fixed[len - 8..]);
        Some(shape)
    }

    /// `None`: a value of this form has no shape.
    fn learn_value(&mut self, payload: &[u8], start: usize, end: usize, action: Action, slots: &[Slot], fixed: &mut [bool]) -> Option<()> {
        let text = &payload[start..end];
        let read = match action {
            Action::Skip { .. } => None,
            Action::Read { slot, target, .. } => Some((slot, target)),
        };
        if text[0] == b'"' && !text.contains(&b'\\') && read.is_none_or(|(_, target)| target == Target::Text) {
            fixed[start + 1..end - 1].fill(false);
            let (start, inside) = (start as u16 + 1, Run::new((start + 1).max((end - 1).saturating_sub(8)), end - 1)?);
            self.fields.push(match read {
                Some((slot, _)) => Field::Text { slot, start, inside },
                None => Field::SkippedText { start, inside },
            });
            return Some(());
        }
        // What is skipped stays as it is, numbers too: they are not worth a field.
        let Some((slot, target)) = read else { return Some(()) };
        let field = match (decimal(text), target) {
            (Some(number), Target::Double) => number.decimal_field(slot, start, end)?,
            (Some(number), Target::Timestamp | Target::BigInt | Target::Int) => number.integer_field(slot, target, start, end)?,
            _ => match slots[usize::from(slot)] {
                Slot::Text(_) => return None,
                value => Field::Constant { slot, value },
            },
        };
        if let (Some(number), Field::Decimal { .. } | Field::Integer { .. }) = (decimal(text), &field) {
            let first = start + usize::from(number.negative);
            fixed[first..first + number.whole].fill(false);
            fixed[end - number.places..end].fill(false);
            if number.whole > 1 {
                self.leading.push(first as u16);
            }
        }
        self.fields.push(field);
        Some(())
    }
}

impl WordRule {
    fn new(bytes: &[u8], fixed: &[bool]) -> WordRule {
        let mut rule = WordRule::default();
        for (at, (byte, _)) in bytes.iter().zip(fixed).enumerate().filter(|(_, (_, fixed))| **fixed) {
            rule.value |= u64::from(*byte) << (8 * at);
            rule.fixed |= 0xFF << (8 * at);
        }
        rule
    }

    #[inline(always)]
    fn allows(&self, word: u64) -> bool {
        (word ^ self.value) & self.fixed == 0
    }
}

impl Run {
    /// `None` where it is too long, or where no eight bytes stand before its end.
    fn new(start: usize, end: usize) -> Option<Run> {
        let mask = if start == end { 0 } else { u64::MAX << (64 - 8 * (end - start).min(8)) };
        (end >= 8 && end - start <= 8).then_some(Run { end: end as u16, mask })
    }

    #[inline(always)]
    fn word(&self, payload: &[u8]) -> Option<u64> {
        words::word(payload, usize::from(self.end) - 8)
    }
}

/// The number of the digits in the bytes of `mask`; `None` if one is no digit. The other bytes of `word` are 0.
#[inline(always)]
fn digits(word: u64, mask: u64) -> Option<u64> {
    let halves = word ^ (words::repeated(b'0') & mask);
    // 6 added to a half byte above 9 carries.
    let wrong = (halves | halves.wrapping_add(words::repeated(6) & mask)) & words::repeated(0xF0);
    (wrong == 0).then(|| eight_digits_value(word))
}

/// Whether a string's inside holds no quote, backslash or control character. `inside` is its end, or all of it.
#[inline(always)]
fn is_plain(payload: &[u8], start: u16, inside: &Run) -> bool {
    const ONES: u64 = words::repeated(1);
    // Every such byte is marked; one after it may be marked wrongly, which only declines.
    let marks = |word: u64| {
        let quotes = word ^ words::repeated(b'"');
        let slashes = word ^ words::repeated(b'\\');
        (quotes.wrapping_sub(ONES) & !quotes | slashes.wrapping_sub(ONES) & !slashes | word.wrapping_sub(words::repeated(0x20)) & !word)
            & words::repeated(0x80)
    };
    let before = &payload[usize::from(start)..usize::from(inside.end)];
    let long = before.as_chunks::<8>().0.iter().all(|chunk| marks(u64::from_le_bytes(*chunk)) == 0);
    long && inside.word(payload).is_some_and(|word| marks(word) & inside.mask == 0)
}

/// A decimal without exponent.
#[derive(Clone, Copy)]
struct Decimal {
    negative: bool,
    /// Digits before the point, and after it.
    whole: usize,
    places: usize,
}

fn decimal(text: &[u8]) -> Option<Decimal> {
    let negative = text[0] == b'-';
    let digits = &text[usize::from(negative)..];
    let count = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = count(digits);
    let places = match digits.get(whole) {
        None => 0,
        Some(b'.') => count(&digits[whole + 1..]),
        Some(_) => return None,
    };
    let len = if places == 0 { whole } else { whole + 1 + places };
    (whole > 0 && len == digits.len()).then_some(Decimal { negative, whole, places })
}

impl Decimal {
    /// Of at most eight bytes with the point.
    fn decimal_field(self, slot: u16, start: usize, end: usize) -> Option<Field> {
        let first = start + usize::from(self.negative);
        if self.places == 0 {
            let run = Run::new(first, end)?;
            return Some(Field::Decimal { slot, negative: self.negative, run, whole: 0, fraction: run.mask, scale: 1.0 });
        }
        // The point is not part of the run.
        let bytes = Run::new(first, end)?;
        let fraction = Run::new(end - self.places, end)?.mask;
        let whole = bytes.mask & !fraction & !(fraction >> 8);
        let run = Run { end: bytes.end, mask: whole << 8 | fraction };
        Some(Field::Decimal { slot, negative: self.negative, run, whole, fraction, scale: POWERS_OF_TEN[self.places] })
    }

    fn integer_field(self, slot: u16, target: Target, start: usize, end: usize) -> Option<Field> {
        if self.places > 0 || self.whole > INTEGER_DIGITS_MAX {
            return None;
        }
        let first = start + usize::from(self.negative);
        let middle = end - self.whole.min(8);
        let low = Run::new(middle, end)?;
        let high = if first == middle { Run { end: 8, mask: 0 } } else { Run::new(first, middle)? };
        Some(Field::Integer { slot, target, negative: self.negative, high, low })
    }
}
