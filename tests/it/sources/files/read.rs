//! Mode "read": what is there, once.

use super::*;

#[test]
fn killed_at_random_moments_every_row_is_read_once() {
    let mut rig = Rig::new("*.jsonl*", "mode = \"read\"");
    rig.place("1.jsonl", &json(0..30_000));
    rig.place("2.jsonl.gz", &gzip(&json(30_000..60_000)));
    rig.place("3.jsonl.zst", &zstd(&json(60_000..90_000)));
    rig.place("4.jsonl", b"");
    let mut tries = 0;
    let kills = rig.kill_while(250, || {
        tries += 1;
        tries <= 20
    });
    assert!(kills >= 3, "{kills} kills do not prove much");
    // What has ended by now has nothing left to read.
    rig.gateway.start();
    assert!(rig.gateway.wait_exit().success(), "{}", rig.gateway.log());
    rig.assert_exact(90_000);
    let compressed = rig.results().iter().filter(|row| row["file"] == rig.path("2.jsonl.gz").to_str().unwrap()).count();
    assert_eq!(compressed, 30_000);
}

#[test]
fn a_second_run_reads_what_has_been_added_and_no_more() {
    let mut rig = Rig::new("*.jsonl", "mode = \"read\"");
    rig.place("a.jsonl", &json(0..10));
    for (add, expected) in [(10..10, 10), (10..15, 15), (15..15, 15)] {
        std::fs::OpenOptions::new()
            .append(true)
            .open(rig.path("a.jsonl"))
            .and_then(|mut file| std::io::Write::write_all(&mut file, &json(add)))
            .unwrap();
        rig.gateway.start();
        assert!(rig.gateway.wait_exit().success());
        rig.assert_exact(expected);
    }
    assert!(rig.gateway.log_since_start().contains("1 files, of which 1 have been read before"), "{}", rig.gateway.log());
}

#[test]
fn csv_files_have_names_of_their_own_and_fields_of_several_lines() {
    let keys = r#"mode = "read"
format = "csv"
header = "names"
multi_line = true
schema = "id BIGINT, text STRING""#;
    let mut rig = Rig::new("in", keys);
    std::fs::create_dir(rig.path("in")).unwrap();
    std::fs::write(rig.path("in/a.csv"), "\u{feff}id,text\r\n0,\"one\r\n\r\ntwo, \"\"three\"\"\"\r\n1,\r\n").unwrap();
    std::fs::write(rig.path("in/b.csv"), "text,more,id\nfour,,2\n\"open,,3\nfive,,3").unwrap();
    std::fs::write(rig.path("in/c.csv"), "name,id\nx,4\n").unwrap();
    rig.gateway.start();
    assert!(rig.gateway.wait_exit().success(), "{}", rig.gateway.log());
    rig.assert_exact(5);
    let texts: Vec<_> = rig.results().iter().map(|row| row["text"].as_str().map(str::to_owned)).collect();
    let expected = [Some("one\r\n\r\ntwo, \"three\""), None, Some("four"), Some("five"), None];
    assert_eq!(texts, expected.map(|text| text.map(str::to_owned)));
    assert!(rig.gateway.log().contains("c.csv: its header does not name text"), "{}", rig.gateway.log());
    let letters = rig.dead_letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert!(letters[0].contains("a quote is opened and not closed") && letters[0].contains("b.csv"), "{letters:?}");
}

#[test]
fn a_header_without_names_is_passed_over_in_each_file() {
    let mut rig = Rig::new("*.csv", "mode = \"read\"\nformat = \"csv\"\nheader = \"skip\"");
    rig.place("a.csv", b"x,y\n0,a\n1,b\n");
    rig.place("b.csv", b"x,y\n2,c\n");
    rig.gateway.start();
    assert!(rig.gateway.wait_exit().success(), "{}", rig.gateway.log());
    rig.assert_exact(3);
    assert!(rig.dead_letters().is_empty());
}

#[test]
fn of_a_damaged_file_counts_what_is_good() {
    let mut rig = Rig::new("*.jsonl.*", "mode = \"read\"\nmax_payload = \"1 KiB\"");
    let text: Vec<u8> =
        (0..20_000).flat_map(|id: u32| format!("{{\"id\":{id},\"text\":\"{}\"}}\n", id.wrapping_mul(2_654_435_761)).into_bytes()).collect();
    let whole = gzip(&text);
    rig.place("a.jsonl.gz", &whole[..whole.len() / 2]);
    rig.place("b.jsonl.zst", b"this was never compressed data\n");
    rig.place("c.jsonl.gz", &[&whole[..10], &[0xff; 100]].concat());
    // Lines that are too long, in a file that holds far more than its length.
    rig.place("d.jsonl.gz", &gzip(&vec![b'x'; 5_000_000]));
    rig.gateway.start();
    assert!(rig.gateway.wait_exit().success(), "{}", rig.gateway.log());
    let read = rig.count();
    assert!((5_000..19_000).contains(&read), "{read}");
    rig.assert_exact(read);
    let letters = rig.dead_letters().join("\n");
    for part in
        ["a.jsonl.gz", "damaged", "the file is read up to byte 0 and no further", "c.jsonl.gz", "b.jsonl.zst", "the line has 5000000 bytes"]
    {
        assert!(letters.contains(part), "{part}: {letters}");
    }
}

#[test]
fn the_recorded_pace_loses_and_repeats_nothing() {
    let keys = r#"mode = "read"
pace = "recorded"
speed = 2.0
schema = "id BIGINT, ts TIMESTAMP, text STRING"
event_time = "ts"
timestamp_unit = "ms""#;
    let mut rig = Rig::new("a.jsonl", keys);
    // 10 ms lie between two rows; some are out of order, one has no time.
    let row = |id: i64| match id {
        100 => "{\"id\":100,\"text\":\"\"}\n".to_owned(),
        id => format!("{{\"id\":{id},\"ts\":{}}}\n", 1_700_000_000_000 + 10 * if id % 7 == 0 { id - 5 } else { id }),
    };
    std::fs::write(rig.path("a.jsonl"), (0..400).map(row).collect::<String>()).unwrap();
    let mut tries = 0;
    let kills = rig.kill_while(800, || {
        tries += 1;
        tries <= 5
    });
    assert!(kills >= 2, "the rows came faster than they were recorded");
    rig.gateway.start();
    assert!(rig.gateway.wait_exit().success(), "{}", rig.gateway.log());
    let ids: Vec<i64> = rig.results().iter().map(|row| row["id"].as_i64().unwrap()).collect();
    assert!(ids.iter().copied().eq((0..400).filter(|id| *id != 100)), "{ids:?}");
    assert_eq!(rig.dead_letters().len(), 1);
}
