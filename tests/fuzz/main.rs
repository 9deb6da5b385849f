//! Random SQL and bytes: whatever comes, there is no panic, no hang, and no state that cannot be taken up again.
//!
//! `TIDEMILL_FUZZ_SECONDS` says for how long, all tests together (7 if not set; `scripts/test.sh` takes 120, a minute where two run side by side), `TIDEMILL_TEST_SEED` where
//! it begins. A failure prints the seed of the one iteration that failed: the first iteration from that seed repeats it. What an iteration works on lies in
//! `target/fuzz/<name>.last`, for crashes that print nothing. An iteration that hangs ends the program, and so does one that takes all memory.

mod bytes;
mod engine;
mod files;
mod formats;
mod framing;
mod grammar;
mod mutate;
mod queries;
mod watch;

#[path = "../support/random.rs"]
mod random;

use watch::iterate;

#[test]
fn sql_is_planned_or_refused() {
    let corpus = queries::Corpus::read();
    iterate("plan", |random, watch| {
        let text = corpus.query(random);
        watch.works_on(&text);
        engine::plan(&text, random);
    });
}

#[test]
fn queries_run_and_restart_with_the_same_rows() {
    let corpus = queries::Corpus::read();
    iterate("run", |random, watch| {
        let text = corpus.query(random);
        watch.works_on(&text);
        engine::run(&text, random);
    });
}

#[test]
fn stored_state_is_taken_up_or_refused() {
    let corpus = queries::Corpus::read();
    iterate("stored", |random, watch| {
        let text = corpus.stateful(random);
        watch.works_on(&text);
        engine::restore_damaged(&text, random);
    });
}

#[test]
fn payloads_and_files_are_read_or_refused() {
    iterate("payloads", bytes::payloads);
}

#[test]
fn streams_are_framed_whatever_the_cuts() {
    iterate("framing", framing::framing);
}

#[test]
fn records_of_files_are_cut_however_the_bytes_come() {
    iterate("cut", files::cut);
}

#[test]
fn stored_positions_are_whole_or_refused() {
    iterate("position", files::position);
}

#[test]
fn compressed_files_are_read_or_refused() {
    iterate("compressed", bytes::compressed);
}

#[test]
fn scripts_run_or_are_refused() {
    iterate("scripts", engine::scripts);
}

#[test]
fn configurations_and_cases_are_read_or_refused() {
    let files = bytes::CaseFiles::read();
    iterate("cases", |random, watch| if random.below(2) == 0 { files.mutated(random, watch) } else { files.configuration(random, watch) });
}
