//! JSON payloads to rows, exactly as Spark's PERMISSIVE reader takes them: an object is a row, an array of objects is several, what
//! follows the payload's value is ignored, a blank payload is no row.
//!
//! A member that does not fit leaves what an earlier member of that name gave; an object on a path begins anew when its name comes again.
//! Each object is tried against the shapes and [`Template`]s of the last messages first, and read the general way if none fits.

pub(crate) mod copy;
pub(crate) mod scan;
mod shape;
mod template;
mod tree;
pub(crate) mod typed;

use super::FormatError;
use super::convert::{Converter, utf8};
use super::number;
use super::row::{PayloadColumn, Slot, Target, TextRef, Texts};
use scan::{Fault, Token, TokenKind};
use shape::Shapes;
use template::{Action, Template, Trace};
pub use tree::PATH_DEPTH_MAX;
use tree::{NodeId, Tree};

/// Shapes of messages that are remembered.
pub const TEMPLATES_MAX: usize = 4;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Columns read from one payload; slots are numbered in 16 bits.
pub const COLUMNS_MAX: usize = 4096;

/// An element of the payload that was read: its text, and the row.
pub(super) struct ReadRow<'a> {
    pub start: usize,
    pub end: usize,
    pub slots: &'a [Slot],
    pub texts: Texts<'a>,
    /// Fields that did not fit their column.
    pub nulled: usize,
}

pub(super) struct JsonReader {
    tree: Tree,
    /// The last that fitted first.
    templates: Vec<Template>,
    shapes: Shapes,
    slots: Vec<Slot>,
    unescaped: String,
    visited: Vec<bool>,
    trace: Trace,
    /// For tests that compare both ways.
    pub speculate: bool,
}

impl JsonReader {
    /// `slots`: how many slots a row has.
    pub fn new(columns: &[PayloadColumn], slots: usize) -> Result<JsonReader, FormatError> {
        if slots > COLUMNS_MAX {
            return Err(FormatError::TooManyColumns { columns: slots });
        }
        let tree = Tree::new(columns)?;
        let visited = vec![false; tree.len()];
        Ok(JsonReader {
            tree,
            templates: Vec::new(),
            shapes: Shapes::default(),
            slots: vec![Slot::Null; slots],
            unescaped: String::new(),
            visited,
            trace: Trace::default(),
            speculate: true,
        })
    }

    /// Gives the rows of `payload`, which is UTF-8, to `sink`, in order, until it refuses one. Those given before a fault are for the caller to take back.
    pub fn read<E: From<Fault>>(
        &mut self,
        payload: &[u8],
        converter: &Converter,
        mut sink: impl FnMut(ReadRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut at = scan::blank(payload, if payload.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 });
        match payload.get(at) {
            None => return Ok(()),
            Some(b'{') => return self.element(payload, at, 0, converter, &mut sink).map(|_| ()),
            Some(b'[') => {}
            Some(_) => return Err(Fault { at, what: "expected an object or an array of objects" }.into()),
        }
        at = scan::blank(payload, at + 1);
        if payload.get(at) == Some(&b']') {
            return Ok(());
        }
        loop {
            if payload.get(at) != Some(&b'{') {
                return Err(Fault { at, what: "expected an object" }.into());
            }
            at = scan::blank(payload, self.element(payload, at, 1, converter, &mut sink)?);
            match payload.get(at) {
                Some(b',') => at = scan::blank(payload, at + 1),
                Some(b']') => return Ok(()),
                _ => return Err(Fault { at, what: "expected , or ] after an object" }.into()),
            }
        }
    }

    #[inline]
    fn element<E: From<Fault>>(
        &mut self,
        payload: &[u8],
        start: usize,
        depth: usize,
        converter: &Converter,
        sink: &mut impl FnMut(ReadRow) -> Result<(), E>,
    ) -> Result<usize, E> {
        let (end, nulled) = self.object(payload, start, depth, converter)?;
        let texts = Texts { payload, unescaped: &self.unescaped };
        sink(ReadRow { start, end, slots: &self.slots, texts, nulled })?;
        Ok(end)
    }

