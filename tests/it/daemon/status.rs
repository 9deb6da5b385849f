//! `tidemill status` over the control socket: what it shows, who may ask, and that clients hold up nothing.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Output};

use super::*;

fn command(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidemill")).args(arguments).output().unwrap()
}

fn status(world: &World) -> serde_json::Value {
    let output = command(&["status", "--json", "--data", world.data_dir.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_status_of_a_running_gateway() {
    let mut world = World::start(&Keys::default(), Script::new(VERSION));
    world.publish_numbers(0..20, 0);
    world.wait_for_numbers(0..20);
    let shown = wait_until(PATIENCE, || {
        let status = status(&world);
        status["sinks"][0]["delivered"] == 20 && status["sources"][0]["acknowledged"] == 20
    });
    assert!(shown, "{:#}", status(&world));
    let now = status(&world);
    assert_eq!((&now["gateway"], &now["pid"]), (&"small".into(), &world.gateway.pid().into()));
    assert_eq!((&now["sources"][0]["connected"], &now["sinks"][0]["connected"]), (&true.into(), &true.into()));
    assert_eq!((&now["queries"][0]["results"], &now["sinks"][0]["waiting_rows"]), (&20.into(), &0.into()));
    assert!(now["store"]["used_bytes"].as_u64().unwrap() > 0);

    let config = world.gateway.config_file();
    let output = command(&["status", "-c", config.to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with(&format!("gateway small: tidemill {}, process {}", env!("CARGO_PKG_VERSION"), world.gateway.pid())), "{text}");
    assert!(text.contains("\nreadings  connected ") && text.contains("\ncentral  connected "), "{text}");
    world.stop();
}

#[test]
fn the_socket_is_the_gateways_alone_and_survives_a_kill() {
    let mut world = World::start(&Keys::default(), Script::new(VERSION));
    let socket = world.data_dir.join("control.sock");
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    // A second gateway is refused and leaves the first one's socket alone.
    let second = command(&["run", "-c", world.gateway.config_file().to_str().unwrap()]);
    assert!(!second.status.success());
    assert_eq!(status(&world)["pid"], world.gateway.pid());
    // The socket of a killed one is in nobody's way.
    world.gateway.kill();
    let output = command(&["status", "--data", world.data_dir.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("error: no gateway runs on ") && text.contains("--data"), "{text}");
    world.gateway.start();
    world.gateway.wait_ready();
    assert_eq!(status(&world)["pid"], world.gateway.pid());
    world.stop();
    assert!(!socket.exists());
}

#[test]
fn a_gateway_whose_socket_would_have_too_long_a_path_runs_without() {
    let world = World::prepare(&Keys::default(), Script::new(VERSION));
    let long = world.data_dir.join("d".repeat(100));
    let text = config(&long, world.local_proxy.port(), world.central_proxy.port(), &Keys::default());
    let mut gateway = Gateway::new(|_| text);
    gateway.start();
    gateway.wait_ready();
    gateway.wait_for_log("there is no control socket");
    let output = command(&["status", "--data", long.to_str().unwrap()]);
    assert!(String::from_utf8(output.stderr).unwrap().contains("a socket's has at most 107"));
    assert!(gateway.stop().success());
}

#[test]
fn clients_that_stall_or_flood_hold_up_neither_data_nor_others() {
    let mut world = World::start(&Keys::default(), Script::new(VERSION));
    let socket = world.data_dir.join("control.sock");
    let mut stalled: Vec<UnixStream> = (0..10).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    for (number, client) in stalled.iter_mut().enumerate() {
        // Half a request; or so many that nobody reads the answers of.
        let text = if number % 2 == 0 { "{\"comm".to_owned() } else { "{\"command\":\"status\"}\n".repeat(500) };
        client.set_nonblocking(true).unwrap();
        let _ = client.write(text.as_bytes());
    }
    world.publish_numbers(0..50, 0);
    world.wait_for_numbers(0..50);
    assert_eq!(status(&world)["sources"][0]["received"], 50);
    let mut garbage = UnixStream::connect(&socket).unwrap();
    garbage.write_all(b"\xff\x00 GET / HTTP/1.1\n").unwrap();
    let mut answer = String::new();
    garbage.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("\"ok\":false"), "{answer}");
    world.stop();
}
