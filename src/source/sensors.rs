//! Made-up sensors. Pure and seeded: the same settings give the same rows but for their times, which begin when they are told to.
//!
//! Limits: [`HELD_BACK_MAX`] late rows are held back; further ones come in time.

use std::collections::VecDeque;
use std::f64::consts::TAU;
use std::fmt::Write;

use crate::config::settings::{Shape, SimulateSettings};

/// Late rows that may wait.
pub const HELD_BACK_MAX: usize = 10_000;

/// A row, as JSON, and when it comes: µs after the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    pub at_us: u64,
    pub json: String,
}

/// The sensors of one source.
pub struct Sensors {
    settings: SimulateSettings,
    /// When the first row is dated, µs since 1970.
    began_us: i64,
    random: SplitMix,
    /// Rows made so far, those left out included.
    made: u64,
    /// The value of each walk, a field after the other for each device.
    walks: Vec<f64>,
    late: VecDeque<Reading>,
    ready: VecDeque<Reading>,
}

impl Sensors {
    pub fn new(settings: &SimulateSettings, began_us: i64) -> Sensors {
        let centres = settings.fields.iter().map(|field| (field.min + field.max) / 2.0);
        let walks = centres.collect::<Vec<_>>().repeat(settings.devices as usize);
        Sensors {
            settings: settings.clone(),
            began_us,
            random: SplitMix(settings.seed),
            made: 0,
            walks,
            late: VecDeque::new(),
            ready: VecDeque::new(),
        }
    }

    /// When the next row comes, µs after the beginning; `None` if there is none any more.
    pub fn next_at_us(&mut self) -> Option<u64> {
        while self.ready.is_empty() && !self.is_over() {
            self.make();
        }
        let late = self.late.front().map(|reading| reading.at_us);
        self.ready.front().map(|reading| reading.at_us).into_iter().chain(late).min()
    }

    /// The rows that come until `now_us`, in order, at most `count_max`.
    pub fn take(&mut self, now_us: u64, count_max: usize) -> Vec<String> {
        let mut rows = Vec::new();
        while rows.len() < count_max && self.next_at_us().is_some_and(|at_us| at_us <= now_us) {
            let late_first = match (self.late.front(), self.ready.front()) {
                (Some(late), Some(ready)) => late.at_us <= ready.at_us,
                (late, _) => late.is_some(),
            };
            let queue = if late_first { &mut self.late } else { &mut self.ready };
            rows.extend(queue.pop_front().map(|reading| reading.json));
        }
        rows
    }

    fn is_over(&self) -> bool {
        self.settings.rows_max.is_some_and(|rows_max| self.made >= rows_max)
    }

    /// Makes the next row of the next device, and decides what becomes of it.
    fn make(&mut self) {
        let devices = u64::from(self.settings.devices);
        let (device, round) = (self.made % devices, self.made / devices);
        let interval_us = self.settings.interval.as_micros() as u64;
        // The devices report one after the other within an interval.
        let at_us = round * interval_us + interval_us * device / devices;
        self.made += 1;
        let json = self.json(device, round, at_us);
        let [gap, late, duplicate] =
            [self.settings.gaps, self.settings.late, self.settings.duplicates].map(|share| self.random.unit() < share);
        if gap {
            return;
        }
        let copies = 1 + usize::from(duplicate);
        if late && self.late.len() < HELD_BACK_MAX {
            let at_us = at_us + self.settings.late_by.as_micros() as u64;
            self.late.extend(std::iter::repeat_n(Reading { at_us, json }, copies));
        } else {
            self.ready.extend(std::iter::repeat_n(Reading { at_us, json }, copies));
        }
    }

    fn json(&mut self, device: u64, round: u64, at_us: u64) -> String {
        let time_us = self.began_us.saturating_add_unsigned(at_us);
        let mut json = format!(
            r#"{{"device":"sensor-{:03}","seq":{round},"ts":{}.{:06}"#,
            device + 1,
            time_us.div_euclid(1_000_000),
            time_us.rem_euclid(1_000_000)
        );
        for number in 0..self.settings.fields.len() {
            let value = self.value(number, device, round, at_us);
            let name = &self.settings.fields[number].name;
            // The configuration takes names of letters, digits and `_` only.
            write!(json, r#","{name}":{value:.3}"#).expect("writing to a String cannot fail");
        }
        json.push('}');
        json
    }

    fn value(&mut self, number: usize, device: u64, round: u64, at_us: u64) -> f64 {
        let field = &self.settings.fields[number];
        let (min, max) = (field.min, field.max);
        let period_us = (field.period.as_micros() as f64).max(1.0);
        let phase = (at_us as f64 / period_us + device as f64 / f64::from(self.settings.devices)).fract();
        let spread = max - min;
        match field.shape {
            Shape::Sine => (min + max) / 2.0 + spread / 2.0 * (TAU * phase).sin(),
            Shape::Steps => min + spread * (phase * 4.0).floor() / 3.0,
            Shape::Sawtooth => min + spread * phase,
            Shape::Counter => min + round as f64,
            Shape::RandomWalk => {
                let step = spread / 50.0 * (2.0 * self.random.unit() - 1.0);
                let walk = &mut self.walks[device as usize * self.settings.fields.len() + number];
                *walk = (*walk + step).clamp(min, max);
                *walk
            }
        }
    }
}

/// Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators, 2014.
struct SplitMix(u64);

impl SplitMix {
    /// From 0 to 1, without 1.
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::settings::SimulatedField;

