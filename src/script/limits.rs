//! What one call of a script may use, and the interpreter that holds it to that.
//!
//! Operations are counted by ourselves: the interpreter forgets those of functions that it calls from native ones (`map`, `sort`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicFnPackage, BasicIteratorPackage, BasicMapPackage, BasicMathPackage, BasicStringPackage,
    LogicPackage, MoreStringPackage, Package,
};
use rhai::{Engine, EvalAltResult, Position};

use super::watch::ScriptWatch;

/// Bytes of a script's text.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;

/// Operations of one call, besides [`OPERATIONS_PER_ROW`] for each row that it is given.
pub const OPERATIONS_MAX: u64 = 20_000;

/// Further operations for each row.
pub const OPERATIONS_PER_ROW: u64 = 500;

/// Elements of an array, those of arrays in it included; members of a map likewise. Also bounds how deep values can nest within a call.
pub const ARRAY_MAX: usize = 1_000;
/// See [`ARRAY_MAX`].
pub const MAP_MAX: usize = 2_000;

/// Bytes of all text in one value.
pub const STRING_BYTES_MAX: usize = 32 * 1024;

/// Functions that have called each other.
pub const CALLS_DEPTH_MAX: usize = 12;

/// Depth of an expression, in a function too.
pub const EXPRESSION_DEPTH_MAX: usize = 32;

/// Variables of a function at one time.
pub const VARIABLES_MAX: usize = 64;

/// Functions of a script.
pub const FUNCTIONS_MAX: usize = 256;

/// Stack that a thread needs for running scripts: values nest as deep as [`ARRAY_MAX`] and [`MAP_MAX`] together let them.
pub const STACK_BYTES_MIN: usize = 16 << 20;

/// Why a call was ended; what the interpreter hands out as its reason.
pub const USED_UP: &str = "operations";
/// See [`USED_UP`].
pub const TOO_LONG: &str = "time";

/// Counts the operations of a call, and sees whether its time is up.
#[derive(Clone, Debug, Default)]
pub struct Budget {
    left: Arc<AtomicU64>,
    watch: ScriptWatch,
}

impl Budget {
    pub fn watched(watch: &ScriptWatch) -> Budget {
        Budget { left: Arc::default(), watch: watch.clone() }
    }

    pub fn watch(&self) -> &ScriptWatch {
        &self.watch
    }

    pub fn begin(&self, operations: u64) {
        self.left.store(operations, Ordering::Relaxed);
    }

    pub fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }

    /// Takes off what a native function is about to do.
    pub fn charge(&self, operations: u64) -> Result<(), Box<EvalAltResult>> {
        let left = self.left.load(Ordering::Relaxed);
        self.left.store(left.saturating_sub(operations), Ordering::Relaxed);
        if left > operations { Ok(()) } else { Err(Box::new(EvalAltResult::ErrorTerminated(USED_UP.into(), Position::NONE))) }
    }

    /// Why no further operation may be done.
    fn spend(&self) -> Option<&'static str> {
        let left = self.left.load(Ordering::Relaxed);
        self.left.store(left.saturating_sub(1), Ordering::Relaxed);
        if left == 0 { Some(USED_UP) } else { self.watch.is_stopped().then_some(TOO_LONG) }
    }
}

/// An interpreter within the limits: no files, no clock, no random numbers, no printing, no `eval`, no modules.
pub fn interpreter(budget: &Budget) -> Engine {
    let mut engine = Engine::new_raw();
    for package in [
        ArithmeticPackage::new().as_shared_module(),
        LogicPackage::new().as_shared_module(),
        BasicStringPackage::new().as_shared_module(),
        MoreStringPackage::new().as_shared_module(),
        BasicIteratorPackage::new().as_shared_module(),
        BasicFnPackage::new().as_shared_module(),
        BasicMathPackage::new().as_shared_module(),
        BasicArrayPackage::new().as_shared_module(),
        BasicMapPackage::new().as_shared_module(),
    ] {
        engine.register_global_module(package);
    }
    engine.set_max_array_size(ARRAY_MAX).set_max_map_size(MAP_MAX).set_max_string_size(STRING_BYTES_MAX);
    engine.set_max_call_levels(CALLS_DEPTH_MAX).set_max_expr_depths(EXPRESSION_DEPTH_MAX, EXPRESSION_DEPTH_MAX);
    engine.set_max_variables(VARIABLES_MAX).set_max_functions(FUNCTIONS_MAX);
    engine.set_strict_variables(true);
    engine.disable_symbol("eval");
    let budget = budget.clone();
    engine.on_progress(move |_| budget.spend().map(Into::into));
    engine
}
