//! What a seed's world is like, besides the order of its events: protocol, broker, clock, and what the second sink does when it is full.

use tidemill::config::settings::{Settings, WhenFull};
use tidemill::mqtt::Protocol;

use super::broker::Marks;
use crate::support::random::Random;

/// One kind of world.
pub struct Scenario {
    pub settings: Settings,
    pub v5: bool,
    pub marks: Marks,
    /// Messages that the local broker sends ahead of their acknowledgement.
    pub window: usize,
    /// Windows close by the clock, while the source is idle; else by a last reading.
    pub by_clock: bool,
    /// The wall clock steps: to 1970 unsynchronised, back, ahead.
    pub clock_steps: bool,
    /// The local broker forgets the session now and then.
    pub sessions_lost: bool,
    /// Some readings come at QoS 0.
    pub some_unsafe: bool,
    pub policy: WhenFull,
}

impl Scenario {
    pub fn draw(random: &mut Random) -> Scenario {
        let v5 = random.below(2) == 0;
        let by_clock = random.below(3) == 0;
        let policy = [WhenFull::DropOldest, WhenFull::DropNewest, WhenFull::Block][random.below(3) as usize];
        let mut settings = settings(if v5 { Protocol::V5 } else { Protocol::V4 }, by_clock);
        settings.sources[0].max_future = None;
        let small = &mut settings.sinks[1].outbox;
        // Fuller than a configuration may make it: a few results.
        (small.bytes_max, small.when_full) = (300 + random.below(3_000), policy);
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

/// Settings are parsed once a kind.
fn settings(protocol: Protocol, by_clock: bool) -> Settings {
    static KINDS: std::sync::OnceLock<Vec<Settings>> = std::sync::OnceLock::new();
    let kinds = KINDS.get_or_init(|| {
        let kinds = [("5", "1000 hours"), ("5", "3 seconds"), ("3.1.1", "1000 hours"), ("3.1.1", "3 seconds")];
        kinds.map(|(protocol, idle_timeout)| parse(protocol, idle_timeout)).into()
    });
    kinds[usize::from(protocol == Protocol::V4) * 2 + usize::from(by_clock)].clone()
}

fn parse(protocol: &str, idle_timeout: &str) -> Settings {
    let sink = |name: &str| {
        format!(
            r#"
            [sink.{name}]
            type = "mqtt"
            broker = "mqtt://{name}"
            protocol = "{protocol}"
            from = ["sums"]
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
        sql = """SELECT device, unix_millis(window.start) AS start_ms, count(*) AS n, sum(v) AS s
                 FROM readings GROUP BY device, window(ts, '10 seconds')"""
        mode = "append"
        {}{}
        "#,
        sink("central"),
        sink("small"),
    );
    super::super::support::settings::from_text(&text)
}
