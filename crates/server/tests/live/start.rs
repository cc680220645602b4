//! Starting and stopping: what is said in the first second, what is refused, and how it ends.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::broker::{Broker, PATIENCE, complained, said, tandem};

#[test]
fn the_first_second_tells_where_it_listens_what_it_keeps_and_what_it_found() {
    let mut broker = Broker::start();
    let log = broker.log();
    let (nameserver, address) = (broker.nameserver(), broker.address());
    assert!(nameserver.ip().is_loopback() && address.ip().is_loopback());
    assert!(log.contains(&format!("  data         {}\n", broker.data().display())), "{log}");
    assert!(log.contains("  durability   disk"), "{log}");
    assert!(log.contains("  recovered    a new store in "), "{log}");

    broker.connect().half("payers", "orders", "K1", b"body");
    broker.crash();
    let log = broker.log();
    assert!(log.contains("1 undecided transactions"), "{log}");
    assert!(log.contains("  recovered    ") && !log.contains("a new store"), "{log}");
}

#[test]
fn the_vip_port_two_below_the_brokers_answers_as_the_broker_does() {
    // Ports that are free now: some other process may take one before the broker does, so it gets several chances.
    let found = (0..10).find_map(|_| {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let directory = TempDir::new().unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tandem"));
        command.arg("serve").arg("--data").arg(directory.path().join("data"));
        command.args(["--nameserver-listen", "127.0.0.1:0", "--broker-listen", &format!("127.0.0.1:{port}")]);
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        let answered = loop {
            if child.try_wait().unwrap().is_some() || Instant::now() > deadline {
                break false;
            }
            let output = tandem(&["--addr", &format!("127.0.0.1:{}", port - 2), "topics"]);
            if output.status.success() {
                break true;
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        // It may have ended by itself.
        let _ = child.kill();
        child.wait().unwrap();
        answered.then_some(port)
    });
    assert!(found.is_some(), "no broker answered at its VIP port");
}

#[test]
fn sigterm_answers_what_was_asked_and_ends_with_0_within_5_seconds() {
    let mut broker = Broker::start();
    let mut wire = broker.connect();
    wire.send("orders", "K1", b"body");
    // Somebody waits for a message that does not come, and somebody has sent half a request.
    let mut waiting = broker.connect();
    let waits = std::thread::spawn(move || {
        let answer = waiting.client.call(11, &crate::wire::pull_fields("g", "orders", "1", "6", "15000"), b"");
        // Answered or closed: but not left alone.
        drop(answer);
    });
    std::thread::sleep(Duration::from_millis(50));
    let (status, took) = broker.terminate();
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
    waits.join().unwrap();
    broker.start_again();
    assert_eq!(broker.connect().keys("orders"), ["K1"]);
}

#[test]
fn sigterm_is_not_kept_waiting_by_clients_that_do_not_read() {
    let mut broker = Broker::start();
    let connections: Vec<_> = (0..20).map(|_| broker.connect()).collect();
    let (status, took) = broker.terminate();
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
    drop(connections);
}

#[test]
fn a_second_start_in_the_same_directory_is_refused_and_names_the_first() {
    let broker = Broker::start();
    let output = broker.command().output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = complained(&output);
    assert!(text.contains(&format!("{} is in use by process ", broker.data().display())), "{text}");
    assert!(text.contains("stop it first, or use another data directory"), "{text}");
    assert_eq!(said(&output), "");
    // The first one is none the worse for it.
    broker.connect().send("orders", "K1", b"body");
}

#[test]
fn a_directory_that_holds_something_else_is_left_alone() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("thesis.txt"), "years of work").unwrap();
    let data = directory.path().display().to_string();
    let serve = ["serve", "--data", &data, "--nameserver-listen", "127.0.0.1:0", "--broker-listen", "127.0.0.1:0"];
    let output = tandem(&serve);
    assert_eq!(output.status.code(), Some(1));
    assert!(complained(&output).contains("thesis.txt"), "{}", complained(&output));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn it_does_not_listen_beyond_this_machine_unless_that_is_called_insecure() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data").display().to_string();
    let output = tandem(&["serve", "--data", &data, "--nameserver-listen", "0.0.0.0:0"]);
    assert_eq!(output.status.code(), Some(2));
    let text = complained(&output);
    assert!(text.contains("can be reached from other machines") && text.contains("--insecure"), "{text}");
    assert!(!directory.path().join("data").exists(), "nothing is begun");
}

#[test]
fn an_unknown_key_is_shown_with_file_line_caret_and_the_one_that_was_meant() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("tandem.toml");
    std::fs::write(&file, "[store]\ndurability = \"disk\"\n\n[transactions]\nchek_interval = \"3s\"\n").unwrap();
    let path = file.display().to_string();
    let data = directory.path().join("data").display().to_string();
    let output = tandem(&["serve", "--data", &data, "--config", &path]);
    assert_eq!(output.status.code(), Some(2));
    let text = complained(&output);
    assert!(text.starts_with(&format!("{path}:5:1: unknown key `transactions.chek_interval`")), "{text}");
    assert!(text.contains("chek_interval = \"3s\"") && text.contains("^^^^^^^^^^^^^"), "{text}");
    assert!(text.contains("did you mean `check_interval`?"), "{text}");
    let output = tandem(&["config", "check", &path]);
    assert_eq!(output.status.code(), Some(2));
    std::fs::write(&file, "[transactions]\ncheck_interval = \"3s\"\n").unwrap();
    let output = tandem(&["config", "check", &path]);
    assert_eq!(output.status.code(), Some(0), "{}", complained(&output));
    assert!(said(&output).contains(": in order; it sets 1 of "), "{}", said(&output));
}

#[test]
fn a_port_that_is_taken_is_named_with_what_to_change() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data").display().to_string();
    let others = ["serve", "--data", &data, "--nameserver-listen", "127.0.0.1:0", "--broker-listen", "127.0.0.1:0"];
    for (flag, at) in [("--nameserver-listen", 4), ("--broker-listen", 6)] {
        let mut args = others;
        args[at] = &address;
        let output = tandem(&args);
        assert_eq!(output.status.code(), Some(1), "{flag}");
        let text = complained(&output);
        assert!(text.contains(&format!("cannot listen on {address}")) && text.contains(flag), "{text}");
    }
}

#[test]
fn a_log_line_is_json_when_that_is_configured() {
    let mut broker = Broker::with(&["log.format=json", "store.durability=memory"]);
    broker.allow("store.durability is \\\"memory\\\"");
    let log = broker.log();
    let line = log.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("no object in {log}"));
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["level"], "WARN");
}

#[test]
fn an_idle_broker_is_small_and_sleeps() {
    let broker = Broker::start();
    broker.connect().half("payers", "orders", "K1", b"body");
    let resident = broker.memory("VmRSS");
    assert!(resident < 40 << 20, "{resident} bytes resident");
    // Segments are prepared in the background first. 100 ticks are a second: 1 of them in one is 1 % of a core.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let before = broker.cpu_ticks();
        std::thread::sleep(Duration::from_secs(1));
        let spent = broker.cpu_ticks() - before;
        if spent <= 1 {
            break;
        }
        assert!(Instant::now() < deadline, "{spent} ticks of CPU in a second of idleness");
    }
}
