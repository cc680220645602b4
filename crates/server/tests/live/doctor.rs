//! `tandem doctor` on real directories, ports and brokers.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value as Json;

use crate::broker::{Broker, tandem};

/// What is found, with its exit code. The broker's own ports are left to the system.
fn examine(data: &Path, args: &[&str]) -> (Option<i32>, Vec<Json>) {
    let data = data.to_str().unwrap();
    let line = ["doctor", "--json", "--data", data, "--broker-listen", "127.0.0.1:0"];
    let output = tandem(&[&line[..], args].concat());
    let json: Json = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (output.status.code(), json["findings"].as_array().unwrap().clone())
}

fn about<'a>(findings: &'a [Json], subject: &str) -> Vec<&'a Json> {
    findings.iter().filter(|finding| finding["about"] == subject).collect()
}

fn words(finding: &Json) -> (&str, &str) {
    (finding["verdict"].as_str().unwrap(), finding["found"].as_str().unwrap())
}

#[test]
fn a_broker_that_runs_well_is_found_well() {
    let broker = Broker::start();
    broker.connect().half("payers", "orders", "K1", b"body");
    let (address, names) = (broker.address().to_string(), broker.nameserver().to_string());
    let (code, findings) = examine(&broker.data(), &["--addr", &address, "--nameserver-listen", &names]);
    assert_eq!(code, Some(0), "{findings:?}");
    assert!(words(about(&findings, "data")[0]).1.contains("in use by process "), "{findings:?}");
    assert!(words(about(&findings, "name server port")[0]).1.contains(" answers on "), "{findings:?}");
    assert!(words(about(&findings, "broker")[0]).1.contains(&format!(" answers on {address}, up ")), "{findings:?}");
    assert_eq!(words(about(&findings, "route")[0]).0, "ok", "{findings:?}");
    assert_eq!(words(about(&findings, "transactions")[0]), ("ok", "1 undecided, none that needs a person"));
    for subject in ["data directory", "disk", "file system", "clock", "memory", "open files", "consumer groups"] {
        assert_eq!(about(&findings, subject).len(), 1, "{subject}: {findings:?}");
    }
}

#[test]
fn a_process_that_has_the_data_and_does_not_answer_is_wrong() {
    let broker = Broker::start();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (code, findings) = examine(&broker.data(), &["--addr", &free, "--nameserver-listen", "127.0.0.1:0"]);
    assert_eq!(code, Some(1));
    let (verdict, found) = words(about(&findings, "broker")[0]);
    assert!(verdict == "wrong" && found.contains("a process uses the data directory"), "{found}");
}

#[test]
fn damage_foreign_files_and_loose_permissions_are_told() {
    let mut broker = Broker::start();
    broker.connect().send("orders", "K1", &[7; 5000]);
    broker.terminate();
    let data = broker.data();
    let here = ["--nameserver-listen", "127.0.0.1:0"];
    let (code, findings) = examine(&data, &here);
    assert_eq!((code, words(about(&findings, "data")[0]).0), (Some(0), "ok"), "{findings:?}");
    assert!(words(about(&findings, "data")[0]).1.contains("none damaged"), "{findings:?}");

    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o777)).unwrap();
    let segment = std::fs::read_dir(data.join("log")).unwrap().map(|entry| entry.unwrap().path());
    let segment = segment.filter(|path| !path.to_string_lossy().contains("spare")).min().expect("a segment");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[4] ^= 0xFF;
    std::fs::write(&segment, bytes).unwrap();
    let (code, findings) = examine(&data, &here);
    assert_eq!(code, Some(1));
    let damaged = about(&findings, "data")[0];
    assert_eq!(words(damaged).0, "wrong", "{damaged}");
    let all = findings.iter().map(|finding| finding["found"].as_str().unwrap());
    assert!(all.clone().any(|found| found.contains("can be written by anybody")), "{findings:?}");

    let foreign = tempfile::tempdir().unwrap();
    std::fs::write(foreign.path().join("thesis.doc"), "mine").unwrap();
    let (code, findings) = examine(foreign.path(), &here);
    assert_eq!(code, Some(1));
    assert!(words(about(&findings, "data")[0]).1.contains("thesis.doc"), "{findings:?}");
    assert_eq!(std::fs::read_dir(foreign.path()).unwrap().count(), 1, "nothing is made");
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(examine(&empty.path().join("new"), &here).0, Some(0));
    assert_eq!(examine(&foreign.path().join("thesis.doc"), &here).0, Some(1));
}

#[test]
fn a_port_that_somebody_else_has_is_wrong() {
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = stranger.local_addr().unwrap().to_string();
    let serving = std::thread::spawn(move || {
        use std::io::{Read, Write};
        // Once it is asked as a port that is taken, once as a name server for its brokers.
        let (mut stream, _) = stranger.accept().unwrap();
        let _ = stream.read(&mut [0; 1024]);
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let empty = tempfile::tempdir().unwrap();
    let (code, findings) = examine(empty.path(), &["--addr", &free, "--nameserver-listen", &address]);
    serving.join().unwrap();
    assert_eq!(code, Some(1));
    let taken = about(&findings, "name server port")[0];
    assert_eq!(words(taken), ("wrong", format!("another program has {address}").as_str()));
    assert_eq!(words(about(&findings, "broker")[0]).0, "note", "{findings:?}");
}
