//! Tests of the store as a whole, by theme.

mod commit;
mod damage;
mod model;
mod power;
mod space;
