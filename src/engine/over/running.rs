//! The functions that are kept up row by row, over the rows of a partition in their order.

use crate::batch::{Column, ColumnBuilder, Values};
use crate::engine::running::RunningCall;
use crate::plan::{OverCall, OverFunction, SortKey};
use crate::types::{DataType, Value};

/// Why the call does not work with this order, for those that need a time.
pub(super) fn unfit(call: &OverCall, order: &[SortKey]) -> Option<String> {
    let half_life = call.args.get(1).is_some_and(|arg| arg.data_type == DataType::Interval);
    let timed = matches!(call.function, OverFunction::Rate) || (matches!(call.function, OverFunction::Ewma) && half_life);
    let ordered = order.first().is_some_and(|key| key.expr.data_type == DataType::Timestamp && !key.descending);
    let own = timed || matches!(call.function, OverFunction::Changed | OverFunction::Ewma | OverFunction::Deadband);
    let missing = if timed { !ordered } else { own && order.is_empty() };
    missing.then(|| format!("`{}` needs ORDER BY a time, ascending", call.name))
}

/// The call's value for each row. A row without a time is passed over by what needs one; so is one whose arguments make no sense.
pub(super) fn put(call: &OverCall, args: &[Column], time: Option<&Column>, rows: &[u32], out: &mut ColumnBuilder) {
    let Ok(running) = RunningCall::new(call) else {
        return rows.iter().for_each(|_| out.push_null());
    };
    let times: &[i64] = match time.map(|time| &time.values) {
        Some(Values::Timestamp(times)) => times,
        _ => &[],
    };
    let timed = matches!(call.function, OverFunction::Rate | OverFunction::Ewma) && !times.is_empty();
    let mut state = running.begin();
    for row in rows {
        let inputs: Vec<Value> = args.iter().map(|arg| arg.value(*row as usize)).collect();
        let untimed = timed && time.is_some_and(|time| time.is_null(*row as usize));
        if untimed || running.check(&state, &inputs).is_err() {
            out.push_null();
            continue;
        }
        let value = running.next(&mut state, &inputs, times.get(*row as usize).copied().unwrap_or_default());
        out.push(&value);
    }
}
