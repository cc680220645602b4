//! Holds the crates to the table in ARCHITECTURE.md: who may name whom, and which of them know no clock, file or socket.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What a pure crate has no use for: clocks, files, sockets, threads, the process around it.
const IMPURE: [&str; 14] = [
    "std::fs",
    "fs::",
    "File::",
    "std::thread",
    "Instant",
    "SystemTime",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "std::process",
    "std::env",
    "env::var",
    "async fn",
    "unsafe",
];

/// One line of the table.
struct Row {
    may_name: BTreeSet<String>,
    kind: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Names in backticks.
fn names(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The table of crates, by name.
fn table() -> BTreeMap<String, Row> {
    let text = read(&root().join("ARCHITECTURE.md"));
    let lines = text.lines().skip_while(|line| !line.starts_with("| crate | one line | may name |"));
    let rows: Vec<Vec<&str>> = lines
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let all: BTreeSet<String> = rows.iter().flat_map(|cells| names(cells[0])).collect();
    assert!(all.len() > 5, "the table of crates is not where it was: {all:?}");
    rows.iter()
        .map(|cells| {
            let [name, _, may_name, kind] = cells[..] else { panic!("a row of the table has four cells: {cells:?}") };
            let own = names(name).pop_first().expect("a crate in backticks");
            let may_name = match may_name.strip_prefix("everyone") {
                Some(rest) => &all - &names(rest),
                None => names(may_name),
            };
            (own, Row { may_name, kind: kind.to_owned() })
        })
        .collect()
}

fn directory(name: &str) -> PathBuf {
    let inside = root().join("crates").join(name);
    if inside.exists() { inside } else { root().join(name) }
}

fn manifest(name: &str) -> toml::Table {
    let path = directory(name).join("Cargo.toml");
    read(&path).parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files of Rust below a directory.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Lines of a source that are code, with their numbers. What stands in comments and texts is left in, but for whole
/// lines of comment.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines()).filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Whether these words stand in a line by themselves and not as a part of longer ones.
fn says(line: &str, words: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(words).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(part_of_word);
        let after = words.ends_with(part_of_word) && line[at + words.len()..].starts_with(part_of_word);
        !before && !after
    })
}

#[test]
fn words_are_found_where_they_stand_by_themselves() {
    for line in ["use std::fs;", "std::fs::read(path)", "let file = std::fs::File::open(path)?;"] {
        assert!(says(line, "std::fs"), "{line}");
    }
    assert!(says("let now = Instant::now();", "Instant") && !says("let instantly = 1;", "Instant"));
    assert!(!says("TcpStreamLike", "TcpStream") && !says("MyTcpStream", "TcpStream"));
    assert!(says("fs::read(path)", "fs::") && !says("offs::x", "fs::"));
    assert_eq!(code("// std::fs\nlet x = 1;").collect::<Vec<_>>(), [(2, "let x = 1;")]);
}

#[test]
fn every_crate_is_in_the_table_and_every_row_is_a_crate() {
    let table = table();
    let crates = fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap());
    for entry in crates.filter(|entry| entry.path().join("Cargo.toml").exists()) {
        let name = entry.file_name().into_string().unwrap();
        assert!(table.contains_key(&name), "crates/{name} is not in the table of ARCHITECTURE.md");
    }
    for name in table.keys() {
        assert!(directory(name).join("Cargo.toml").exists(), "{name} is in the table of ARCHITECTURE.md, but no crate");
    }
}

#[test]
fn a_crate_names_only_those_it_may() {
    let table = table();
    for (name, row) in &table {
        let manifest = manifest(name);
        let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table).cloned().unwrap_or_default();
        for named in dependencies.keys().filter(|named| table.contains_key(*named)) {
            assert!(
                row.may_name.contains(named),
                "{name} depends on {named}, and may name only {:?}: see the table in ARCHITECTURE.md",
                row.may_name
            );
        }
        // Tests may name more, but nobody may be tested through who is built on it.
        let tests = manifest.get("dev-dependencies").and_then(toml::Value::as_table).cloned().unwrap_or_default();
        for named in tests.keys().filter_map(|named| table.get_key_value(named)) {
            assert!(!named.1.may_name.contains(name), "{name} is tested through {}, which is built on it", named.0);
        }
    }
}

#[test]
fn a_pure_crate_knows_no_clock_file_socket_or_thread() {
    let table = table();
    let pure = table.iter().filter(|(_, row)| matches!(row.kind.as_str(), "pure" | "state machine"));
    let pure: Vec<&str> = pure.map(|(name, _)| name.as_str()).collect();
    assert_eq!(pure, ["broker", "message", "nameserver", "protocol", "transaction"]);
    for name in pure {
        for path in sources(&directory(name).join("src")) {
            for (nr, line) in code(&read(&path)) {
                if let Some(word) = IMPURE.iter().find(|word| says(line, word)) {
                    panic!("{}:{nr}: {name} is pure, and has no use for {word:?}", path.display());
                }
            }
        }
    }
}

#[test]
fn only_the_store_opens_data_files_and_only_the_door_touches_sockets() {
    for name in ["engine", "remoting", "sim"] {
        for path in sources(&directory(name).join("src")) {
            for (nr, line) in code(&read(&path)) {
                assert!(!says(line, "std::fs"), "{}:{nr}: only `store` opens data files", path.display());
            }
        }
    }
    for name in ["engine", "store", "sim"] {
        for path in sources(&directory(name).join("src")) {
            for (nr, line) in code(&read(&path)) {
                let socket = ["TcpStream", "TcpListener", "UdpSocket"].iter().any(|word| says(line, word));
                assert!(!socket, "{}:{nr}: only `remoting` touches sockets", path.display());
            }
        }
    }
}

#[test]
fn nobody_forbids_less_than_the_workspace() {
    let workspace: toml::Table = read(&root().join("Cargo.toml")).parse().expect("the workspace's manifest");
    assert_eq!(workspace["workspace"]["lints"]["rust"]["unsafe_code"].as_str(), Some("forbid"));
    for name in table().keys() {
        let manifest = manifest(name);
        let inherits = manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool);
        assert_eq!(inherits, Some(true), "{name} has [lints] workspace = true in its Cargo.toml");
        for path in sources(&directory(name)) {
            let text = read(&path);
            for (nr, line) in code(&text) {
                let allows = ["allow(unsafe_code", "warn(unsafe_code", "allow(warnings"];
                // This file says the words to look for them.
                let ours = path.ends_with("tests/arrows.rs");
                assert!(ours || !allows.iter().any(|words| line.contains(words)), "{}:{nr}: {line}", path.display());
            }
        }
    }
}
