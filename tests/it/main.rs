//! Integration tests: one binary, one module a subject.

mod golden;
mod spark_types;
mod sql_hostile;
