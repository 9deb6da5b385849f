//! Speculation: payloads of one device are alike but for their values. A template is what stood between the values of a message that
//! was read before, byte for byte; a message that repeats it needs no names looked up. One that does not is read the general way.
//!
//! Invariant: a template accepts only what the general way accepts, with the same result. So it is learned only from objects in which no member
//! on a path came twice, and a value is read by the same rules.
//!
//! Limits: [`STEPS_MAX`] values and [`LITERAL_BYTES_MAX`] between them.

use super::super::row::Target;
use super::super::words;
use super::{Row, scan};

pub const STEPS_MAX: usize = 256;
pub const LITERAL_BYTES_MAX: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// No column wants the value. At most this many containers stand around it.
    Skip {
        depth: u8,
    },
    Read {
        slot: u16,
        target: Target,
        depth: u8,
    },
}

#[derive(Clone, Copy, Debug)]
struct Step {
    /// The text before the value begins where the last step's ends in `literals`, and ends here.
    literal_end: u16,
    action: Action,
}

/// Values of a message in order: where they stand and what is done with them. Kept to learn a template.
#[derive(Default)]
pub struct Trace {
    values: Vec<(usize, usize, Action)>,
    failed: bool,
}

impl Trace {
    pub fn clear(&mut self) {
        self.values.clear();
        self.failed = false;
    }

    pub fn add(&mut self, start: usize, end: usize, action: Action) {
        if self.values.len() < STEPS_MAX { self.values.push((start, end, action)) } else { self.failed = true }
    }

    /// Where each value begins and ends; `None` if the message must not be learned from.
    pub fn values(&self) -> Option<&[(usize, usize, Action)]> {
        (!self.failed).then_some(&self.values)
    }

    /// The message is one that no template can stand for.
    pub fn fail(&mut self) {
        self.failed = true;
    }
}

#[derive(Default)]
pub struct Template {
    literals: Vec<u8>,
    steps: Vec<Step>,
}

impl Template {
    /// The template of the object at `start..end` of `text`; `None` if it is too long or must not be one.
    pub fn learn(trace: &Trace, text: &[u8], start: usize, end: usize) -> Option<Template> {
        let mut template = Template::default();
        let mut at = start;
        for (value_start, value_end, action) in trace.values()? {
            template.literals.extend_from_slice(&text[at..*value_start]);
            if template.literals.len() > LITERAL_BYTES_MAX {
                return None;
            }
            template.steps.push(Step { literal_end: template.literals.len() as u16, action: *action });
            at = *value_end;
        }
        template.literals.extend_from_slice(&text[at..end]);
        (template.literals.len() <= LITERAL_BYTES_MAX).then_some(template)
    }

    /// Reads an object that repeats the template, into `row.slots`; returns where it ends. `None`: it does not, and the slots hold anything.
    #[inline]
    pub fn read(&self, text: &[u8], start: usize, row: &mut Row) -> Option<usize> {
        let mut at = start;
        let mut literal_start = 0;
        for step in &self.steps {
            let literal_end = usize::from(step.literal_end);
            at = after(text, at, &self.literals[literal_start..literal_end])?;
            literal_start = literal_end;
            at = match step.action {
                Action::Skip { depth } => scan::value(text, at, usize::from(depth)).ok()?.end,
                Action::Read { slot, target, depth } => row.read_value(text, at, usize::from(slot), target, usize::from(depth)).ok()?,
            };
        }
        after(text, at, &self.literals[literal_start..])
    }
}

/// Where `text` goes on after `literal`, if that stands at `at`.
#[inline(always)]
fn after(text: &[u8], at: usize, literal: &[u8]) -> Option<usize> {
    let end = at + literal.len();
    words::same(text.get(at..end)?, literal).then_some(end)
}
