//! A stack of known size. The parser and the planner recurse over the query; their depth is bounded, the caller's stack is not known.

/// Holds the deepest query that the limits on nesting admit, in a debug build too. Only what is used is ever touched.
const STACK_BYTES: usize = 16 << 20;

/// Runs `work` on a thread of its own, and waits for it.
pub fn on_ample_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let worker = std::thread::Builder::new().name("sql".into()).stack_size(STACK_BYTES).spawn_scoped(scope, work);
        match worker.expect("a thread can be started while the program is starting").join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
