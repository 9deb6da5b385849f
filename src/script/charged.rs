//! Functions that do much work at once, in place of Rhai's own: they cost operations by what they work on, and none makes a value that is over
//! the limits before anybody looks at it.
//!
//! Their results are Rhai's. Not charged, since Rhai lets nobody else do them: writing a character into a text (`s[i] = c`), copying arrays and maps.
//! Each costs one operation whatever its size; what holds scripts that do little else is their time, see `watch`.

use std::ops::{Range, RangeInclusive};

use rhai::{Engine, EvalAltResult, ImmutableString, Map, Position};

use super::limits::{Budget, MAP_MAX, STRING_BYTES_MAX};

type Checked<T> = Result<T, Box<EvalAltResult>>;

/// Bytes of text that cost one operation.
const BYTES_PER_OPERATION: usize = 128;

/// Members of a map that cost one operation.
const MEMBERS_PER_OPERATION: usize = 4;

pub fn register(engine: &mut Engine, budget: &Budget) {
    parts(engine, budget);
    cases(engine, budget);
    replaced(engine, budget);
    maps(engine, budget);
}

fn text(budget: &Budget, bytes: usize) -> Checked<()> {
    budget.charge((bytes / BYTES_PER_OPERATION) as u64)
}

fn members(budget: &Budget, count: usize) -> Checked<()> {
    budget.charge((count / MEMBERS_PER_OPERATION) as u64)
}

/// `sub_string` and `crop`.
fn parts(engine: &mut Engine, budget: &Budget) {
    let taken = |budget: &Budget, whole: &str, start: i64, count: i64| -> Checked<ImmutableString> {
        text(budget, whole.len())?;
        Ok(part(whole, start, count).into())
    };
    let b = budget.clone();
    engine.register_fn("sub_string", move |whole: &str, start: i64| taken(&b, whole, start, i64::MAX));
    let b = budget.clone();
    engine.register_fn("sub_string", move |whole: &str, start: i64, count: i64| taken(&b, whole, start, count));
    let b = budget.clone();
    engine.register_fn("sub_string", move |whole: &str, range: Range<i64>| {
        let (start, count) = exclusive(&range);
        taken(&b, whole, start, count)
    });
    let b = budget.clone();
    engine.register_fn("sub_string", move |whole: &str, range: RangeInclusive<i64>| {
        let (start, count) = inclusive(&range);
        taken(&b, whole, start, count)
    });
    let b = budget.clone();
    engine.register_fn("crop", move |whole: &mut ImmutableString, start: i64| put(whole, |whole| taken(&b, whole, start, i64::MAX)));
    let b = budget.clone();
    engine
        .register_fn("crop", move |whole: &mut ImmutableString, start: i64, count: i64| put(whole, |whole| taken(&b, whole, start, count)));
    let b = budget.clone();
    engine.register_fn("crop", move |whole: &mut ImmutableString, range: Range<i64>| {
        let (start, count) = exclusive(&range);
        put(whole, |whole| taken(&b, whole, start, count))
    });
    let b = budget.clone();
    engine.register_fn("crop", move |whole: &mut ImmutableString, range: RangeInclusive<i64>| {
        let (start, count) = inclusive(&range);
        put(whole, |whole| taken(&b, whole, start, count))
    });
}

fn put(whole: &mut ImmutableString, make: impl FnOnce(&str) -> Checked<ImmutableString>) -> Checked<()> {
    *whole = make(whole)?;
    Ok(())
}

/// Start and count of a range, which does not begin before the text.
fn exclusive(range: &Range<i64>) -> (i64, i64) {
    let start = range.start.max(0);
    (start, range.end.max(start) - start)
}

fn inclusive(range: &RangeInclusive<i64>) -> (i64, i64) {
    let start = (*range.start()).max(0);
    (start, (*range.end()).max(start).min(i64::MAX - 1) - start + 1)
}

/// Up to `count` characters from the one numbered `start`, counted from the end where negative.
fn part(whole: &str, start: i64, count: i64) -> &str {
    let at = |index: usize| whole.char_indices().nth(index).map_or(whole.len(), |(at, _)| at);
    let from = if start >= 0 {
        at(usize::try_from(start).unwrap_or(usize::MAX))
    } else {
        let back = usize::try_from(start.unsigned_abs()).unwrap_or(usize::MAX);
        whole.char_indices().rev().nth(back - 1).map_or(0, |(at, _)| at)
    };
    let rest = &whole[from..];
    let count = usize::try_from(count).unwrap_or(0);
    &rest[..rest.char_indices().nth(count).map_or(rest.len(), |(at, _)| at)]
}

/// `to_upper` and its like.
fn cases(engine: &mut Engine, budget: &Budget) {
    for (to, make, change) in
        [("to_upper", "make_upper", str::to_uppercase as fn(&str) -> String), ("to_lower", "make_lower", str::to_lowercase)]
    {
        let b = budget.clone();
        engine.register_fn(to, move |whole: &str| -> Checked<String> {
            text(&b, whole.len())?;
            Ok(change(whole))
        });
        let b = budget.clone();
        engine.register_fn(make, move |whole: &mut ImmutableString| {
            put(whole, |whole| {
                text(&b, whole.len())?;
                Ok(change(whole).into())
            })
        });
    }
}

