//! `tandem store verify|repair`: the data directory while no broker uses it.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::broker::{Broker, complained, said, tandem};
use crate::wire::COMMIT;

fn store(args: &[&str], data: &Path) -> (i32, Json) {
    let data = data.display().to_string();
    let output = tandem(&[&["store"], args, &["--data", &data, "--json"]].concat());
    let json = serde_json::from_str(&said(&output)).unwrap_or_else(|error| panic!("{error}: {}", complained(&output)));
    (output.status.code().unwrap(), json)
}

fn segment(data: &Path) -> PathBuf {
    let mut files: Vec<PathBuf> = std::fs::read_dir(data.join("log"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
        .collect();
    files.sort();
    files.remove(0)
}

/// Turns over some bits where these bytes are in a file.
fn damage(file: &Path, what: &[u8]) {
    let bytes = std::fs::read(file).unwrap();
    let at = bytes.windows(what.len()).position(|window| window == what).expect("it is in there") as u64;
    OpenOptions::new().write(true).open(file).unwrap().write_at(&[0x55; 4], at).unwrap();
}

#[test]
fn a_sound_store_is_verified_and_one_in_use_is_left_alone() {
    let mut broker = Broker::start();
    let mut wire = broker.connect();
    for number in 0..20 {
        wire.send("orders", &format!("K{number}"), b"body");
    }
    let data = broker.data().display().to_string();
    for command in [&["store", "verify"][..], &["store", "repair"], &["store", "repair", "--dry-run"]] {
        let output = tandem(&[command, &["--data", &data]].concat());
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        assert!(complained(&output).contains("is in use by process"), "{}", complained(&output));
    }
    broker.kill();
    let (code, report) = store(&["verify"], &broker.data());
    assert_eq!((code, &report["ok"], &report["damage"]), (0, &true.into(), &serde_json::json!([])));
    assert!(report["entries"].as_u64().unwrap() >= 20, "{report}");
    let output = tandem(&["store", "verify", "--data", &data]);
    assert!(said(&output).contains("nothing is damaged"), "{}", said(&output));
    let (code, report) = store(&["repair"], &broker.data());
    assert_eq!((code, &report["repairs"]), (0, &serde_json::json!([])));
    broker.start_again();
    assert_eq!(broker.connect().keys("orders").len(), 20);
}

#[test]
fn what_is_no_data_directory_is_not_looked_into() {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().display().to_string();
    for command in ["verify", "repair"] {
        let output = tandem(&["store", command, "--data", &path]);
        assert_eq!(output.status.code(), Some(1));
        assert!(complained(&output).contains("is no data directory of Tandem"), "{}", complained(&output));
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn damage_in_the_middle_keeps_the_server_from_starting_until_it_is_repaired_at_its_price() {
    let mut broker = Broker::start();
    let mut wire = broker.connect();
    for number in 0..10 {
        wire.send("orders", &format!("K{number}"), format!("the body of message {number}").as_bytes());
    }
    let half = wire.half("payers", "orders", "H1", b"a half");
    // Killed: no snapshot stands behind the damage.
    broker.kill();
    damage(&segment(&broker.data()), b"the body of message 5");

    let refused = broker.command().output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let text = complained(&refused);
    assert!(text.contains("tandem store verify"), "it says what to do: {text}");

    let (code, report) = store(&["verify"], &broker.data());
    assert_eq!((code, &report["ok"]), (1, &false.into()));
    assert_eq!(report["damage"].as_array().unwrap().len(), 1, "{report}");
    let what = report["damage"][0]["what"].as_str().unwrap();
    assert!(what.contains("readable again from"), "{what}");

    let (code, plan) = store(&["repair", "--dry-run"], &broker.data());
    assert_eq!((code, &plan["dry_run"]), (1, &true.into()));
    assert!(plan["repairs"][0].as_str().unwrap().starts_with("end the log at "), "{plan}");
    assert_eq!(store(&["verify"], &broker.data()).0, 1, "a dry run changes nothing");

    let (code, done) = store(&["repair"], &broker.data());
    assert_eq!((code, &done["ok"]), (0, &true.into()));
    let told: Vec<&str> = done["repairs"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert!(told[0].contains("4 messages") && told[0].contains("1 half"), "it says what is lost: {told:?}");
    assert!(told[1].contains("damaged/"), "{told:?}");
    assert_eq!(store(&["verify"], &broker.data()).0, 0);

    broker.start_again();
    let mut wire = broker.connect();
    let expected: Vec<String> = (0..5).map(|number| format!("K{number}")).collect();
    assert_eq!(wire.keys("orders"), expected);
    assert_eq!(wire.end(&half, COMMIT).code, 1, "what was given up is unknown");
    wire.send("orders", "after", b"body");
    assert_eq!(wire.keys("orders").len(), 6);
}

#[test]
fn a_damaged_snapshot_is_passed_over_and_can_be_taken_away() {
    let mut broker = Broker::start();
    broker.connect().send("orders", "K1", b"body");
    broker.terminate();
    broker.start_again();
    broker.connect().send("orders", "K2", b"body");
    broker.terminate();
    let mut snapshots: Vec<PathBuf> =
        std::fs::read_dir(broker.data().join("snapshots")).unwrap().map(|file| file.unwrap().path()).collect();
    snapshots.sort();
    damage(snapshots.last().unwrap(), b"orders");
    let (code, report) = store(&["verify"], &broker.data());
    assert_eq!(code, 1, "{report}");
    assert!(report["damage"][0]["file"].as_str().unwrap().starts_with("snapshots/"), "{report}");
    let (code, done) = store(&["repair"], &broker.data());
    assert_eq!(code, 0, "{done}");
    broker.start_again();
    assert_eq!(broker.connect().keys("orders"), ["K1", "K2"]);
}
