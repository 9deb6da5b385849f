//! The daemon's own core, sessions and delivery windows under every order of events that a seed makes: crashes at every commit, cut
//! connections, lost acknowledgements and sessions, orderly ends, a disk that is full at length, a clock that steps, outboxes that overflow.
//!
//! `TIDEMILL_SIMULATION_SEEDS=first..end` runs other seeds than the usual ones; one seed n replays as `n..n+1`.

mod broker;
mod model;
mod process;
mod scenario;
pub mod store;
mod world;

#[cfg(not(feature = "sabotage"))]
const SEEDS: std::ops::Range<u64> = 0..2_000;
/// Seeds within which each planted fault must be found.
#[cfg(feature = "sabotage")]
const SEEDS: std::ops::Range<u64> = 0..300;

fn seeds() -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("TIDEMILL_SIMULATION_SEEDS") else { return SEEDS };
    let (first, end) = text.split_once("..").expect("TIDEMILL_SIMULATION_SEEDS is first..end");
    first.parse().expect("a number")..end.parse().expect("a number")
}

/// The first seed that does not balance.
fn first_failure() -> Option<(u64, String)> {
    seeds().find_map(|seed| world::run(seed).err().map(|failure| (seed, failure)))
}

#[cfg(not(feature = "sabotage"))]
#[test]
fn every_reading_is_counted_once_in_every_order_of_events() {
    if let Some((seed, failure)) = first_failure() {
        panic!("seed {seed}: {failure}\nreplay: TIDEMILL_SIMULATION_SEEDS={seed}..{} cargo test simulation", seed + 1);
    }
}

#[cfg(feature = "sabotage")]
mod sabotage {
    use tidemill::sabotage::{Fault, with};

    fn is_found(fault: Fault) {
        let found = with(fault, || std::panic::catch_unwind(super::first_failure));
        match found {
            Ok(None) => panic!("{fault:?} was not found"),
            Ok(Some((seed, failure))) => println!("{fault:?}: seed {seed}: {failure}"),
            Err(_) => println!("{fault:?}: an assertion of the simulation failed"),
        }
    }

    #[test]
    fn an_early_acknowledgement_is_found() {
        is_found(Fault::EarlyAck);
    }

    #[test]
    fn a_missing_redelivery_record_is_found() {
        is_found(Fault::NoRedelivery);
    }

    #[test]
    fn a_lost_append_is_found() {
        is_found(Fault::LostAppend);
    }

    #[test]
    fn a_cursor_ahead_of_its_acknowledgements_is_found() {
        is_found(Fault::CursorAhead);
    }
}
