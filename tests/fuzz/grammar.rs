//! Queries made by a grammar: every relation, window and kind of expression, most of them right in form and wrong in meaning.

use crate::mutate::pick;
use crate::random::Random;

const ATOMS: &[&str] = &[
    "device",
    "ts",
    "temperature",
    "number",
    "flag",
    "humidity",
    "NULL",
    "1",
    "-1",
    "0",
    "1.5",
    "1e308",
    "9223372036854775807",
    "'a'",
    "''",
    "'2026-01-01'",
    "TRUE",
    "INTERVAL 1 DAY",
    "INTERVAL '1' SECOND",
    "INTERVAL 3 MONTHS",
    "array(1, 2, NULL)",
    "array(device, 'x')",
    "map('a', 1)",
    "map(device, temperature)",
    "named_struct('a', 1, 'b', 'x')",
    "DATE '2026-01-31'",
    "TIMESTAMP '2026-03-29 02:30:00'",
    "X'00ff'",
    "double('NaN')",
    "'1 minute'",
    "'yyyy-MM-dd'",
    "'$.a[0]'",
    "'{\"a\":[1,{\"b\":null}]}'",
    "'[a-z]+'",
    "'a BIGINT, b ARRAY<STRING>'",
    "x -> x + 1",
    "(a, b) -> a < b",
    "(k, v) -> concat(k, v)",
    "100000000",
    "'Europe/Berlin'",
    "timestamp_millis(number)",
    "window.start",
    "count(*)",
];
const OPERATORS: &[&str] = &[
    "+",
    "-",
    "*",
    "/",
    "%",
    "div",
    "=",
    "<",
    ">=",
    "<>",
    "<=>",
    "AND",
    "OR",
    "||",
    "LIKE",
    "RLIKE",
    "&",
    "|",
    "^",
    "<<",
    "IS DISTINCT FROM",
];
const TYPES: &[&str] = &[
    "INT",
    "BIGINT",
    "DOUBLE",
    "FLOAT",
    "STRING",
    "BOOLEAN",
    "TIMESTAMP",
    "DATE",
    "BINARY",
    "INTERVAL DAY TO SECOND",
    "ARRAY<INT>",
    "ARRAY<ARRAY<STRING>>",
    "MAP<STRING, DOUBLE>",
    "STRUCT<a: INT, b: ARRAY<STRING>>",
];
const WINDOWS: &[&str] = &[
    "window(ts, '10 seconds')",
    "window(ts, '7 seconds', '3 seconds')",
    "window(ts, '10 seconds', '2 seconds', '1 second')",
    "window(ts, '1 day', 'Europe/Berlin')",
    "session_window(ts, '5 seconds')",
    "session_window(ts, concat(CAST(abs(number) % 5 AS STRING), ' seconds'))",
    "count_window(3)",
    "count_window(4, 2)",
    "state_window(temperature > 1, temperature < 1)",
    "window_time(window)",
    "ts",
];
const AGGREGATES: &[&str] = &[
    "count(*)",
    "count(DISTINCT device)",
    "sum(number)",
    "avg(temperature)",
    "min(device)",
    "max(ts)",
    "first(number)",
    "last(device, true)",
    "stddev(temperature)",
    "max_by(device, ts)",
    "collect_list(temperature)",
    "collect_set(device)",
    "percentile(number, 0.5)",
    "percentile_approx(temperature, array(0.1, 0.9))",
    "median(temperature)",
    "mode(device)",
    "approx_count_distinct(number)",
    "histogram_numeric(temperature, 3)",
    "corr(temperature, humidity)",
    "regr_slope(temperature, number)",
    "skewness(temperature)",
    "bool_and(flag)",
    "count_if(flag)",
    "try_sum(number)",
    "listagg(device, ',')",
    "any_value(flag)",
];
const OVERS: &[&str] = &[
    "lag(number)",
    "lead(device, 2, 'x')",
    "row_number()",
    "rank()",
    "ntile(3)",
    "nth_value(number, 2)",
    "changed(number)",
    "ewma(temperature, 0.5)",
    "rate(number)",
    "deadband(temperature, 1.0)",
    "sum(number)",
    "count(*)",
    "first_value(temperature)",
    "last_value(device)",
    "max(temperature)",
];
const FRAMES: &[&str] = &[
    "",
    "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
    "ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING",
    "RANGE BETWEEN INTERVAL 5 SECONDS PRECEDING AND CURRENT ROW",
    "ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
];
const JOINS: &[&str] = &["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "LEFT SEMI JOIN", "LEFT ANTI JOIN", "CROSS JOIN"];
const CONDITIONS: &[&str] = &[
    "a.device = b.device",
    "a.device = b.device AND b.ts BETWEEN a.ts - INTERVAL 3 SECONDS AND a.ts + INTERVAL 5 SECONDS",
    "a.device <=> b.device AND a.ts = b.ts",
    "a.number < b.number",
    "a.device = b.device AND a.flag",
    "1 = 0",
];

pub struct Grammar {
    /// Names of functions.
    pub functions: Vec<String>,
}

impl Grammar {
    pub fn query(&self, random: &mut Random) -> String {
        let body = self.select(random, 2);
        let end = pick(&["", "", "", " LIMIT 3", " ORDER BY 1", " ORDER BY 1 DESC NULLS LAST LIMIT 2"], random);
        match random.below(8) {
            0 => format!("WITH t AS ({body}) SELECT * FROM t{end}"),
            1 => format!("{body} UNION ALL {}{end}", self.select(random, 2)),
            2 => format!("SELECT * FROM ({body}) s WHERE {}{end}", self.expression(random, 2)),
            _ => format!("{body}{end}"),
        }
    }

    fn select(&self, random: &mut Random, depth: u32) -> String {
        let from = self.from(random, depth);
        let filter = if random.below(3) == 0 { format!(" WHERE {}", self.expression(random, 3)) } else { String::new() };
        match random.below(4) {
            0 => self.grouped(random, &from, &filter),
            1 => {
                let frame = pick(FRAMES, random);
                let partition = pick(&["PARTITION BY device ", "PARTITION BY device, flag ", ""], random);
                let call = pick(OVERS, random);
                format!("SELECT device, ts, {call} OVER ({partition}ORDER BY ts {frame}) AS o FROM {from}{filter}")
            }
            _ => {
                let items: Vec<String> =
                    (0..=random.below(3)).map(|number| format!("{} AS c{number}", self.expression(random, 4))).collect();
                let distinct = pick(&["", "", "", "DISTINCT "], random);
                format!("SELECT {distinct}{} FROM {from}{filter}", items.join(", "))
            }
        }
    }

    fn grouped(&self, random: &mut Random, from: &str, filter: &str) -> String {
        let mut items = vec![format!("{} AS a", pick(AGGREGATES, random))];
        if random.below(2) == 0 {
            items.push(format!("{} FILTER (WHERE {}) AS f", pick(AGGREGATES, random), self.expression(random, 2)));
        }
        if random.below(3) == 0 {
            items.push(format!("{}({}) AS made", self.function(random), self.expression(random, 2)));
        }
        let window = pick(WINDOWS, random);
        let keys = match random.below(6) {
            0 => window.to_owned(),
            1 => self.expression(random, 2),
            2 => format!("device, {}", self.expression(random, 2)),
            3 => {
                pick(&["ROLLUP (device, flag)", "CUBE (device, flag)", "GROUPING SETS ((device), (flag, number), ())", "ALL", "1"], random)
                    .to_owned()
            }
            _ => format!("device, {window}"),
        };
        let having = pick(&["", "", "", " HAVING a IS NOT NULL", " HAVING count(*) > 1"], random);
        let group = if random.below(8) == 0 { String::new() } else { format!(" GROUP BY {keys}") };
        format!("SELECT {} FROM {from}{filter}{group}{having}", items.join(", "))
    }

    fn from(&self, random: &mut Random, depth: u32) -> String {
        let plain = pick(&["readings", "readings", "raw_readings", "rooms"], random);
        match random.below(if depth == 0 { 2 } else { 9 }) {
            0 => format!("readings WATERMARK ts DELAY OF INTERVAL {} SECONDS", random.below(20)),
            1 => plain.to_owned(),
            2 | 3 => {
                let (left, right) = (pick(&["readings", "raw_readings"], random), pick(&["readings", "raw_readings", "rooms"], random));
                let (kind, condition) = (pick(JOINS, random), pick(CONDITIONS, random));
                format!("(SELECT a.* FROM {left} a {kind} {right} b ON {condition}) j")
            }
            4 => format!("({}) s", self.select(random, depth - 1)),
            5 => {
                let generator = pick(
                    &[
                        "explode(array(number, 1))",
                        "posexplode(array(device))",
                        "explode(map(device, temperature))",
                        "inline(array(named_struct('p', 1, 'q', 2)))",
                    ],
                    random,
                );
                let outer = pick(&["", "OUTER "], random);
                format!("{plain} LATERAL VIEW {outer}{generator} v")
            }
            6 => format!("{plain} UNPIVOT (reading FOR name IN (temperature, humidity))"),
            7 => "VALUES (1, 'a', TIMESTAMP '2026-01-01 00:00:00'), (2, NULL, NULL) AS v(number, device, ts)".to_owned(),
            _ => format!("(SELECT * FROM {plain} UNION ALL SELECT * FROM readings) u"),
        }
    }

    fn function(&self, random: &mut Random) -> &str {
        &self.functions[random.below(self.functions.len() as u64) as usize]
    }

    pub fn expression(&self, random: &mut Random, depth: u32) -> String {
        if depth == 0 {
            return pick(ATOMS, random).to_owned();
        }
        let mut inner = || self.expression(random, depth - 1);
        match [inner(), inner(), inner()] {
            [a, b, c] => match random.below(14) {
                0 => a,
                1 | 2 => format!("({a} {} {b})", pick(OPERATORS, random)),
                3 => format!("{}({a} AS {})", pick(&["CAST", "try_cast"], random), pick(TYPES, random)),
                4 => format!("CASE WHEN {a} THEN {b} ELSE {c} END"),
                5 => format!("({a} {}IN ({b}, {c}))", pick(&["", "NOT "], random)),
                6 => format!("({a} BETWEEN {b} AND {c})"),
                7 => format!("{a}[{b}]"),
                8 => format!("({a} IS {}NULL)", pick(&["", "NOT "], random)),
                9 => format!("EXISTS (SELECT 1 FROM rooms WHERE rooms.device = {a})"),
                _ => {
                    let count = random.below(4) as usize;
                    format!("{}({})", self.function(random), [a, b, c][..count].join(", "))
                }
            },
        }
    }
}
