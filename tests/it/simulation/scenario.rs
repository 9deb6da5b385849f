//! What a seed's world is like, besides the order of its events: protocol, broker, clock, and what the second sink does when it is full.

use std::sync::OnceLock;
use std::time::Duration;

use tidemill::config::settings::{Settings, WhenFull};

use super::broker::Marks;
use crate::support::random::Random;

/// Begins the device's name in results of the query by arrival.
pub const BY_ARRIVAL: &str = "by arrival of ";

/// One kind of world.
pub struct Scenario {
    pub settings: Settings,
    pub v5: bool,
    pub marks: Marks,
    /// Messages that the local broker sends ahead of their acknowledgement.
    pub window: usize,
    /// Windows close by the clock, while the source is idle; else by a last reading.
    pub by_clock: bool,
    /// The wall clock steps: to 1970 unsynchronised, back by minutes or an hour, ahead by seconds or years.
    pub clock_steps: bool,
    /// The local broker forgets the session now and then.
    pub sessions_lost: bool,
    /// Some readings come at QoS 0.
    pub some_unsafe: bool,
    pub policy: WhenFull,
}

impl Scenario {
    pub fn draw(random: &mut Random) -> Scenario {
        let kind = Kind { v5: random.below(2) == 0, by_clock: random.below(3) == 0, long: random.below(3) == 0 };
        let Kind { v5, by_clock, long } = kind;
        let policies = [WhenFull::DropOldest, WhenFull::DropNewest, WhenFull::KeepLatest, WhenFull::KeepLatest, WhenFull::Block];
        let policy = policies[random.below(5) as usize];
        let mut settings = settings(kind);
        settings.sources[0].max_future = None;
        // A clock that is ahead by years makes all results old.
        settings.sinks.iter_mut().for_each(|sink| sink.outbox.age_max = Duration::MAX);
        settings.gateway.batch_interval = Duration::from_millis([100, 500, 500, 4_000][random.below(4) as usize]);
        let small = &mut settings.sinks[1].outbox;
        // Smaller than a configuration may make it: a few results. Long ones take several segments.
        (small.bytes_max, small.when_full) = (if long { 6_000 + random.below(40_000) } else { 300 + random.below(3_000) }, policy);
        if policy == WhenFull::KeepLatest && random.below(2) == 0 {
            small.key = vec!["start_ms".to_owned()];
        }
        // By the clock, rows may be late: few enough at a time for all of them to be among the dead letters.
        let windows = if by_clock { [1, 2, 5, 5] } else { [1, 5, 20, 100] };
        Scenario {
            settings,
            v5,
            marks: [Marks::DupAndId, Marks::DupAndId, Marks::Id, Marks::Dup][random.below(4) as usize],
            window: windows[random.below(4) as usize],
            by_clock,
            clock_steps: by_clock && random.below(2) == 0,
            sessions_lost: random.below(4) == 0,
            some_unsafe: !by_clock && random.below(4) == 0,
            policy,
        }
    }
}

/// What makes another configuration.
#[derive(Clone, Copy)]
struct Kind {
    v5: bool,
    by_clock: bool,
    /// Results of thousands of bytes.
    long: bool,
}

/// Settings are parsed once a kind.
fn settings(kind: Kind) -> Settings {
    static KINDS: OnceLock<Vec<Settings>> = OnceLock::new();
    let kinds = KINDS.get_or_init(|| {
        let kinds = (0..8).map(|bits| Kind { v5: bits & 1 > 0, by_clock: bits & 2 > 0, long: bits & 4 > 0 });
        kinds.map(parse).collect()
    });
    kinds[usize::from(kind.v5) | usize::from(kind.by_clock) << 1 | usize::from(kind.long) << 2].clone()
}

fn parse(kind: Kind) -> Settings {
    let protocol = if kind.v5 { "5" } else { "3.1.1" };
    let idle_timeout = if kind.by_clock { "3 seconds" } else { "1000 hours" };
    let pad = if kind.long { ", repeat('x', 2000) AS pad" } else { "" };
    // Only the clock closes windows by arrival for certain.
    let by_arrival = if kind.by_clock {
        &format!(
            r#"
        [query.arrivals]
        sql = """SELECT concat('{BY_ARRIVAL}', device) AS device, unix_millis(window.start) AS start_ms, count(*) AS n, sum(v) AS s
                 FROM readings WATERMARK _arrived DELAY OF INTERVAL 1 SECONDS GROUP BY device, window(_arrived, '2 seconds')"""
        mode = "append"
        "#
        )
    } else {
        ""
    };
    let sink = |name: &str| {
        let from = if kind.by_clock && name == "central" { r#""sums", "arrivals""# } else { r#""sums""# };
        format!(
            r#"
            [sink.{name}]
            type = "mqtt"
            broker = "mqtt://{name}"
            protocol = "{protocol}"
            from = [{from}]
            topic = "out/{{device}}"
            "#
        )
    };
    let text = format!(
        r#"
        [gateway]
        id = "sim"
        data_dir = "/nonexistent"
        batch_interval = "500ms"

        [source.readings]
        type = "mqtt"
        broker = "mqtt://local"
        protocol = "{protocol}"
        topics = ["s/d"]
        schema = "device STRING, ts TIMESTAMP, v BIGINT"
        timestamp_unit = "ms"
        event_time = "ts"
        watermark = "10 seconds"
        idle_timeout = "{idle_timeout}"

        [query.sums]
        sql = """SELECT device, unix_millis(window.start) AS start_ms, count(*) AS n, sum(v) AS s{pad}
                 FROM readings GROUP BY device, window(ts, '2 seconds')"""
        mode = "append"
        {by_arrival}
        {}{}
        "#,
        sink("central"),
        sink("small"),
    );
    super::super::support::settings::from_text(&text)
}
