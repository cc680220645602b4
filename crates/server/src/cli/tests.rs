mod broker;
mod doctor;
mod top;

use std::ffi::OsString;

use clap::{CommandFactory, Parser};
use serde_json::Value as Json;

use super::args::Cli;
use super::exit::Exit;
use super::fake::{FakeBroker, FakeDoors, group, message, topic, transaction};
use super::model::{Damage, StoreReport, TopicKind, TransactionState};
use super::run::{Screen, run_on};

struct Ran {
    exit: Exit,
    out: String,
    err: String,
}

impl Ran {
    fn json(&self) -> Json {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

fn run(doors: &mut FakeDoors, line: &str) -> Ran {
    run_with(doors, line, &[("USER", "ada")])
}

fn run_with(doors: &mut FakeDoors, line: &str, variables: &[(&str, &str)]) -> Ran {
    // Words of the line; one that stands in single quotes may hold blanks.
    let words = line.split('\'').enumerate().flat_map(|(nr, part)| match nr % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect::<Vec<_>>(),
        _ => vec![part.to_owned()],
    });
    let cli = Cli::try_parse_from(["tandem".to_owned()].into_iter().chain(words)).expect("a command line that parses");
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let json = cli.json;
    let mut screen = Screen { out: &mut out, err: &mut err, json, colours: false, terminal: false };
    let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect();
    let exit = run_on(cli, variables, doors, &mut screen);
    Ran { exit, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
}

fn parse_error(line: &str) -> clap::Error {
    Cli::try_parse_from(["tandem"].into_iter().chain(line.split_whitespace())).expect_err("parsed")
}

fn doors() -> FakeDoors {
    let broker = FakeBroker {
        topics: vec![topic("orders", TopicKind::Ordinary, 3), topic("%RETRY%cart", TopicKind::Retry, 0)],
        groups: vec![group("cart")],
        transactions: vec![
            transaction("T1", TransactionState::Undecided),
            transaction("T2", TransactionState::SetAside),
            transaction("T3", TransactionState::Committed),
            transaction("T4", TransactionState::RolledBack),
        ],
        messages: vec![message("M1")],
        ..FakeBroker::default()
    };
    FakeDoors { broker: Some(broker), ..FakeDoors::default() }
}

fn told(doors: &FakeDoors) -> Vec<String> {
    doors.broker.as_ref().unwrap().told.borrow().clone()
}

#[test]
fn the_command_line_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_has_help_with_examples() {
    fn examine(command: &mut clap::Command) {
        assert!(command.render_long_help().to_string().contains("Examples:"), "{} has no examples", command.get_name());
        let shown = |sub: &&mut clap::Command| sub.get_name() != "help" && !sub.is_hide_set();
        command.get_subcommands_mut().filter(shown).for_each(examine);
    }
    let mut command = Cli::command();
    assert!(command.render_long_help().to_string().contains("Exit codes:"));
    examine(&mut command);
}

/// Lines of the command line's own help that show a command, without comments and pipes.
fn examples(command: &clap::Command) -> Vec<String> {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let lines = help.lines().skip_while(|line| *line != "Examples:").skip(1).take_while(|line| line.starts_with("  "));
    let own = lines.flat_map(|line| line.split(" && ").map(|part| part.trim().to_owned()).collect::<Vec<_>>());
    let mut all: Vec<String> = own.filter(|line| line.starts_with("tandem ") || line.contains("| tandem ")).collect();
    all.extend(command.get_subcommands().flat_map(examples));
    all
}

#[test]
fn every_example_in_the_help_is_a_command_line_that_parses() {
    let examples = examples(&Cli::command());
    assert!(examples.len() > 50, "{examples:?}");
    for example in examples {
        if let Err(error) = Cli::try_parse_from(words_of(&example)) {
            panic!("{example}: {error}");
        }
    }
}

/// What a shell would hand to the first command of this line, which ends at a redirection, a pipe or a remark.
fn words_of(example: &str) -> Vec<String> {
    let mut words = Vec::new();
    let line = example.split("   ").next().unwrap();
    // A producer's or filter's output may be piped into ours: the line begins with our name somewhere.
    for (nr, part) in line[line.find("tandem").unwrap()..].split(['"', '\'']).enumerate() {
        if nr % 2 == 1 {
            words.push(part.to_owned());
            continue;
        }
        let ours = part.split(['|', '>', '<']).next().unwrap();
        words.extend(ours.split_whitespace().map(str::to_owned));
        if ours.len() < part.len() {
            break;
        }
    }
    words
}

#[test]
fn the_page_of_all_commands_says_what_the_program_says() {
    let page = super::manual::markdown();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md");
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(page == written, "write it anew: cargo run -p tandem -- man --markdown > docs/cli.md");
}

#[test]
fn completions_and_man_pages_know_every_command() {
    let mut doors = FakeDoors::default();
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&mut doors, &format!("completions {shell}")).out;
        for word in ["transactions", "set-aside", "older-than", "doctor", "snippet"] {
            assert!(script.contains(word), "{shell} does not complete {word}");
        }
    }
    let directory = tempfile::tempdir().unwrap();
    run(&mut doors, &format!("man {}", directory.path().display()));
    for page in ["tandem.1", "tandem-transactions.1", "tandem-transactions-resolve.1", "tandem-doctor.1"] {
        let text =
            std::fs::read_to_string(directory.path().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
        assert!(text.contains("Examples:"), "{page} has no examples");
    }
    assert!(run(&mut doors, "man").out.starts_with(".ie"));
}

#[test]
fn programs_are_printed_or_written_with_the_address_filled_in() {
    let mut doors = FakeDoors::default();
    for language in ["java", "spring", "go", "rust"] {
        let json = run(&mut doors, &format!("snippet {language} --nameserver 10.0.0.7:1 --json")).json();
        let files = json["files"].as_array().unwrap();
        let texts: String = files.iter().map(|file| file["text"].as_str().unwrap()).collect();
        assert!(texts.contains("10.0.0.7:1") && !texts.contains("127.0.0.1"), "{language}");
        let printed = run(&mut doors, &format!("snippet {language}")).out;
        assert!(printed.contains(&format!("tandem snippet {language} --dir orders")), "{language} does not say how");
        let directory = tempfile::tempdir().unwrap();
        let line = format!("snippet {language} --dir {}", directory.path().display());
        assert!(run(&mut doors, &line).out.contains("run it: cd "));
        for file in files {
            assert!(directory.path().join(file["path"].as_str().unwrap()).is_file(), "{file}");
        }
        let ran = run(&mut doors, &line);
        assert_eq!(ran.exit, Exit::Failed);
        assert!(ran.err.contains("is there already and is left as it is"), "{}", ran.err);
    }
    for language in ["python", "node"] {
        let ran = run(&mut doors, &format!("snippet {language}"));
        assert_eq!((ran.exit, ran.out.as_str()), (Exit::Failed, ""));
        assert!(ran.err.contains("speaks gRPC, which Tandem does not speak yet"), "{}", ran.err);
    }
}

#[test]
fn a_wrong_command_line_exits_with_2() {
    for line in [
        "serv",
        "topics create",
        "topics create orders --queues 0",
        "transactions resolve T1 --reason x",
        "transactions resolve T1 --commit --rollback --reason x",
        "transactions resolve T1 --commit",
        "transactions list --older-than 5",
        "transactions list --state decided",
        "message show M1 --body --json",
        "serve --broker-listen localhost",
        "topics --addr 127.0.0.1",
        "topics --addr 127.0.0.1:0",
        "topics --addr :10911",
    ] {
        assert_eq!(parse_error(line).exit_code(), Exit::Usage as i32, "{line}");
    }
    assert!(parse_error("topics --addr broker").to_string().contains("broker:10911"));
}

#[test]
fn serve_is_handed_the_configuration_of_its_arguments() {
    let mut doors = FakeDoors::default();
    let ran = run(
        &mut doors,
        "serve --data d --broker-listen 127.0.0.1:20911 --set transactions.check_interval=3s --set limits.topics=9",
    );
    assert_eq!((ran.exit, ran.err.as_str()), (Exit::Ok, ""));
    let config = doors.served.unwrap().config;
    assert_eq!(config.server.data, std::path::PathBuf::from("d"));
    assert_eq!(config.server.broker_listen.port(), 20_911);
    assert_eq!(config.transactions.check_interval, std::time::Duration::from_secs(3));
    assert_eq!(config.limits.topics, 9);
}

#[test]
fn a_configuration_that_is_wrong_is_not_served() {
    let mut doors = FakeDoors::default();
    let ran = run(&mut doors, "serve --nameserver-listen 0.0.0.0:9876");
    assert_eq!(ran.exit, Exit::Usage);
    assert!(doors.served.is_none());
    assert!(ran.err.contains("0.0.0.0:9876 can be reached from other machines"), "{}", ran.err);
    assert!(ran.err.starts_with("--nameserver-listen: "), "{}", ran.err);
    assert!(
        ran.err.contains("  | --nameserver-listen 0.0.0.0:9876\n  |                     ^^^^^^^^^^^^ listen on"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("--insecure"), "{}", ran.err);
    assert_eq!(run(&mut doors, "serve --nameserver-listen 0.0.0.0:9876 --insecure").exit, Exit::Ok);
    let ran = run_with(&mut doors, "serve", &[("TANDEM_LOG_LEVLE", "debug")]);
    assert_eq!(ran.exit, Exit::Usage);
    assert!(ran.err.contains("did you mean TANDEM_LOG_LEVEL?"), "{}", ran.err);
}

#[test]
fn a_server_that_fails_exits_with_1_and_says_why() {
    let mut doors = FakeDoors { serve_fails: Some("the data directory d is in use"), ..FakeDoors::default() };
    let ran = run(&mut doors, "serve");
    assert_eq!((ran.exit, ran.err.as_str()), (Exit::Failed, "error: the data directory d is in use\n"));
}

#[test]
fn no_broker_is_exit_code_4_with_what_to_do() {
    let mut doors = FakeDoors::default();
    let ran = run(&mut doors, "topics --addr 127.0.0.1:1");
    assert_eq!(ran.exit, Exit::Unreachable);
    assert_eq!(
        ran.err,
        "error: no broker answers at 127.0.0.1:1 (connection refused); start one with `tandem serve`, or name its address \
         with --addr\n"
    );
    let ran = run(&mut doors, "topics --json");
    let error: Json = serde_json::from_str(&ran.err).unwrap();
    assert_eq!(error["error"]["kind"], "unreachable");
    assert_eq!(error["error"]["exit_code"], 4);
    assert_eq!(ran.out, "");
}

#[test]
fn a_sound_store_is_exit_code_0_and_a_damaged_one_1() {
    let mut doors = FakeDoors {
        store: StoreReport {
            segments: 3,
            log_end: 99,
            entries: 7,
            elapsed_ms: 12,
            torn_tail: Some(Damage { file: "log/0002".to_owned(), offset: 5, what: "torn".to_owned() }),
            ..Default::default()
        },
        ..FakeDoors::default()
    };
    let ran = run(&mut doors, "store verify --data d");
    assert_eq!(ran.exit, Exit::Ok);
    assert_eq!(
        ran.out,
        "store d\n  log        from 0 to 99 in 3 segments\n  read       7 entries in 12ms\n  \
         torn tail  log/0002 at 5, never acknowledged; the next start cuts it off\nnothing is damaged\n"
    );
    doors.store.damage =
        vec![Damage { file: "log/0000".to_owned(), offset: 4096, what: "checksum of an entry".to_owned() }];
    let ran = run(&mut doors, "store verify --data d");
    assert_eq!(ran.exit, Exit::Failed);
    assert!(ran.out.contains("log/0000    4096  checksum of an entry"), "{}", ran.out);
    assert!(ran.out.contains("tandem store repair --data d --dry-run"), "{}", ran.out);
    let json = run(&mut doors, "store verify --data d --json").json();
    assert_eq!((&json["ok"], &json["damage"][0]["offset"]), (&false.into(), &4096.into()));
    let ran = run(&mut doors, "store repair --data d --dry-run");
    assert_eq!(ran.exit, Exit::Failed);
    assert!(ran.out.contains("would: cut log/0000 at 4096 (dry)"), "{}", ran.out);
    let ran = run(&mut doors, "store repair --data d");
    assert_eq!(ran.exit, Exit::Ok);
    assert!(ran.out.contains("done: cut log/0000 at 4096 (wet)"), "{}", ran.out);
}

#[test]
fn the_store_is_looked_for_where_the_server_keeps_it() {
    let mut doors = FakeDoors::default();
    run(&mut doors, "store verify");
    run_with(&mut doors, "store verify", &[("TANDEM_SERVER_DATA", "elsewhere")]);
    assert_eq!(doors.opened, [std::path::PathBuf::from("tandem-data"), "elsewhere".into()]);
}

#[test]
fn a_configuration_file_is_checked() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tandem.toml");
    std::fs::write(&path, "[store]\ndurability = \"memory\"\n").unwrap();
    let check = format!("config check {}", path.display());
    let ran = run(&mut FakeDoors::default(), &check);
    assert_eq!(ran.exit, Exit::Ok);
    assert!(ran.out.contains(": in order; it sets 1 of "), "{}", ran.out);
    assert!(ran.out.contains("note: store.durability is \"memory\""), "{}", ran.out);
    std::fs::write(&path, "[store]\ndurable = true\n").unwrap();
    let ran = run(&mut FakeDoors::default(), &check);
    assert_eq!(ran.exit, Exit::Usage);
    assert!(ran.err.starts_with(&format!("{}:2:1: unknown key `store.durable`", path.display())), "{}", ran.err);
    let ran = run(&mut FakeDoors::default(), &format!("--json {check}"));
    let error: Json = serde_json::from_str(&ran.err).unwrap();
    assert_eq!((&error["error"]["problems"][0]["line"], &error["error"]["exit_code"]), (&2.into(), &2.into()));
    let ran = run(&mut FakeDoors::default(), "config check /nonexistent --json");
    assert_eq!(ran.exit, Exit::Usage);
    assert_eq!(serde_json::from_str::<Json>(&ran.err).unwrap()["error"]["kind"], "configuration");
}

#[test]
fn what_counts_is_shown_with_its_source() {
    let mut doors = FakeDoors::default();
    let variables = [("TANDEM_LOG_LEVEL", "debug")];
    let ran = run_with(&mut doors, "config show --set transactions.check_max=3", &variables);
    let words: Vec<Vec<&str>> = ran.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(words.contains(&vec!["transactions.check_max", "3", "--set"]), "{}", ran.out);
    assert!(words.contains(&vec!["log.level", "\"debug\"", "TANDEM_LOG_LEVEL"]), "{}", ran.out);
    assert!(words.contains(&vec!["retention.age", "\"72h\"", "default"]), "{}", ran.out);
    let json = run_with(&mut doors, "config show --json", &variables).json();
    let keys = json["configuration"].as_array().unwrap();
    let level = keys.iter().find(|key| key["key"] == "log.level").unwrap();
    assert_eq!((&level["value"], &level["default"]), (&"debug".into(), &"info".into()));
}

#[test]
fn a_key_or_a_section_is_explained() {
    let mut doors = FakeDoors::default();
    let ran = run(&mut doors, "config explain transactions.when_exhausted");
    assert!(ran.out.contains("\"set-aside\" or \"rollback\""), "{}", ran.out);
    let ran = run(&mut doors, "config explain retention");
    assert!(ran.out.contains("retention.age\n") && ran.out.contains("retention.size\n"), "{}", ran.out);
    let json = run(&mut doors, "config explain retention --json").json();
    assert_eq!(json["keys"][1]["variable"], "TANDEM_RETENTION_SIZE");
    let ran = run(&mut doors, "config explain transactions.chek_max");
    assert_eq!(ran.exit, Exit::NotFound);
    assert!(ran.err.contains("did you mean `check_max`?"), "{}", ran.err);
    assert!(run(&mut doors, "config reference").out.starts_with("# Configuration of Tandem"));
}

#[test]
fn an_output_that_nobody_reads_any_more_is_no_error() {
    struct Closed;
    impl std::io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut err = Vec::new();
    let mut screen = Screen { out: &mut Closed, err: &mut err, json: false, colours: false, terminal: false };
    let cli = Cli::try_parse_from(["tandem", "topics"]).unwrap();
    assert_eq!(run_on(cli, Vec::new(), &mut doors(), &mut screen), Exit::Ok);
    assert_eq!(err, b"");
}