    /// Reads the object at `start` into the slots; returns where it ends and how many fields did not fit.
    #[inline]
    fn object(&mut self, payload: &[u8], start: usize, depth: usize, converter: &Converter) -> Result<(usize, usize), Fault> {
        if self.speculate {
            if start == 0 {
                let row = Row::begin(&mut self.slots, &mut self.unescaped, converter);
                if self.shapes.read(payload, row.slots, converter) {
                    return Ok((payload.len(), 0));
                }
            }
            for number in 0..self.templates.len() {
                let mut row = Row::begin(&mut self.slots, &mut self.unescaped, converter);
                if let Some(end) = self.templates[number].read(payload, start, &mut row) {
                    let nulled = row.nulled;
                    if number > 0 {
                        self.templates[..=number].rotate_right(1);
                    }
                    if (start, end, nulled) == (0, payload.len(), 0) && self.shapes.missed(end) {
                        return self.learn_shape(payload, converter);
                    }
                    return Ok((end, nulled));
                }
            }
        }
        self.object_in_general(payload, start, depth, converter)
    }

    /// Reads the payload, one object that all fits, once more the general way, which tells where its values stand.
    #[cold]
    fn learn_shape(&mut self, payload: &[u8], converter: &Converter) -> Result<(usize, usize), Fault> {
        let templates = std::mem::take(&mut self.templates);
        let read = self.object_in_general(payload, 0, 0, converter)?;
        self.templates = templates;
        self.shapes.learn(&self.trace, payload, &self.slots);
        Ok(read)
    }

    #[cold]
    fn object_in_general(&mut self, payload: &[u8], start: usize, depth: usize, converter: &Converter) -> Result<(usize, usize), Fault> {
        self.visited.fill(false);
        self.trace.clear();
        let row = Row::begin(&mut self.slots, &mut self.unescaped, converter);
        let mut general = General { tree: &self.tree, visited: &mut self.visited, trace: &mut self.trace, payload, row };
        let end = general.object(Tree::ROOT, start, depth)?;
        let nulled = general.row.nulled;
        if let Some(template) = Template::learn(&self.trace, payload, start, end) {
            self.templates.truncate(TEMPLATES_MAX - 1);
            self.templates.insert(0, template);
        }
        Ok((end, nulled))
    }
}

/// The row that is being read.
struct Row<'a> {
    slots: &'a mut [Slot],
    unescaped: &'a mut String,
    /// Fields that did not fit their column.
    nulled: usize,
    converter: &'a Converter,
}

