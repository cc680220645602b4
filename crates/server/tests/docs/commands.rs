//! Commands that need no broker of their page, or cannot be run: blocks of `sh`, what `text` quotes of their output, and
//! command lines in the prose.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::broker::{complained, said, tandem};
use crate::page::{self, quoted};
use crate::shop::Shop;
use crate::shown::unsaid;

const SERVES: &str = "it serves until it is stopped; each page's commands are run with such a broker";
const CHANGES_THE_MACHINE: &str = "it changes the machine: accounts, services, installed programs";

/// Commands in blocks of `sh` that are not run: the page, how the command begins, the reason. Those of the program are
/// parsed nevertheless.
const NOT_RUN: &[(&str, &str, &str)] = &[
    ("README.md", "cargo run --release -- serve", SERVES),
    ("README.md", "cargo test --workspace", "it is what runs this test"),
    ("docs/guide/transactions.md", "cargo run --release -- serve", SERVES),
    ("docs/guide/moving-from-rocketmq.md", "tandem serve --data /var/lib/tandem", SERVES),
    (
        "docs/guide/moving-from-rocketmq.md",
        "tandem demo --addr 127.0.0.1:9876",
        "it needs another broker on that port; the live tests of the demo run it with --addr",
    ),
    ("docs/guide/operating.md", "cargo install --locked --path crates/server", CHANGES_THE_MACHINE),
    ("docs/guide/operating.md", "useradd --system tandem", CHANGES_THE_MACHINE),
    ("docs/guide/operating.md", "systemctl enable --now tandem", CHANGES_THE_MACHINE),
    ("docs/guide/operating.md", "journalctl -u tandem", "there is no such service on this machine"),
];

/// Commands whose verdict is negative, which is what they show: their exit code is 1.
const SAYS_NO: &[&str] = &["demo --seed 7 --without-transactions"];

/// The words of a command line that call the program: from `tandem` on, up to what a shell does with it.
fn call(line: &str) -> Option<Vec<String>> {
    let line = line.split(" #").next().unwrap_or_default().trim();
    let line = line.strip_prefix("ExecStart=").unwrap_or(line);
    let line = line.replacen("cargo run --release -- ", "tandem ", 1);
    let (program, rest) = line.split_once(' ')?;
    if program.rsplit('/').next() != Some("tandem") {
        return None;
    }
    let rest = rest.split(['|', '>', '<', ';', '&']).next().unwrap_or_default();
    let words = rest.split('"').enumerate().flat_map(|(at, part)| match at % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect::<Vec<_>>(),
        _ => vec![part.to_owned()],
    });
    Some(words.collect())
}

/// What the program finds wrong with a command line, which is not carried out.
fn refused(words: &[String]) -> Option<String> {
    const NEVER: &str = "--is-never-an-argument";
    // Everything before this word is parsed first, and what is wrong there is said instead.
    let arguments: Vec<&str> = words.iter().map(String::as_str).chain([NEVER]).collect();
    let complaint = complained(&tandem(&arguments));
    (!complaint.contains(&format!("unexpected argument '{NEVER}'"))).then_some(complaint)
}

/// Runs a command, and tells what it said, or that its exit code is not the one that a reader is told.
fn run(words: &[String]) -> Result<String, String> {
    let arguments: Vec<&str> = words.iter().map(String::as_str).collect();
    let output = tandem(&arguments);
    let expected = i32::from(SAYS_NO.contains(&&*words.join(" ")));
    if output.status.code() == Some(expected) {
        return Ok(said(&output));
    }
    Err(format!(
        "tandem {}: {}, not {expected}\n{}{}",
        words.join(" "),
        output.status,
        said(&output),
        complained(&output)
    ))
}

