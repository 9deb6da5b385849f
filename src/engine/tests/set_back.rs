//! A clock that is set back: windows by arrival come out once and begin anew, timeouts and the like keep their time, event time does not care;
//! and all of it the same where the engine is made anew from what it stored before every step.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::engine::QueryStatus;
use crate::plan::{Relation, StateFunction, Timeout};

type Store = BTreeMap<Vec<u8>, Vec<u8>>;

/// A row: the source, when it arrives, its own time, device, number; seconds.
type Row = (usize, f64, f64, &'static str, i64);

/// What came before and after a clock that was set back by an hour.
const BEFORE: i64 = 10_000;
const AFTER: i64 = BEFORE - 3_600;

fn own_table(rows: &[Row], source: usize) -> Table {
    let rows: Vec<&Row> = rows.iter().filter(|row| row.0 == source).collect();
    let mut builders: Vec<ColumnBuilder> = columns().iter().map(|column| ColumnBuilder::new(&column.field.data_type, rows.len())).collect();
    let time = |seconds: f64| Value::Timestamp((seconds * 1e6).round() as i64);
    for (_, arrived, ts, device, number) in &rows {
        let values = [time(*ts), Value::String((*device).into()), Value::Double(*number as f64), Value::BigInt(*number), time(*arrived)];
        builders.iter_mut().zip(values).for_each(|(builder, value)| builder.push(&value));
    }
    Table { rows: rows.len(), columns: builders.into_iter().map(|builder| Some(builder.finish())).collect() }
}

/// A batch at this time; sources without rows are idle.
fn at(seconds: i64, rows: &[Row], set_back_to: Option<i64>) -> Batch {
    let input = |source| {
        let table = own_table(rows, source);
        SourceInput { source, idle: table.rows == 0, table }
    };
    Batch {
        number: 1,
        stamp: Stamp { wall_us: seconds * SECOND, mono_us: 0, synchronised: true },
        set_back_us: set_back_to.map(|seconds| seconds * SECOND),
        inputs: vec![input(0), input(1)],
        ..Batch::default()
    }
}

/// Rows of `arrivals`, whose own time is of no concern.
fn arriving(rows: &[(f64, &'static str, i64)]) -> Vec<Row> {
    rows.iter().map(|(arrived, device, number)| (1, *arrived, 0.0, *device, *number)).collect()
}

/// Two engines: one runs on, the other is made anew from what was stored before every step. Both say and store the same, and what is
/// stored is read as what is held, and as nothing more.
struct Twins {
    program: Program,
    settings: EngineSettings,
    running: Engine,
    store: Store,
}

impl Twins {
    fn new(program: Program) -> Twins {
        Twins::with(program, settings())
    }

    fn with(program: Program, settings: EngineSettings) -> Twins {
        let running = Engine::new(&program, settings.clone()).unwrap();
        Twins { program, settings, running, store: Store::new() }
    }

    fn of(mode: OutputMode, text: &str) -> Twins {
        Twins::new(program(&[("q", mode, text)]))
    }

    fn restored(&self) -> Engine {
        let mut engine = Engine::new(&self.program, self.settings.clone()).unwrap();
        let entries: Vec<(Vec<u8>, Vec<u8>)> = self.store.clone().into_iter().collect();
        assert_eq!(engine.restore(&entries), Ok(Vec::new()));
        engine
    }

    fn held(engine: &Engine) -> Vec<(usize, usize, usize)> {
        engine.status().into_iter().map(|QueryStatus { keys, panes, cells, .. }| (keys, panes, cells)).collect()
    }

    fn step(&mut self, batch: &Batch) -> StepOutput {
        let mut restarted = self.restored();
        let (output, again) = (self.running.step(batch), restarted.step(batch));
        for query in 0..self.program.queries.len() {
            assert_eq!(shown_of(&output, query), shown_of(&again, query), "query {query}");
        }
        assert_eq!((&output.rejects, &output.late), (&again.rejects, &again.late));
        for ((key, value), other) in output.state.iter().zip(&again.state) {
            assert_eq!((key, value), (&other.0, &other.1), "{}", String::from_utf8_lossy(key));
        }
        assert_eq!(output.state.len(), again.state.len());
        assert_eq!(output.closed_by_set_back, again.closed_by_set_back);
        for (key, value) in &output.state {
            match value {
                Some(value) => self.store.insert(key.clone(), value.clone()),
                None => self.store.remove(key),
            };
        }
        assert_eq!(Twins::held(&self.restored()), Twins::held(&self.running));
        output
    }

    fn rows(&mut self, seconds: i64, rows: &[Row]) -> Vec<String> {
        shown(&self.step(&at(seconds, rows, None)))
    }

    /// A batch in which the clock is set back from `BEFORE` to `AFTER`.
    fn set_back(&mut self, rows: &[Row]) -> StepOutput {
        self.step(&at(BEFORE, rows, Some(AFTER)))
    }
}

#[test]
fn open_windows_come_out_once_and_those_to_come_are_new_though_their_times_were_closed() {
    let text = "SELECT window.start AS s, device, count(*) AS n FROM arrivals GROUP BY device, window(_arrived, '10 seconds')";
    let mut twins = Twins::of(OutputMode::Append, text);
    assert_eq!(twins.rows(6_431, &arriving(&[(6_400.5, "a", 1), (6_431.0, "b", 1)])), ["6400s a 1"]);
    assert_eq!(twins.rows(BEFORE - 5, &arriving(&[(9_995.0, "a", 1), (9_999.0, "b", 2)])), ["6430s b 1"]);
    // Rows of the batch that the step ends belong to the time before.
    let output = twins.set_back(&arriving(&[(10_000.0, "a", 3)]));
    assert_eq!((shown(&output), output.closed_by_set_back), (["9990s a 1", "9990s b 1", "10000s a 1"].map(str::to_owned).to_vec(), 3));
    // The journal's one entry is empty.
    let without_cells = ["meta", "watermark", "j0"];
    assert_eq!(twins.store.keys().filter(|key| !without_cells.iter().any(|name| key.ends_with(name.as_bytes()))).count(), 0);
    assert_eq!(twins.store[&b"s/q/0/j0"[..]].len(), 3);
    // 6400 to 6410 came out an hour ago: these are rows of another window of that time.
    assert!(twins.rows(AFTER, &arriving(&[(6_400.5, "a", 1), (6_401.0, "a", 1)])).is_empty());
    assert_eq!(twins.rows(6_420, &arriving(&[(6_420.0, "b", 1)])), ["6400s a 2"]);
    assert_eq!(twins.rows(6_500, &arriving(&[(6_500.0, "b", 1)])), ["6420s b 1"]);
    assert!(twins.step(&at(6_501, &[], None)).late.is_empty());
}

#[test]
fn a_second_step_back_and_one_before_any_row_close_what_there_is() {
    let text = "SELECT window.start AS s, count(*) AS n FROM arrivals GROUP BY window(_arrived, '10 seconds')";
    let mut twins = Twins::of(OutputMode::Append, text);
    let nothing = twins.set_back(&[]);
    assert!(nothing.results.is_empty() && nothing.state.is_empty() && nothing.closed_by_set_back == 0);
    twins.rows(BEFORE, &arriving(&[(10_000.0, "a", 1)]));
    assert_eq!(shown(&twins.set_back(&[])), ["10000s 1"]);
    twins.rows(AFTER, &arriving(&[(6_400.0, "a", 1)]));
    assert_eq!(shown(&twins.step(&at(AFTER, &[], Some(100)))), ["6400s 1"]);
    assert!(twins.rows(100, &arriving(&[(100.0, "a", 1)])).is_empty());
    // The clock closes what is idle in the new time as in the old: window, delay and timeout have passed.
    assert_eq!(twins.running.next_deadline(&[Some(100 * SECOND); 2], false), Some(125 * SECOND));
    assert_eq!(twins.rows(125, &[]), ["100s 1"]);
}

#[test]
fn windows_over_windows_come_out_whole() {
    let inner = "SELECT window_time(window) AS wt, device, count(*) AS n FROM arrivals GROUP BY device, window(_arrived, '10 seconds')";
    let outer = "SELECT window.start AS s, sum(n) AS n, count(*) AS parts FROM i GROUP BY window(wt, '1 minute')";
    let mut twins = Twins::new(program(&[("i", OutputMode::Append, inner), ("o", OutputMode::Append, outer)]));
    twins.rows(9_982, &arriving(&[(9_961.0, "a", 1), (9_971.0, "b", 1), (9_982.0, "a", 1)]));
    let output = twins.set_back(&arriving(&[(10_000.0, "b", 1)]));
    assert_eq!(shown_of(&output, 1), ["9960s 4 4"]);
    assert!(twins.rows(AFTER, &arriving(&[(6_401.0, "a", 1)])).is_empty());
    assert_eq!(shown_of(&twins.step(&at(9_981, &arriving(&[(9_981.0, "c", 1)]), None)), 1), ["6360s 1 1"]);
}

#[test]
fn event_time_of_the_rows_is_untouched() {
    let text = "SELECT window.start AS s, count(*) AS n FROM readings GROUP BY window(ts, '10 seconds')";
    let [mut set_back, mut left_alone] = [Twins::of(OutputMode::Append, text), Twins::of(OutputMode::Append, text)];
    for step in 0..20 {
        let rows = [(0, 0.0, f64::from(step * 7), "a", 1), (0, 0.0, f64::from(step * 7 - 3), "a", 1)];
        let batch = at(BEFORE, &rows, None);
        let other = left_alone.step(&batch);
        let output = set_back.step(&Batch { set_back_us: (step % 3 == 0).then_some(AFTER * SECOND), ..batch });
        assert_eq!((shown(&output), output.state, output.closed_by_set_back), (shown(&other), other.state, 0));
    }
}

#[test]
fn a_clock_from_the_future_closes_what_is_open_and_takes_nothing_later_for_late() {
    let years = 10 * 365 * 86_400;
    let text = "SELECT window.start AS s, count(*) AS n FROM readings GROUP BY window(ts, '10 seconds')";
    let mut twins = Twins::of(OutputMode::Append, text);
    let own = |ts: f64| [(0, 0.0, ts, "a", 1)];
    twins.rows(1_000, &own(1_000.0));
    assert_eq!(twins.rows(years, &[]), ["1000s 1"]);
    assert_eq!(twins.running.status()[0].watermark_us, Some(1_010 * SECOND));
    assert!(twins.rows(years, &own(1_020.0)).is_empty());
    assert!(shown(&twins.step(&at(years, &[], Some(1_030)))).contains(&"1020s 1".to_owned()), "closed by the clock before");
    assert!(twins.rows(1_031, &own(1_031.0)).is_empty());
    assert_eq!(twins.rows(1_060, &own(1_060.0)), ["1030s 1"]);
}

#[test]
fn a_join_with_event_time_begins_anew_and_gives_each_waiting_row_once() {
    let text = "SELECT a.number AS an, r.number AS rn FROM arrivals a LEFT JOIN readings r \
                ON a.device = r.device AND r.ts BETWEEN a._arrived - INTERVAL 1 MINUTE AND a._arrived + INTERVAL 1 MINUTE";
    let mut twins = Twins::of(OutputMode::Append, text);
    let both = |arrived: f64, number: i64, ts: f64, other: i64| [(1, arrived, 0.0, "a", number), (0, arrived, ts, "a", other)];
    // The clock is an hour ahead of the devices: nothing meets, and the devices hold the watermark.
    assert!(twins.rows(9_000, &both(9_000.0, 1, 5_400.0, 1)).is_empty());
    assert!(twins.rows(9_500, &both(9_500.0, 2, 5_900.0, 2)).is_empty());
    let output = twins.set_back(&[]);
    let mut rows = shown(&output);
    rows.sort();
    assert_eq!(rows, ["1 NULL", "2 NULL"]);
    assert_eq!(twins.running.status()[0].cells, 0);
    assert_eq!(twins.rows(AFTER, &both(6_400.0, 3, 6_390.0, 3)), ["3 3"]);
    assert_eq!(twins.rows(6_440, &both(6_440.0, 4, 6_200.0, 4)), ["4 3"]);
}

#[test]
fn a_repeat_is_known_over_the_step() {
    let sources = sources();
    // By device and number.
    let dedup = [Vec::new(), vec![1, 3]];
    let catalog = Catalog { sources: &sources, dedup: &dedup, ..Catalog::default() };
    let query = plan_query("q", "SELECT device, number FROM arrivals", OutputMode::Append, &catalog).unwrap();
    let mut twins = Twins::new(Program { sources, queries: vec![query], ..Program::default() });
    assert_eq!(twins.rows(9_990, &arriving(&[(9_990.0, "a", 1), (9_990.0, "a", 2)])), ["a 1", "a 2"]);
    assert_eq!(twins.rows(9_999, &arriving(&[(9_999.0, "a", 1), (9_999.0, "a", 3)])), ["a 3"]);
    assert!(shown(&twins.set_back(&arriving(&[(10_000.0, "a", 2)]))).is_empty());
    assert!(twins.rows(AFTER, &arriving(&[(6_400.0, "a", 1), (6_400.0, "a", 3)])).is_empty());
    // Twice the delay after its first row, as if the clock had not been set.
    assert!(twins.rows(6_409, &arriving(&[(6_409.0, "a", 1), (6_410.1, "b", 1)])).contains(&"b 1".to_owned()));
    assert_eq!(twins.rows(6_412, &arriving(&[(6_412.0, "a", 1), (6_412.0, "a", 3)])), ["a 1"]);
}

#[test]
fn over_goes_on_and_takes_nothing_for_late() {
    let text = "SELECT number, row_number() OVER (PARTITION BY device ORDER BY _arrived) AS r, \
                rate(number) OVER (PARTITION BY device ORDER BY _arrived) AS a FROM arrivals";
    let mut twins = Twins::of(OutputMode::Append, text);
    assert_eq!(twins.rows(9_990, &arriving(&[(9_990.0, "a", 100)])), ["100 1 NULL"]);
    twins.set_back(&[]);
    // Ten seconds before the step, five after it.
    assert_eq!(twins.rows(AFTER + 5, &arriving(&[(6_405.0, "a", 130)])), ["130 2 2"]);
    let text = "SELECT number, lag(number) OVER (PARTITION BY device ORDER BY ts) AS b FROM readings";
    let mut twins = Twins::of(OutputMode::Append, text);
    twins.rows(BEFORE, &[(0, 10_000.0, 20.0, "a", 1)]);
    twins.set_back(&[]);
    assert_eq!(twins.step(&at(AFTER, &[(0, 6_400.0, 19.0, "a", 2)], None)).late[0].rows, 1, "by the rows' own time it is late");
}

const TIMED: &str = "fn update(key, state, rows, now) {
    if rows.is_empty() { return #{ device: key, at: format_time(now) }; }
    state = rows.len();
    timeout_after(minutes(5));
}";

fn timed(select: &str, timeout: Timeout) -> Program {
    let mut program = program(&[("q", OutputMode::Append, select)]);
    let query = &mut program.queries[0];
    query.output = vec![Field::new("device", DataType::String), Field::new("at", DataType::String)];
    query.root = Relation::StateFunction(StateFunction {
        input: Box::new(query.root.clone()),
        keys: vec![0],
        script: TIMED.into(),
        function: "update".to_owned(),
        timeout,
        output: query.output.clone(),
        initial: Vec::new(),
    });
    program
}

#[test]
fn timeouts_are_as_far_ahead_as_they_were() {
    for (select, clock_s) in [("SELECT device, ts FROM readings", 0), ("SELECT device, _arrived FROM arrivals", 0)] {
        let mut twins = Twins::new(timed(select, Timeout::ProcessingTime));
        let row = |arrived: f64, device| [(0, arrived, 50.0, device, 1), (1, arrived, 50.0, device, 1)];
        twins.rows(9_900, &row(9_900.0, "a"));
        assert!(shown(&twins.set_back(&row(10_000.0, "b"))).is_empty());
        // Five minutes after 9,900 is ten minutes before 11,000, an hour later: 200 s from the step.
        assert_eq!(twins.running.next_deadline(&[None; 2], true), Some((AFTER + 200 + clock_s) * SECOND + 1));
        assert!(twins.rows(AFTER + 200, &[]).is_empty());
        assert_eq!(twins.rows(AFTER + 201, &[]), ["a 1970-01-01T01:50:01Z"]);
        assert_eq!(twins.rows(AFTER + 301, &[]), ["b 1970-01-01T01:51:41Z"]);
    }
}

#[test]
fn timeouts_by_a_watermark_of_arrivals_move_with_it() {
    let mut twins = Twins::new(timed("SELECT device, _arrived FROM arrivals", Timeout::EventTime));
    assert_eq!(twins.rows(9_900, &arriving(&[(9_900.0, "tick", 1)])).len(), 1, "five minutes after 1970");
    twins.rows(9_901, &arriving(&[(9_901.0, "a", 1)]));
    assert!(shown(&twins.set_back(&[])).is_empty());
    // `a` asked for 300 s after the watermark of 9,890.
    let due = AFTER + 190;
    assert_eq!(twins.running.next_deadline(&[Some(0); 2], true), Some((due + 10 + 5) * SECOND + 1_000));
    assert_eq!(twins.rows(due + 16, &[]), ["a 1970-01-01T01:49:50.001Z"]);
}

#[test]
fn count_and_state_windows_go_on_with_their_times_moved() {
    let text = "SELECT count_window.start AS s, count_window.end AS e, count(*) AS n FROM arrivals GROUP BY count_window(3)";
    let mut twins = Twins::of(OutputMode::Append, text);
    twins.rows(9_990, &arriving(&[(9_990.0, "a", 1)]));
    assert!(shown(&twins.set_back(&arriving(&[(10_000.0, "a", 1)]))).is_empty());
    assert_eq!(twins.rows(6_405, &arriving(&[(6_405.0, "a", 1)])), ["6390s 6405s 3"]);

    let window = "state_window(number > 5, number < 0, '100 seconds')";
    let text =
        format!("SELECT state_window.start AS s, state_window.end AS e, device, count(*) AS n FROM arrivals GROUP BY device, {window}");
    let mut twins = Twins::of(OutputMode::Append, &text);
    twins.rows(9_950, &arriving(&[(9_950.0, "a", 6), (9_950.0, "b", 6)]));
    // Time would close these: they are closed, as they are.
    assert_eq!(shown(&twins.set_back(&arriving(&[(10_000.0, "a", 1)]))), ["9950s 9950s b 1", "9950s 10000s a 2"]);
    assert!(twins.rows(6_400, &arriving(&[(6_400.0, "a", 1)])).is_empty(), "not begun");

    let text = "SELECT state_window.start AS s, device, count(*) AS n FROM arrivals GROUP BY device, state_window(number > 5, number < 0)";
    let mut twins = Twins::of(OutputMode::Append, text);
    twins.rows(9_950, &arriving(&[(9_950.0, "a", 6)]));
    assert!(shown(&twins.set_back(&[])).is_empty());
    assert_eq!(twins.rows(6_400, &arriving(&[(6_400.0, "a", -1)])), ["6350s a 2"]);
}

#[test]
fn what_emit_every_withholds_does_not_wait_for_the_time_taken_back() {
    let settings = EngineSettings { emit_every_us: [("q".to_owned(), 20 * SECOND)].into(), ..settings() };
    let with = |mode, text| Twins::with(program(&[("q", mode, text)]), settings.clone());
    let complete = "SELECT device, count(*) AS n FROM arrivals GROUP BY device";
    let mut twins = with(OutputMode::Complete, complete);
    assert_eq!(twins.rows(9_995, &arriving(&[(9_995.0, "a", 1)])), ["a 1"]);
    assert!(shown(&twins.set_back(&arriving(&[(10_000.0, "a", 1)]))).is_empty());
    assert_eq!(twins.running.next_deadline(&[None; 2], true), Some((AFTER + 15) * SECOND));
    assert_eq!(twins.rows(AFTER + 15, &[]), ["a 2"]);

    let update = "SELECT window.start AS s, count(*) AS n FROM arrivals GROUP BY window(_arrived, '1 hour')";
    let mut twins = with(OutputMode::Update, update);
    assert_eq!(twins.rows(9_995, &arriving(&[(9_995.0, "a", 1)])), ["7200s 1"]);
    let output = twins.set_back(&arriving(&[(10_000.0, "a", 1)]));
    assert_eq!((shown(&output), output.closed_by_set_back), (vec!["7200s 2".to_owned()], 1));
    assert!(twins.rows(AFTER, &arriving(&[(6_401.0, "a", 1)])).is_empty(), "withheld");
    assert_eq!(twins.rows(AFTER + 15, &[]), ["3600s 1"]);
}

#[test]
fn a_time_computed_from_arrival_times_is_one() {
    let text = "SELECT window.start AS s, count(*) AS n FROM (SELECT _arrived - INTERVAL 1 DAY AS t FROM arrivals) \
                WATERMARK t DELAY OF INTERVAL 10 SECONDS GROUP BY window(t, '10 seconds')";
    let sources: Vec<TableSchema> = sources().into_iter().map(|source| TableSchema { event_time: None, ..source }).collect();
    let query = plan_query("q", text, OutputMode::Append, &Catalog { sources: &sources, ..Catalog::default() });
    let query = query.unwrap_or_else(|error| panic!("{}", error.in_text(text)));
    let mut twins = Twins::new(Program { sources, queries: vec![query], ..Program::default() });
    twins.rows(99_990, &arriving(&[(99_990.0, "a", 1)]));
    assert_eq!(shown(&twins.step(&at(100_000, &[], Some(90_000)))), ["13590s 1"]);
    assert!(twins.rows(90_001, &arriving(&[(90_001.0, "a", 1)])).is_empty());
    assert_eq!(twins.rows(90_041, &arriving(&[(90_041.0, "a", 1)])), ["3600s 1"]);
}

const QUERIES: [(OutputMode, &str); 16] = [
    (OutputMode::Append, "SELECT window.start AS s, device, count(*) AS n FROM arrivals GROUP BY device, window(_arrived, '10 seconds')"),
    (
        OutputMode::Append,
        "SELECT window.start AS s, device, count(*) AS n, first(number) AS f FROM arrivals GROUP BY device, window(_arrived, '20 seconds', '3 seconds')",
    ),
    (
        OutputMode::Append,
        "SELECT window.start AS s, device, count(*) AS n, sum(number) AS t FROM arrivals GROUP BY device, window(_arrived, '20 seconds', '2 seconds')",
    ),
    (OutputMode::Append, "SELECT _arrived, device, count(*) AS n FROM arrivals GROUP BY _arrived, device"),
    (
        OutputMode::Append,
        "SELECT session_window, device, count(*) AS n, max(device) AS m FROM arrivals GROUP BY device, session_window(_arrived, '3 seconds')",
    ),
    (OutputMode::Append, "SELECT count_window, device, sum(number) AS n FROM arrivals GROUP BY device, count_window(5, 2)"),
    (
        OutputMode::Append,
        "SELECT state_window, device, count(*) AS n FROM arrivals GROUP BY device, state_window(number > 5, number < 2, '15 seconds')",
    ),
    (OutputMode::Append, "SELECT local_window, count(*) AS n FROM arrivals GROUP BY local_window(_arrived, '1 day', 'Europe/Berlin')"),
    (
        OutputMode::Append,
        "SELECT window(wt, '30 seconds').start AS s, sum(n) AS n FROM (SELECT window_time(window) AS wt, count(*) AS n FROM arrivals GROUP BY device, window(_arrived, '10 seconds')) GROUP BY window(wt, '30 seconds')",
    ),
    (
        OutputMode::Update,
        "SELECT window.start AS s, device, count(*) AS n FROM arrivals GROUP BY device, window(_arrived, '20 seconds', '5 seconds')",
    ),
    (OutputMode::Update, "SELECT device, count(*) AS n FROM arrivals GROUP BY device"),
    (OutputMode::Complete, "SELECT window.start AS s, count(*) AS n FROM arrivals GROUP BY window(_arrived, '10 seconds')"),
    (
        OutputMode::Append,
        "SELECT a.number AS an, r.number AS rn FROM arrivals a FULL JOIN readings r \
         ON a.device = r.device AND r.ts BETWEEN a._arrived - INTERVAL 20 SECONDS AND a._arrived + INTERVAL 10 SECONDS",
    ),
    (
        OutputMode::Append,
        "SELECT number, sum(number) OVER (PARTITION BY device ORDER BY _arrived) AS t, \
         ewma(number, INTERVAL 10 SECONDS) OVER (PARTITION BY device ORDER BY _arrived) AS e FROM arrivals",
    ),
    (OutputMode::Append, "SELECT window.start AS s, count(*) AS n FROM readings GROUP BY window(ts, '10 seconds')"),
    (
        OutputMode::Append,
        "SELECT window.start AS s, device, count(*) AS n FROM (SELECT ts AS t, device FROM readings UNION ALL SELECT _arrived AS t, device FROM arrivals) \
         GROUP BY device, window(t, '10 seconds')",
    ),
];

const DEVICES: [&str; 60] = {
    const NAMES: &str = "d00d01d02d03d04d05d06d07d08d09d10d11d12d13d14d15d16d17d18d19d20d21d22d23d24d25d26d27d28d29\
                         d30d31d32d33d34d35d36d37d38d39d40d41d42d43d44d45d46d47d48d49d50d51d52d53d54d55d56d57d58d59";
    let mut all = [""; 60];
    let mut index = 0;
    while index < 60 {
        all[index] = NAMES.split_at(index * 3).1.split_at(3).0;
        index += 1;
    }
    all
};

/// By how many seconds the clock goes on, which rows (source, device, number) arrive, and perhaps by how many seconds it is set back.
type RandomStep = (i64, Vec<(usize, usize, i64)>, Option<i64>);

fn steps() -> impl Strategy<Value = Vec<RandomStep>> {
    let row = (0usize..2, 0..DEVICES.len(), 0i64..9);
    let set_back = prop_oneof![4 => Just(None), 1 => (61i64..10_000).prop_map(Some)];
    prop::collection::vec((0i64..40, prop::collection::vec(row, 0..60), set_back), 1..14)
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn a_restart_after_every_step_changes_nothing_and_each_row_counts_once(steps in steps()) {
        let names: Vec<String> = (0..QUERIES.len()).map(|number| format!("q{number}")).collect();
        let queries: Vec<(&str, OutputMode, &str)> =
            QUERIES.iter().zip(&names).map(|((mode, text), name)| (name.as_str(), *mode, *text)).collect();
        let mut twins = Twins::new(program(&queries));
        let (mut clock, mut sent, mut counted, mut in_lists) = (100_000i64, 0, 0, 0);
        let last = (200_000, vec![(0, 0, 1), (1, 0, 1)], Some(100_000));
        for (passed, rows, set_back) in steps.into_iter().chain([last]) {
            clock += passed;
            let rows: Vec<Row> = rows.into_iter().map(|(source, device, number)| {
                (source, clock as f64, (clock - number * 3) as f64, DEVICES[device], number)
            }).collect();
            sent += rows.iter().filter(|row| row.0 == 1).count() as i64;
            let to = set_back.map(|by| clock - by);
            let output = twins.step(&at(clock, &rows, to));
            clock = to.unwrap_or(clock);
            let sum = |query: usize, column: usize| -> i64 {
                shown_of(&output, query).iter().map(|row| row.split(' ').nth(column).unwrap().parse::<i64>().unwrap()).sum()
            };
            counted += sum(0, 2);
            in_lists += sum(3, 2);
            prop_assert!(output.late.iter().all(|late| ![0, 1, 2, 3, 4, 13].contains(&late.query)), "no row of `arrivals` is late");
            prop_assert!(output.rejects.is_empty(), "{:?}", output.rejects);
            if to.is_some() {
                let status = twins.running.status();
                prop_assert!([0, 1, 2, 3, 4, 7, 8, 9, 12, 15].iter().all(|query| status[*query].cells == 0), "all is closed");
            }
        }
        prop_assert_eq!((counted, in_lists), (sent, sent));
    }
}

#[cfg(feature = "sabotage")]
mod sabotage {
    use super::*;
    use crate::sabotage::Fault;

    #[test]
    fn what_is_left_of_closed_panes_is_found() {
        is_found(Fault::KeptLeftovers, a_restart_after_every_step_changes_nothing_and_each_row_counts_once);
    }
}
