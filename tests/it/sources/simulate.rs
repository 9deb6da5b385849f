//! Simulated sensors through the whole gateway.

use std::process::Command;

#[test]
fn simulated_sensors_make_windows_and_end() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("gateway.toml");
    let text = r#"
        [gateway]
        id = "sim"
        data_dir = "data"
        batch_interval = "50ms"

        [source.barn]
        type = "simulate"
        devices = 4
        interval = "1ms"
        rows = 4000
        duplicates = 0.5
        schema = "device STRING, seq BIGINT, ts TIMESTAMP, t DOUBLE"
        event_time = "ts"
        watermark = "10s"
        dedup = ["device", "seq"]
        fields.t = { shape = "counter", min = 100 }

        [query.counted]
        mode = "complete"
        sql = "SELECT device, count(*) AS n, min(t) AS lo, max(t) AS hi FROM barn GROUP BY device ORDER BY device"

        [sink.out]
        type = "stdout"
        from = ["counted"]
    "#;
    std::fs::write(&config, text).unwrap();
    let output = Command::new(crate::support::program::path()).args(["run", "-c"]).arg(&config).output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{log}");
    let lines: Vec<serde_json::Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last: Vec<String> =
        lines[lines.len() - 4..].iter().map(|row| format!("{} {} {} {}", row["device"], row["n"], row["lo"], row["hi"])).collect();
    let expected = [1, 2, 3, 4].map(|device| format!("\"sensor-{device:03}\" 1000 100.0 1099.0"));
    assert_eq!(last, expected, "{log}");
}
