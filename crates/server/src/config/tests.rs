use std::collections::BTreeSet;
use std::ffi::OsString;

use super::keys::{KEYS, Key, SECTIONS};
use super::kind::{Kind, Raw};
use super::load::Source;
use super::value::Value;
use super::*;

const REFERENCE: &str = include_str!("../../tandem.toml");

fn load_text(text: &str) -> Result<Loaded, ConfigError> {
    let mut loader = Loader::new();
    loader.file_text("tandem.toml", text);
    loader.finish()
}

fn complaint(text: &str) -> String {
    load_text(text).expect_err("accepted").to_string()
}

fn with_sets(sets: &[&str]) -> Result<Loaded, ConfigError> {
    let mut loader = Loader::new();
    sets.iter().for_each(|set| loader.set(set));
    loader.finish()
}

fn with_environment(variables: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let mut loader = Loader::new();
    loader.environment(variables.iter().map(|(name, text)| (OsString::from(name), OsString::from(text))));
    loader.finish()
}

/// The reference file with every key switched on.
fn reference_switched_on() -> String {
    let switch_on = |line: &str| match line.strip_prefix('#') {
        Some(key) if key.starts_with(|c: char| c.is_ascii_lowercase()) => key.to_owned(),
        _ => line.to_owned(),
    };
    REFERENCE.lines().map(switch_on).collect::<Vec<_>>().join("\n")
}

/// Names of all fields of [`Config`], from its debug form: the one list that nobody can forget to extend.
fn fields_of_config() -> BTreeSet<String> {
    let mut section = String::new();
    let mut fields = BTreeSet::new();
    for line in format!("{:#?}", Config::default()).lines() {
        let indent = line.len() - line.trim_start().len();
        let Some((name, _)) = line.trim_start().split_once(": ") else { continue };
        match indent {
            4 => section = name.to_owned(),
            8 => {
                fields.insert(format!("{section}.{name}"));
            }
            _ => {}
        }
    }
    fields
}

#[test]
fn every_field_has_its_key_and_every_key_its_field() {
    let keys: BTreeSet<String> = KEYS.iter().map(|key| key.name.to_owned()).collect();
    assert_eq!(keys.len(), KEYS.len(), "a key stands twice in the table");
    assert_eq!(keys, fields_of_config());
}

#[test]
fn the_reference_file_names_every_key_with_its_default_and_no_other() {
    let mut loader = Loader::new();
    loader.file_text("tandem.toml", &reference_switched_on());
    let loaded = loader.finish().expect("the reference file is in order");
    let defaults = Config::default();
    for (key, source) in loaded.keys() {
        assert!(matches!(source, Source::File { .. }), "{} is missing in tandem.toml", key.name);
        assert_eq!((key.get)(&loaded.config), (key.get)(&defaults), "{} differs in tandem.toml", key.name);
    }
    assert_eq!(loaded.config, defaults);
}

#[test]
fn the_reference_file_changes_nothing_as_it_stands() {
    let loaded = load_text(REFERENCE).expect("the reference file is in order");
    assert!(loaded.keys().all(|(_, source)| *source == Source::Default));
    assert_eq!(loaded.config, Config::default());
}

#[test]
fn the_reference_file_says_what_the_table_of_keys_says() {
    assert!(
        REFERENCE == reference::render(),
        "tandem.toml is not what the table of keys says; write it anew: \
         cargo run -p tandem -- config reference > crates/server/tandem.toml"
    );
}

#[test]
fn every_key_is_in_a_section_and_sections_are_in_order() {
    let mut order: Vec<_> = KEYS.iter().map(Key::section).collect();
    order.dedup();
    let sections: Vec<_> = SECTIONS.iter().map(|(section, _)| *section).collect();
    assert_eq!(order, sections);
}

