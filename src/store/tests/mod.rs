//! Tests of the store as a whole, by theme.

mod commit;
mod damage;
pub(super) mod faults;
mod model;
mod power;
mod space;
