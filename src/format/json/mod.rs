//! JSON payloads to rows, exactly as Spark's PERMISSIVE reader takes them: an object is a row, an array of objects is several, what
//! follows the payload's value is ignored, a blank payload is no row.
//!
//! A member that does not fit leaves what an earlier member of that name gave; an object on a path begins anew when its name comes again.
//! Each object is tried against the [`Template`]s of the last messages first, and read the general way if none fits.

pub(super) mod scan;
mod template;
mod tree;

use super::FormatError;
use super::convert::Converter;
use super::number;
use super::row::{PayloadColumn, Slot, Target, TextRef, Texts};
use scan::{Fault, Token, TokenKind};
use template::{Action, Template, Trace};
pub use tree::PATH_DEPTH_MAX;
use tree::{NodeId, Tree};

/// Shapes of messages that are remembered.
pub const TEMPLATES_MAX: usize = 4;

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
            slots: vec![Slot::Null; slots],
            unescaped: String::new(),
            visited,
            trace: Trace::default(),
            speculate: true,
        })
    }

    /// Gives the payload's rows to `sink`, in order, until it refuses one. Those given before a fault are for the caller to take back.
    pub fn read<E: From<Fault>>(
        &mut self,
        payload: &str,
        converter: &Converter,
        mut sink: impl FnMut(ReadRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let text = payload.as_bytes();
        let mut at = scan::blank(text, if payload.starts_with('\u{feff}') { 3 } else { 0 });
        match text.get(at) {
            None => return Ok(()),
            Some(b'{') => return self.element(payload, at, 0, converter, &mut sink).map(|_| ()),
            Some(b'[') => {}
            Some(_) => return Err(Fault { at, what: "expected an object or an array of objects" }.into()),
        }
        at = scan::blank(text, at + 1);
        if text.get(at) == Some(&b']') {
            return Ok(());
        }
        loop {
            if text.get(at) != Some(&b'{') {
                return Err(Fault { at, what: "expected an object" }.into());
            }
            at = scan::blank(text, self.element(payload, at, 1, converter, &mut sink)?);
            match text.get(at) {
                Some(b',') => at = scan::blank(text, at + 1),
                Some(b']') => return Ok(()),
                _ => return Err(Fault { at, what: "expected , or ] after an object" }.into()),
            }
        }
    }

    #[inline]
    fn element<E: From<Fault>>(
        &mut self,
        payload: &str,
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
    fn object(&mut self, payload: &str, start: usize, depth: usize, converter: &Converter) -> Result<(usize, usize), Fault> {
        if self.speculate {
            for number in 0..self.templates.len() {
                let mut row = Row::begin(&mut self.slots, &mut self.unescaped, converter);
                if let Some(end) = self.templates[number].read(payload, start, &mut row) {
                    let nulled = row.nulled;
                    if number > 0 {
                        self.templates[..=number].rotate_right(1);
                    }
                    return Ok((end, nulled));
                }
            }
        }
        self.object_in_general(payload, start, depth, converter)
    }

    #[cold]
    fn object_in_general(&mut self, payload: &str, start: usize, depth: usize, converter: &Converter) -> Result<(usize, usize), Fault> {
        self.visited.fill(false);
        self.trace.clear();
        let row = Row::begin(&mut self.slots, &mut self.unescaped, converter);
        let mut general = General { tree: &self.tree, visited: &mut self.visited, trace: &mut self.trace, payload, row };
        let end = general.object(Tree::ROOT, start, depth)?;
        let nulled = general.row.nulled;
        if let Some(template) = Template::learn(&self.trace, payload.as_bytes(), start, end) {
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

    /// Reads the value at `at`, within `depth` containers, into a slot; returns where it ends. The usual values first.
    #[inline]
    fn read_value(&mut self, payload: &str, at: usize, slot: usize, target: Target, depth: usize) -> Result<usize, Fault> {
        let text = payload.as_bytes();
        match text.get(at) {
            Some(b'0'..=b'9' | b'-') if target != Target::Text => {
                if let Some(number) = number::scan(text, at) {
                    match self.converter.number(target, number, &payload[at..number.end]) {
                        Ok(value) => self.slots[slot] = value,
                        Err(_) => self.nulled += 1,
                    }
                    return Ok(number.end);
                }
            }
            Some(b'"') if target == Target::Text => {
                let (end, escaped) = scan::string(text, at)?;
                if !escaped {
                    self.slots[slot] = Slot::Text(TextRef::in_payload(at + 1, end - 1));
                    return Ok(end);
                }
            }
            _ => {}
        }
        let token = scan::value(text, at, depth)?;
        self.convert(payload, &token, slot, target);
        Ok(token.end)
    }

    fn convert(&mut self, payload: &str, token: &Token, slot: usize, target: Target) {
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
    payload: &'a str,
    row: Row<'a>,
}

impl General<'_> {
    /// Reads the object at `start`, which is at `node` of the tree and within `depth` containers; returns where it ends.
    fn object(&mut self, node: NodeId, start: usize, depth: usize) -> Result<usize, Fault> {
        let text = self.payload.as_bytes();
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
        let text = self.payload.as_bytes();
        let raw = &self.payload[name.start..name.end];
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
        let text = self.payload.as_bytes();
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