#[test]
fn every_default_is_in_its_range_and_is_read_back_from_what_is_shown() {
    let defaults = Config::default();
    for key in KEYS {
        let shown = key.shown(&defaults);
        let parsed = key.kind.parse(Raw::Bare(shown.trim_matches('"')));
        assert_eq!(parsed, Ok((key.get)(&defaults)), "{} = {shown}", key.name);
        let mut config = Config::default();
        assert!((key.set)(&mut config, (key.get)(&defaults)), "{} cannot be set", key.name);
        assert_eq!(config, defaults);
    }
    assert_eq!(relations::broken(&defaults), []);
    assert_eq!(relations::cautions(&defaults), Vec::<String>::new());
}

#[test]
fn a_value_of_another_kind_is_not_taken_for_a_field() {
    let mut config = Config::default();
    for key in KEYS {
        let wrong = if matches!(key.kind, Kind::Bool) { Value::Count(1) } else { Value::Bool(true) };
        assert!(!(key.set)(&mut config, wrong), "{} took it", key.name);
    }
    assert_eq!(config, Config::default());
}

#[test]
fn a_file_sets_what_it_names() {
    let loaded = load_text(
        "[transactions]\ncheck_interval = \"3s\"\ncheck_max = 0x10\nwhen_exhausted = \"rollback\"\n\
         [retention]\nsize = \"10GiB\"\n[store]\nsegment_size = 16_777_216\ndurability = 'memory'\ndirect_io = true\n\
         [server]\nadvertise = \"[::1]:10911\"\n",
    )
    .unwrap();
    let config = &loaded.config;
    assert_eq!(config.transactions.check_interval, Duration::from_secs(3));
    assert_eq!(config.transactions.check_max, 16);
    assert_eq!(config.transactions.when_exhausted, WhenExhausted::Rollback);
    assert_eq!(config.retention.size, Some(10 << 30));
    assert_eq!(config.store.segment_size, 16 << 20);
    assert_eq!(config.store.durability, Durability::Memory);
    assert_eq!(config.server.advertise, Some("[::1]:10911".parse().unwrap()));
    assert_eq!(config.transactions.first_check_after, Config::default().transactions.first_check_after);
    let cautions = relations::cautions(config);
    assert!(cautions.len() == 2 && cautions[1].contains("direct_io does nothing"), "{cautions:?}");
}

#[test]
fn an_unknown_key_is_shown_with_its_line_a_caret_and_the_key_that_was_meant() {
    assert_eq!(
        complaint("# mine\n[transactions]\ncheck_intervall = \"3s\"\n"),
        "tandem.toml:3:1: unknown key `transactions.check_intervall`\n   \
         |\n 3 | check_intervall = \"3s\"\n   \
         | ^^^^^^^^^^^^^^^ did you mean `check_interval`?"
    );
}

#[test]
fn a_bad_value_is_shown_with_what_was_expected() {
    assert_eq!(
        complaint("[transactions]\n\tcheck_interval = 30 # seconds\n"),
        "tandem.toml:2:19: bad value: `transactions.check_interval` has no unit\n   \
         |\n 2 |  check_interval = 30 # seconds\n   \
         |                   ^^ expected a duration from 10ms to 24h, such as \"30s\" (ms, s, m, h, d)"
    );
}

#[test]
fn all_problems_of_a_file_are_told_at_once_from_top_to_bottom() {
    let text = complaint(
        "[transactions]\nwhen_exhausted = \"setaside\"\ncheck_max = 0\n[storage]\n[store]\nsize = 1\n[limits]\ntopics = [1]\n",
    );
    let firsts: Vec<_> = text.lines().filter(|line| line.starts_with("tandem.toml:")).collect();
    assert_eq!(
        firsts,
        [
            "tandem.toml:2:18: bad value: `transactions.when_exhausted` is not one of its words; did you mean \"set-aside\"?",
            "tandem.toml:3:13: bad value: `transactions.check_max` is out of range",
            "tandem.toml:4:2: unknown section `storage`",
            "tandem.toml:6:1: unknown key `store.size`",
            "tandem.toml:8:10: bad value: `limits.topics` is a list",
        ]
    );
    assert!(text.contains("did you mean `retention.size`, in section [retention]?"), "{text}");
}