impl<'a> Row<'a> {
    fn begin(slots: &'a mut [Slot], unescaped: &'a mut String, converter: &'a Converter) -> Row<'a> {
        slots.fill(Slot::Null);
        unescaped.clear();
        Row { slots, unescaped, nulled: 0, converter }
    }

    /// Reads the value at `at`, within `depth` containers, into a slot; returns where it ends. The usual values first, where nothing goes
    /// through memory but the slot.
    #[inline(always)]
    fn read_value(&mut self, payload: &[u8], at: usize, slot: usize, target: Target, depth: usize) -> Result<usize, Fault> {
        match target {
            Target::Text => {
                if payload.get(at) == Some(&b'"') {
                    let end = scan::plain(payload, at + 1, b'"');
                    if payload.get(end) == Some(&b'"') {
                        self.slots[slot] = Slot::Text(TextRef::in_payload(at + 1, end));
                        return Ok(end + 1);
                    }
                }
            }
            Target::Double => {
                if let Some((value, end)) = number::short_decimal(payload, at) {
                    self.slots[slot] = Slot::Double(value);
                    return Ok(end);
                }
            }
            Target::Timestamp => {
                if let Some((value, end)) = number::short_integer(payload, at)
                    && let Some(micros) = self.converter.micros(value)
                {
                    self.slots[slot] = Slot::Timestamp(micros);
                    return Ok(end);
                }
            }
            Target::BigInt => {
                if let Some((value, end)) = number::short_integer(payload, at) {
                    self.slots[slot] = Slot::BigInt(value);
                    return Ok(end);
                }
            }
            Target::Boolean | Target::Int | Target::Float | Target::Nested => {}
        }
        self.read_any(payload, at, slot, target, depth)
    }

    #[inline(never)]
    fn read_any(&mut self, payload: &[u8], at: usize, slot: usize, target: Target, depth: usize) -> Result<usize, Fault> {
        let token = scan::value(payload, at, depth)?;
        self.convert(payload, &token, slot, target);
        Ok(token.end)
    }

    fn convert(&mut self, payload: &[u8], token: &Token, slot: usize, target: Target) {
        match self.converter.token(target, token, payload, self.unescaped) {
            Ok(value) => self.slots[slot] = value,
            Err(_) => self.nulled += 1,
        }
    }
}

/// The general way: every name is looked up.
struct General<'a> {
    tree: &'a Tree,
    visited: &'a mut [bool],
    trace: &'a mut Trace,
    payload: &'a [u8],
    row: Row<'a>,
}

impl General<'_> {
    /// Reads the object at `start`, which is at `node` of the tree and within `depth` containers; returns where it ends.
    fn object(&mut self, node: NodeId, start: usize, depth: usize) -> Result<usize, Fault> {
        let text = self.payload;
        let mut at = scan::blank(text, start + 1);
        if text.get(at) == Some(&b'}') {
            return Ok(at + 1);
        }
        loop {
            let name = scan::member_name(text, at)?;
            at = scan::blank(text, self.member(node, &name, depth + 1)?);
            match text.get(at) {
                Some(b',') => at = scan::blank(text, at + 1),
                Some(b'}') => return Ok(at + 1),
                _ => return Err(Fault { at, what: "expected , or } after a member" }),
            }
        }
    }

    fn member(&mut self, parent: NodeId, name: &scan::MemberName, depth: usize) -> Result<usize, Fault> {
        let text = self.payload;
        let raw = utf8(&text[name.start..name.end]);
        let child = if name.escaped {
            let mut unescaped = String::new();
            scan::unescape(raw, &mut unescaped);
            self.tree.child(parent, &unescaped)
        } else {
            self.tree.child(parent, raw)
        };
        let Some(node) = child else {
            let token = scan::value(text, name.after, depth)?;
            self.trace.add(token.start, token.end, Action::Skip { depth: depth as u8 });
            return Ok(token.end);
        };
        if std::mem::replace(&mut self.visited[node], true) {
            self.trace.fail();
        }
        match self.tree.node(node).leaf {
            Some((slot, target)) => {
                let end = self.row.read_value(self.payload, name.after, slot, target, depth)?;
                self.trace.add(name.after, end, Action::Read { slot: slot as u16, target, depth: depth as u8 });
                Ok(end)
            }
            None => self.inner_object(node, name.after, depth),
        }
    }

    /// A member that paths lead through. What is no object counts as one field that does not fit; NULL empties it.
    fn inner_object(&mut self, node: NodeId, at: usize, depth: usize) -> Result<usize, Fault> {
        let text = self.payload;
        let slots = &mut *self.row.slots;
        if text.get(at) == Some(&b'{') {
            self.tree.for_each_slot(node, &mut |slot| slots[slot] = Slot::Null);
            return self.object(node, at, depth);
        }
        self.trace.fail();
        let token = scan::value(text, at, depth)?;
        match token.kind {
            TokenKind::Null => self.tree.for_each_slot(node, &mut |slot| slots[slot] = Slot::Null),
            _ => self.row.nulled += 1,
        }
        Ok(token.end)
    }
}
