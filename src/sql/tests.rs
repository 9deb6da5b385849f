//! Planning as a user sees it.