#[test]
fn a_key_outside_its_section_is_sent_there() {
    let text = complaint("check_interval = \"3s\"\n");
    assert!(text.contains("unknown key `check_interval`"), "{text}");
    assert!(text.contains("did you mean `transactions.check_interval`, in section [transactions]?"), "{text}");
    let text = complaint("transactions = 3\n");
    assert!(text.contains("`transactions` is a section, not a key"), "{text}");
    let text = complaint("[transaction]\ncheck_max = 3\n");
    assert!(text.contains("did you mean `[transactions]`?"), "{text}");
}

#[test]
fn a_duplicate_key_or_section_is_refused_with_its_place() {
    let text = complaint("[groups]\nretry_max = 3\nretry_max = 4\n");
    assert!(text.starts_with("tandem.toml:3:1: duplicate key\n"), "{text}");
    let text = complaint("[groups]\nretry_max = 3\n[groups]\nauto_create = true\n");
    assert!(text.starts_with("tandem.toml:3:2: duplicate key\n"), "{text}");
}

#[test]
fn text_that_is_not_toml_is_refused_with_its_place() {
    for (text, place) in [
        ("[transactions]\ncheck_interval = 3s\n", "tandem.toml:2:18: "),
        ("[transactions\n", "tandem.toml:1:14: "),
        ("= 3\n", "tandem.toml:1:1: "),
        ("[server]\ndata = \"a\n", "tandem.toml:2:"),
        ("[server]\r\ndata = \"ä\" x\r\n", "tandem.toml:2:12: "),
    ] {
        let complaint = complaint(text);
        assert!(complaint.starts_with(place), "{text:?}: {complaint}");
    }
}

#[test]
fn no_text_makes_the_reader_panic() {
    // Cuts and flips of a good file: each ends in a configuration or in problems whose places can be shown.
    let text = reference_switched_on();
    let bytes = text.as_bytes();
    for at in (0..bytes.len()).step_by(7) {
        let cut = String::from_utf8_lossy(&bytes[..at]).into_owned();
        let _ = load_text(&cut).map_err(|error| error.to_string());
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 0x15;
        let _ = load_text(&String::from_utf8_lossy(&flipped)).map_err(|error| error.to_string());
        flipped[at] = 0xE4;
        let _ = load_text(&String::from_utf8_lossy(&flipped)).map_err(|error| error.to_string());
    }
}

#[test]
fn a_missing_file_says_how_to_get_one() {
    let mut loader = Loader::new();
    loader.file(std::path::Path::new("/nonexistent/tandem.toml"));
    let text = loader.finish().unwrap_err().to_string();
    assert!(text.starts_with("cannot read the configuration file \"/nonexistent/tandem.toml\": "), "{text}");
    assert!(text.contains("tandem config reference > tandem.toml"), "{text}");
}

#[test]
fn the_stronger_hand_wins_whatever_the_order_of_reading() {
    let mut loader = Loader::new();
    loader.flag("--data", "server.data", Value::Path("from-flag".into()));
    loader.set("server.data=from-set");
    loader.set("transactions.check_max=1");
    loader.set("transactions.check_max=2");
    loader.environment([
        ("TANDEM_TRANSACTIONS_CHECK_MAX".into(), "3".into()),
        ("TANDEM_LOG_LEVEL".into(), "debug".into()),
    ]);
    loader
        .file_text("t.toml", "[transactions]\ncheck_max = 4\n[log]\nlevel = \"warn\"\n[topics]\nauto_create = false\n");
    let loaded = loader.finish().unwrap();
    assert_eq!(loaded.config.server.data, PathBuf::from("from-flag"));
    assert_eq!(loaded.config.transactions.check_max, 2);
    assert_eq!(loaded.config.log.level, "debug");
    assert!(!loaded.config.topics.auto_create);
    let source = |name: &str| loaded.keys().find(|(key, _)| key.name == name).unwrap().1.to_string();
    assert_eq!(source("server.data"), "--data");
    assert_eq!(source("transactions.check_max"), "--set");
    assert_eq!(source("log.level"), "TANDEM_LOG_LEVEL");
    assert_eq!(source("topics.auto_create"), "t.toml:6");
    assert_eq!(source("log.format"), "default");
}