    fn settings() -> SimulateSettings {
        let field =
            |name: &str, shape| SimulatedField { name: name.to_owned(), shape, min: 10.0, max: 30.0, period: Duration::from_secs(8) };
        SimulateSettings {
            devices: 2,
            interval: Duration::from_secs(1),
            seed: 7,
            rows_max: Some(2_000),
            gaps: 0.0,
            late: 0.0,
            late_by: Duration::from_secs(5),
            duplicates: 0.0,
            fields: vec![
                field("sine", Shape::Sine),
                field("steps", Shape::Steps),
                field("saw", Shape::Sawtooth),
                field("count", Shape::Counter),
                field("walk", Shape::RandomWalk),
            ],
        }
    }

    fn all(settings: &SimulateSettings) -> Vec<serde_json::Value> {
        let mut sensors = Sensors::new(settings, 1_000_000);
        let rows = sensors.take(u64::MAX, usize::MAX);
        assert_eq!(sensors.next_at_us(), None);
        rows.iter().map(|row| serde_json::from_str(row).unwrap()).collect()
    }

    #[test]
    fn devices_take_turns_within_an_interval() {
        let mut sensors = Sensors::new(&settings(), 1_000_000);
        assert_eq!(sensors.take(499_999, 10).len(), 1);
        assert_eq!(sensors.next_at_us(), Some(500_000));
        assert_eq!(sensors.take(1_000_000, 10).len(), 2);
        let rows = all(&settings());
        assert_eq!(rows.len(), 2_000);
        let shown: Vec<String> = rows[..3].iter().map(|row| format!("{} {} {}", row["device"], row["seq"], row["ts"])).collect();
        assert_eq!(shown, [r#""sensor-001" 0 1.0"#, r#""sensor-002" 0 1.5"#, r#""sensor-001" 1 2.0"#]);
    }

    #[test]
    fn shapes_are_what_their_names_say() {
        let first: Vec<serde_json::Value> = all(&settings()).into_iter().filter(|row| row["device"] == "sensor-001").collect();
        let values = |name: &str| first.iter().map(|row| row[name].as_f64().unwrap()).collect::<Vec<_>>();
        assert_eq!(values("sine")[..5], [20.0, 27.071, 30.0, 27.071, 20.0]);
        assert_eq!(values("steps")[..8], [10.0, 10.0, 16.667, 16.667, 23.333, 23.333, 30.0, 30.0]);
        assert_eq!(values("saw")[..4], [10.0, 12.5, 15.0, 17.5]);
        assert_eq!(values("count")[..3], [10.0, 11.0, 12.0]);
        let walk = values("walk");
        assert!(walk.windows(2).all(|pair| (pair[1] - pair[0]).abs() <= 0.401) && walk.iter().all(|x| (10.0..=30.0).contains(x)));
        assert!(walk.iter().any(|x| *x != walk[0]));
    }

    #[test]
    fn gaps_late_rows_and_duplicates_come_as_often_as_asked_and_the_same_each_time() {
        let troubled = SimulateSettings { gaps: 0.1, late: 0.2, duplicates: 0.05, ..settings() };
        let rows = all(&troubled);
        assert_eq!(rows, all(&troubled));
        let times: Vec<f64> = rows.iter().map(|row| row["ts"].as_f64().unwrap()).collect();
        let late = times
            .iter()
            .scan(0.0f64, |latest, time| {
                *latest = latest.max(*time);
                Some(*latest - time >= 4.0)
            })
            .filter(|late| *late)
            .count();
        let mut known = std::collections::BTreeSet::new();
        let duplicates = rows.iter().filter(|row| !known.insert(row.to_string())).count();
        assert!((1_700..1_900).contains(&known.len()), "{} of 2000 rows", known.len());
        assert!((300..500).contains(&late), "{late} late");
        assert!((50..150).contains(&duplicates), "{duplicates} duplicates");
        let other = all(&SimulateSettings { seed: 8, ..troubled });
        assert_ne!(rows, other);
    }
}