#[test]
fn every_command_of_a_shell_is_run_and_says_what_is_quoted_or_has_a_reason_and_parses() {
    let pages = page::to_run();
    let (mut unused, mut wrong) = (NOT_RUN.to_vec(), Vec::new());
    let mut runs: BTreeSet<Vec<String>> = BTreeSet::new();
    // Which command is the last before a block of `text last`.
    let mut quotations = Vec::new();
    for page in &pages {
        let mut last = None;
        for block in &page.blocks {
            let words: Vec<&str> = block.words.iter().map(String::as_str).collect();
            match (block.language.as_str(), &words[..]) {
                ("sh", []) => {
                    for line in block.lines.iter().filter(|line| !line.is_empty()) {
                        let begins = |(path, begins, _): &(&str, &str, &str)| {
                            page.path == Path::new(path) && line.starts_with(begins)
                        };
                        let words = call(line);
                        match (unused.iter().position(begins), words) {
                            (Some(at), words) => {
                                unused.remove(at);
                                wrong.extend(words.and_then(|words| refused(&words)));
                            }
                            (None, Some(words)) => {
                                runs.insert(words.clone());
                                last = Some(words);
                            }
                            (None, None) => wrong.push(format!(
                                "{}: {line}: it is not the program's, and NOT_RUN does not say why it is not run",
                                block.place
                            )),
                        }
                    }
                }
                ("text", ["last"]) => match &last {
                    Some(words) => quotations.push((words.clone(), block)),
                    None => wrong.push(format!("{}: no command before it", block.place)),
                },
                ("text", ["file"]) => {
                    wrong.extend(block.lines.iter().filter_map(|line| call(line)).filter_map(|w| refused(&w)))
                }
                ("text", ["log"]) => {}
                ("sh" | "text", _) => wrong.push(format!("{}: {words:?} is not known here", block.place)),
                _ => {}
            }
        }
    }
    wrong.extend(unused.iter().map(|(path, begins, _)| format!("{path} has no command that begins with {begins:?}")));
    assert!(!runs.is_empty(), "no command of a shell is run");
    // All at a time: they are demos, which wait more than they work.
    let outcomes: BTreeMap<&Vec<String>, Result<String, String>> = std::thread::scope(|scope| {
        let running: Vec<_> = runs.iter().map(|words| (words, scope.spawn(|| run(words)))).collect();
        running.into_iter().map(|(words, run)| (words, run.join().expect("it does not panic"))).collect()
    });
    wrong.extend(outcomes.values().filter_map(|outcome| outcome.clone().err()));
    for (words, block) in quotations {
        if let Ok(said) = &outcomes[&words] {
            wrong.extend(
                unsaid(&block.lines, said)
                    .iter()
                    .map(|line| format!("{}: nothing like {line:?} in:\n{said}", block.place)),
            );
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn what_a_broker_is_shown_to_say_when_it_is_started_again_it_says_after_a_kill() {
    let pages = page::to_run();
    let blocks: Vec<_> = pages
        .iter()
        .flat_map(|page| &page.blocks)
        .filter(|block| block.language == "text" && block.words == ["log"])
        .collect();
    assert!(!blocks.is_empty(), "no log is shown");
    let mut shop = Shop::open();
    shop.broker.crash();
    let log = shop.broker.log();
    for block in blocks {
        assert_eq!(unsaid(&block.lines, &log), Vec::<&str>::new(), "{}: the log is\n{log}", block.place);
    }
}

#[test]
fn every_command_line_in_the_prose_parses() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for page in page::all().into_iter().chain(page::others()) {
        for (number, line) in &page.prose {
            for words in quoted(line).filter_map(call) {
                count += 1;
                wrong.extend(refused(&words).map(|complaint| format!("{}:{number}: {complaint}", page.path.display())));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(count > 10, "only {count} command lines in the prose");
}

/// The commands of the README are run with the binary under test in the place of `cargo run`: that they mean the same is
/// for the manifest to say.
#[test]
fn cargo_run_at_the_root_is_the_binary() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let manifest = std::fs::read_to_string(format!("{root}/Cargo.toml")).expect("the manifest of the workspace");
    let manifest: toml::Table = manifest.parse().expect("TOML");
    assert_eq!(manifest["workspace"]["default-members"].as_array(), Some(&vec!["crates/server".into()]));
    let own = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).expect("our manifest");
    let own: toml::Table = own.parse().expect("TOML");
    let binaries: Vec<_> = own["bin"].as_array().expect("binaries").iter().map(|one| one["name"].as_str()).collect();
    assert_eq!(binaries, [Some("tandem")]);
}