#[test]
fn an_argument_of_set_is_refused_with_the_same_care() {
    let complaint = |set: &str| with_sets(&[set]).unwrap_err().to_string();
    assert_eq!(
        complaint("transactions.check_intervall=3s"),
        "--set: unknown key `transactions.check_intervall`\n  |\n  | transactions.check_intervall=3s\n  \
         | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ did you mean `check_interval`?"
    );
    assert_eq!(
        complaint("transactions.check_max=many"),
        "--set: bad value: `transactions.check_max` is not a whole number\n  |\n  | transactions.check_max=many\n  \
         |                        ^^^^ expected a whole number from 1 to 1000000"
    );
    assert!(complaint("transactions.check_max").contains("no value is given"));
    assert!(complaint("check_max=3").contains("did you mean `transactions.check_max`, in section [transactions]?"));
    assert!(complaint("=").contains("the sections are server, transactions"));
    assert_eq!(with_sets(&["retention.size=none", "log.level=\"trace\""]).unwrap().config.retention.size, None);
}

#[test]
fn a_variable_is_refused_with_the_same_care_and_others_are_left_alone() {
    let complaint = |name: &str, text: &str| with_environment(&[(name, text)]).unwrap_err().to_string();
    assert_eq!(
        complaint("TANDEM_TRANSACTIONS_CHECK_INTERVAL", "30"),
        "environment variable TANDEM_TRANSACTIONS_CHECK_INTERVAL: bad value: `transactions.check_interval` has no unit\n  \
         |\n  | TANDEM_TRANSACTIONS_CHECK_INTERVAL=30\n  \
         |                                    ^^ expected a duration from 10ms to 24h, such as \"30s\" (ms, s, m, h, d)"
    );
    assert!(
        complaint("TANDEM_TRANSACTION_CHECK_INTERVAL", "3s")
            .contains("did you mean TANDEM_TRANSACTIONS_CHECK_INTERVAL?")
    );
    assert!(complaint("TANDEM_STORE_FLUSH", "sync").contains("the variables of [store] are TANDEM_STORE_DURABILITY, "));
    assert!(!complaint("TANDEM_SERVER_PASSWORD", "hunter2").contains("hunter2"));
    let others = [
        ("TANDEM_ADDR", "x"),
        ("TANDEM_CONFIG", "x"),
        ("TANDEM_HOME", "x"),
        ("TANDEM_PORT", "tcp://10.0.0.1:9876"),
        ("TANDEM_SERVER_SERVICE_HOST", "10.0.0.1"),
        ("TANDEM_SERVER_SERVICE_PORT_BROKER", "10911"),
        ("TANDEM_SERVER_PORT_10911_TCP_ADDR", "10.0.0.1"),
        ("PATH", "/bin"),
    ];
    assert_eq!(with_environment(&others).unwrap().config, Config::default());
}

#[test]
fn every_key_can_be_set_by_its_variable_and_by_set() {
    let defaults = Config::default();
    for key in KEYS {
        let text = key.shown(&defaults);
        let loaded = with_environment(&[(&key.variable(), text.trim_matches('"'))]).unwrap();
        let source = |loaded: &Loaded| loaded.keys().find(|(known, _)| known.name == key.name).unwrap().1.clone();
        assert_eq!(source(&loaded), Source::Environment(key.variable()));
        let loaded = with_sets(&[&format!("{}={text}", key.name)]).unwrap();
        assert_eq!(source(&loaded), Source::Set);
    }
}