/// `replace`, of text or a character by text or a character.
fn replaced(engine: &mut Engine, budget: &Budget) {
    let b = budget.clone();
    engine.register_fn("replace", move |whole: &mut ImmutableString, find: &str, with: &str| replace(&b, whole, find, with));
    let b = budget.clone();
    engine.register_fn("replace", move |whole: &mut ImmutableString, find: char, with: &str| {
        replace(&b, whole, find.encode_utf8(&mut [0; 4]), with)
    });
    let b = budget.clone();
    engine.register_fn("replace", move |whole: &mut ImmutableString, find: &str, with: char| {
        replace(&b, whole, find, with.encode_utf8(&mut [0; 4]))
    });
    let b = budget.clone();
    engine.register_fn("replace", move |whole: &mut ImmutableString, find: char, with: char| {
        replace(&b, whole, find.encode_utf8(&mut [0; 4]), with.encode_utf8(&mut [0; 4]))
    });
}

fn replace(budget: &Budget, whole: &mut ImmutableString, find: &str, with: &str) -> Checked<()> {
    if whole.is_empty() {
        return Ok(());
    }
    text(budget, whole.len())?;
    let found = whole.matches(find).count();
    let bytes = whole.len() - found * find.len() + found.saturating_mul(with.len());
    if bytes > STRING_BYTES_MAX {
        return Err(too_large("Length of string"));
    }
    text(budget, bytes)?;
    *whole = whole.replace(find, with).into();
    Ok(())
}

/// `+`, `+=`, `mixin`, `merge` and `fill_with` of maps.
fn maps(engine: &mut Engine, budget: &Budget) {
    let b = budget.clone();
    let sum = move |mut map: Map, other: Map| -> Checked<Map> {
        both(&b, &map, &other)?;
        map.extend(other);
        Ok(map)
    };
    engine.register_fn("+", sum.clone()).register_fn("merge", sum);
    let b = budget.clone();
    let mixin = move |map: &mut Map, other: Map| -> Checked<()> {
        both(&b, map, &other)?;
        map.extend(other);
        Ok(())
    };
    engine.register_fn("+=", mixin.clone()).register_fn("mixin", mixin);
    let b = budget.clone();
    engine.register_fn("fill_with", move |map: &mut Map, other: Map| -> Checked<()> {
        both(&b, map, &other)?;
        other.into_iter().for_each(|(name, value)| _ = map.entry(name).or_insert(value));
        Ok(())
    });
}

fn both(budget: &Budget, map: &Map, other: &Map) -> Checked<()> {
    members(budget, map.len() + other.len())?;
    if map.len() + other.len() > 2 * MAP_MAX { Err(too_large("Size of object map")) } else { Ok(()) }
}

fn too_large(what: &str) -> Box<EvalAltResult> {
    Box::new(EvalAltResult::ErrorDataTooLarge(what.to_owned(), Position::NONE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_those_of_rhai() {
        let mut own = Engine::new_raw();
        let budget = Budget::default();
        budget.begin(1 << 40);
        let packages = |engine: &mut Engine| {
            use rhai::packages::{BasicIteratorPackage, BasicMapPackage, BasicStringPackage, MoreStringPackage, Package};
            engine.register_global_module(BasicStringPackage::new().as_shared_module());
            engine.register_global_module(MoreStringPackage::new().as_shared_module());
            engine.register_global_module(BasicIteratorPackage::new().as_shared_module());
            engine.register_global_module(BasicMapPackage::new().as_shared_module());
        };
        packages(&mut own);
        register(&mut own, &budget);
        let mut rhai = Engine::new_raw();
        packages(&mut rhai);
        let mut compared = 0;
        for whole in ["", "a", "größe 😀 x", "aXbXc"] {
            let mut calls = vec!["s.to_upper()".to_owned(), "s.make_lower(); s".to_owned(), "s.replace(\"\", \"-\"); s".to_owned()];
            for (find, with) in [("\"X\"", "\"yy\""), ("'ö'", "\"\""), ("\"aX\"", "'z'"), ("'a'", "'ß'"), ("\"\"", "'.'")] {
                calls.push(format!("s.replace({find}, {with}); s"));
            }
            let numbers = ["-9223372036854775807 - 1", "-9", "-2", "-1", "0", "1", "4", "9", "10", "9223372036854775807"];
            for start in numbers {
                calls.push(format!("s.sub_string({start})"));
                calls.push(format!("s.crop({start}); s"));
                for count in numbers {
                    for call in [format!("{start}, {count}"), format!("({start})..({count})"), format!("({start})..=({count})")] {
                        calls.push(format!("s.sub_string({call})"));
                        calls.push(format!("s.crop({call}); s"));
                    }
                }
            }
            for call in calls {
                let script = format!("let s = \"{whole}\"; {call}");
                let (ours, theirs) = (own.eval::<String>(&script), rhai.eval::<String>(&script));
                assert_eq!(ours.map_err(|error| error.to_string()), theirs.map_err(|error| error.to_string()), "{script}");
                compared += 1;
            }
        }
        for call in
            ["let m = #{a: 1} + #{b: 2}; m", "let m = #{a: 1, b: 1}; m += #{b: 2}; m", "let m = #{a: 1}; m.fill_with(#{a: 2, c: 3}); m"]
        {
            assert_eq!(own.eval::<Map>(call).unwrap().len(), rhai.eval::<Map>(call).unwrap().len(), "{call}");
        }
        assert!(compared > 2_000);
    }
}
