//! Integration tests: one binary, one module a subject.

mod golden;
mod sql_hostile;