#[test]
fn it_listens_beyond_this_machine_only_when_told_that_this_is_insecure() {
    let open = ["server.broker_listen=0.0.0.0:10911", "server.advertise=10.0.0.7:10911"];
    let text = with_sets(&open).unwrap_err().to_string();
    assert!(text.contains("`server.broker_listen` 0.0.0.0:10911 can be reached from other machines"), "{text}");
    assert!(text.contains("--insecure"), "{text}");
    let loaded = with_sets(&[open[0], open[1], "server.insecure=true"]).unwrap();
    assert_eq!(loaded.config.server.vip_listen(), Some("0.0.0.0:10909".parse().unwrap()));
    assert_eq!(relations::cautions(&loaded.config).len(), 1);
    let text = with_sets(&[open[0], "server.insecure=true"]).unwrap_err().to_string();
    assert!(text.contains("--advertise"), "{text}");
    assert!(with_sets(&["server.nameserver_listen=[::1]:9876", "server.broker_listen=127.0.0.2:10911"]).is_ok());
}

#[test]
fn ports_that_cannot_work_together_are_refused() {
    assert!(with_sets(&["server.nameserver_listen=127.0.0.1:10911"]).is_err());
    assert!(with_sets(&["server.nameserver_listen=127.0.0.1:10909"]).is_err());
    assert!(with_sets(&["server.nameserver_listen=127.0.0.2:10909"]).is_ok());
    assert!(with_sets(&["server.broker_listen=127.0.0.1:2"]).is_err());
    assert!(with_sets(&["server.advertise=0.0.0.0:10911"]).is_err());
    let free = with_sets(&["server.broker_listen=127.0.0.1:0", "server.nameserver_listen=127.0.0.1:0"]).unwrap();
    assert_eq!(free.config.server.vip_listen(), None);
}

#[test]
fn sizes_that_do_not_fit_into_each_other_are_refused_where_they_were_set() {
    let text = complaint("[limits]\nmessage_size = \"16MiB\"\n");
    assert!(text.contains("`limits.frame_size` 16MiB is less than "), "{text}");
    assert!(text.contains("`limits.batch_bytes` 4MiB is less than 16MiB, the size of the largest message"), "{text}");
    assert!(text.contains("tandem.toml:2:16: "), "{text}");
    let text = with_sets(&["store.segment_size=1MiB"]).unwrap_err().to_string();
    assert!(text.contains("`store.segment_size` 1MiB is less than 8MiB, two batches of the log"), "{text}");
    assert!(text.contains("raise store.segment_size or lower limits.batch_bytes"), "{text}");
    let small = ["store.segment_size=1MiB", "limits.batch_bytes=512KiB", "limits.message_size=512KiB"];
    assert!(with_sets(&small).is_ok());
    assert!(with_sets(&["retention.size=64MiB"]).is_err());
    assert!(with_sets(&["topics.default_queues=2000"]).is_err());
}

#[test]
fn a_key_is_explained_with_every_way_to_set_it() {
    let text = reference::explain(Key::find("transactions.check_interval").unwrap());
    for line in
        ["default      \"30s\"", "TANDEM_TRANSACTIONS_CHECK_INTERVAL=30s", "--set transactions.check_interval=30s"]
    {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn a_long_line_with_many_errors_is_told_in_few_words() {
    let keys: Vec<String> = (0..1200).map(|number| format!("key{number} = 1")).collect();
    let text = format!("limits = {{ {} }}\n", keys.join(", "));
    let told = complaint(&text);
    assert!(text.len() > 12_000 && told.len() < 60_000, "{} bytes for {}", told.len(), text.len());
    assert!(told.contains("and 1150 more problems: mend these first"), "{told}");
    // The caret stands below what it is about, also where the line is cut.
    for lines in told.lines().collect::<Vec<_>>().chunks_exact(4).take(50) {
        let column = |line: &str, what: &str| line[..line.find(what).expect(what)].chars().count();
        let name = lines[0].split('`').nth(1).and_then(|name| name.strip_prefix("limits.")).expect("a key");
        assert_eq!(column(lines[2], &format!("{name} =")), column(lines[3], "^"), "{}", lines.join("\n"));
    }
}

#[test]
fn a_name_of_any_length_is_told_in_few_words() {
    let name = "é".repeat(100_000);
    let told = complaint(&format!("[limits]\n\"{name}\" = 1\n")) + &with_sets(&[&name]).unwrap_err().to_string();
    assert!(told.len() < 10_000, "{} bytes", told.len());
    assert!(told.contains('…'), "{told}");
}
