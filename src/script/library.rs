//! What scripts can call besides Rhai's own functions: timeouts, durations, times as text.

use std::sync::{Arc, Mutex, PoisonError};

use rhai::{Array, Dynamic, Engine, EvalAltResult, ImmutableString, Position};

use super::limits::{ARRAY_MAX, Budget, STRING_BYTES_MAX};

type Checked<T> = Result<T, Box<EvalAltResult>>;

/// The timeout that a call asks for.
#[derive(Clone, Debug, Default)]
pub struct Timeouts {
    asked: Arc<Mutex<Asked>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    now_us: i64,
    allowed: bool,
    at_us: Option<i64>,
}

impl Timeouts {
    pub fn begin(&self, now_us: i64, allowed: bool) {
        self.with(|asked| *asked = Asked { now_us, allowed, at_us: None });
    }

    pub fn take(&self) -> Option<i64> {
        self.with(|asked| asked.at_us.take())
    }

    fn with<T>(&self, f: impl FnOnce(&mut Asked) -> T) -> T {
        f(&mut self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn at(&self, at_us: i64) -> Checked<()> {
        self.with(|asked| {
            if !asked.allowed {
                return Err(failure("this query has no timeouts: set `timeout` in its [query.<name>.state]"));
            }
            if at_us <= asked.now_us {
                return Err(failure("a timeout must lie after `now`"));
            }
            asked.at_us = Some(at_us);
            Ok(())
        })
    }

    fn after(&self, duration_us: i64) -> Checked<()> {
        let now_us = self.with(|asked| asked.now_us);
        self.at(now_us.saturating_add(duration_us))
    }
}

pub fn register(engine: &mut Engine, timeouts: &Timeouts, budget: &Budget) {
    let own = timeouts.clone();
    engine.register_fn("timeout_at", move |at_us: i64| own.at(at_us));
    let own = timeouts.clone();
    engine.register_fn("timeout_after", move |duration_us: i64| own.after(duration_us));
    let own = timeouts.clone();
    engine.register_fn("no_timeout", move || own.with(|asked| asked.at_us = None));
    for (name, unit_us) in
        [("millis", 1_000), ("seconds", 1_000_000), ("minutes", 60_000_000), ("hours", 3_600_000_000), ("days", 86_400_000_000)]
    {
        engine.register_fn(name, move |count: i64| times(count, unit_us));
        engine.register_fn(name, move |count: f64| Ok::<i64, Box<EvalAltResult>>((count * unit_us as f64) as i64));
    }
    #[cfg(test)]
    engine.register_fn("panic", || -> () { panic!("as a fault of the interpreter would") });
    let own = budget.clone();
    engine.register_fn("pad", move |text: &mut ImmutableString, chars_min: i64, with: &str| {
        own.charge(u64::try_from(chars_min).unwrap_or(0).min(STRING_BYTES_MAX as u64) / 16)?;
        pad(text, chars_min, with)
    });
    engine.register_fn("pad", pad_array);
    engine.register_fn("format_time", format_time);
    engine.register_fn("is_null", |value: Dynamic| value.is_unit());
}

fn times(count: i64, unit_us: i64) -> Checked<i64> {
    count.checked_mul(unit_us).ok_or_else(|| failure("the duration is out of range"))
}

/// In place of Rhai's own, which has no end where `with` is empty.
fn pad(text: &mut ImmutableString, chars_min: i64, with: &str) -> Checked<()> {
    let missing = usize::try_from(chars_min).unwrap_or(0).saturating_sub(text.chars().count());
    if with.is_empty() {
        return Err(failure("there is nothing to pad with"));
    }
    if missing > STRING_BYTES_MAX {
        return Err(Box::new(EvalAltResult::ErrorDataTooLarge("Length of string".to_owned(), Position::NONE)));
    }
    *text += with.chars().cycle().take(missing).collect::<String>().as_str();
    Ok(())
}

/// In place of Rhai's own, which multiplies lengths without looking.
fn pad_array(array: &mut Array, count_min: i64, with: Dynamic) -> Checked<()> {
    let count = usize::try_from(count_min).unwrap_or(0);
    let (elements, text_bytes) = sizes(&with);
    if count.saturating_mul(elements) > ARRAY_MAX || count.saturating_mul(text_bytes) > STRING_BYTES_MAX {
        return Err(Box::new(EvalAltResult::ErrorDataTooLarge("Size of array".to_owned(), Position::NONE)));
    }
    array.resize(count.max(array.len()), with);
    Ok(())
}

/// Values within a value, itself included, and bytes of text.
fn sizes(value: &Dynamic) -> (usize, usize) {
    let all = |values: &mut dyn Iterator<Item = &Dynamic>| {
        values.map(sizes).fold((1, 0), |(count, bytes), (more, longer)| (count + more, bytes + longer))
    };
    if let Ok(items) = value.as_array_ref() {
        all(&mut items.iter())
    } else if let Ok(members) = value.as_map_ref() {
        all(&mut members.values())
    } else {
        (1, value.as_immutable_string_ref().map_or(0, |text| text.len()))
    }
}

/// As `2026-01-31T12:34:56.789Z`.
fn format_time(us: i64) -> Checked<String> {
    jiff::Timestamp::from_microsecond(us).map(|time| time.to_string()).map_err(|_| failure("the time is out of range"))
}

fn failure(message: &str) -> Box<EvalAltResult> {
    Box::new(EvalAltResult::ErrorRuntime(message.into(), Position::NONE))
}
