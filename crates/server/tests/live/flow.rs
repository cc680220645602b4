//! Messages in a shell pipeline: `tandem produce`, `consume` and `tail`.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;

use crate::broker::{Broker, PATIENCE, complained, said};

/// A command under way, with pipes for everything.
fn start(broker: &Broker, args: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
    command.args(["--addr", &broker.address().to_string()]).args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs")
}

/// Runs a command with this on its standard input.
fn pipe(broker: &Broker, args: &[&str], input: &str) -> Output {
    let mut child = start(broker, args);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).expect("it reads its input");
    drop(stdin);
    child.wait_with_output().unwrap()
}

fn lines(text: &str) -> Vec<Json> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn sorted<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut lines: Vec<&str> = lines.into_iter().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn what_goes_into_the_pipeline_comes_out_with_keys_and_tags_from_json_fields() {
    let broker = Broker::start();
    let input: String = (0..200)
        .map(|nr| {
            format!("{{\"id\":{nr},\"state\":\"{}\",\"by\":{{\"name\":\"é{}\"}}}}\n", ["paid", "open"][nr % 2], nr % 7)
        })
        .collect();
    let fields =
        ["--key-field", "id", "--tag-field", "state", "--ordering-field", "by.name", "--property", "from=here"];
    let produced = pipe(&broker, &[&["produce", "orders"], &fields[..]].concat(), &input);
    assert!(produced.status.success(), "{}", complained(&produced));
    let printed = said(&produced);
    let rows: Vec<Vec<&str>> = printed.lines().map(|line| line.split('\t').collect()).collect();
    assert!(rows.len() == 200 && rows.iter().all(|row| row.len() == 3), "{printed}");

    let text = broker.tell(&["consume", "orders", "--group", "plain", "--count", "200"]);
    assert_eq!(sorted(text.lines()), sorted(input.lines()));
    let text = broker.tell(&["consume", "orders", "--group", "json", "--count", "200", "--json"]);
    let mut queue_of = std::collections::HashMap::new();
    let mut last_of = std::collections::HashMap::new();
    for message in lines(&text) {
        let body: Json = serde_json::from_str(message["body"].as_str().unwrap()).unwrap();
        assert_eq!((&message["key"], &message["tag"]), (&body["id"].to_string().into(), &body["state"]));
        assert_eq!((&message["properties"]["from"], &message["reconsume_times"]), (&"here".into(), &0.into()));
        let name = body["by"]["name"].as_str().unwrap().to_owned();
        assert_eq!(queue_of.entry(name.clone()).or_insert(message["queue"].clone()), &message["queue"]);
        assert!(last_of.insert(name, body["id"].as_i64()) < Some(body["id"].as_i64()), "out of order: {message}");
        let row = ["id", "queue", "offset"].map(|field| message[field].to_string().replace('"', ""));
        assert!(rows.contains(&row.iter().map(String::as_str).collect()), "{row:?}");
    }
    let paid = broker.tell(&["consume", "orders", "--group", "paid", "--tag", "paid", "--count", "100", "--json"]);
    assert!(lines(&paid).iter().all(|message| message["tag"] == "paid"));
    // All is acknowledged, and what the filter passed over is not waited for either.
    for group in ["plain", "json", "paid"] {
        let over = broker.cli(&["consume", "orders", "--group", group, "--count", "1", "--for", "500ms"]);
        assert_eq!((over.status.code(), said(&over).as_str()), (Some(1), ""), "{group}");
        assert_eq!(complained(&over), "error: 0 of 1 messages came within 500ms\n");
    }
}

#[test]
fn bodies_and_files_are_messages_byte_by_byte() {
    let broker = Broker::start();
    let picture = broker.data().join("../picture");
    std::fs::write(&picture, [0xff, 0, b'\n', 7]).unwrap();
    broker.tell(&["produce", "pictures", "--file", picture.to_str().unwrap(), "--key", "cat"]);
    let rows = broker.tell(&["produce", "pictures", "--body", "one", "--body", "two\nlines", "--json"]);
    assert_eq!(lines(&rows).iter().map(|row| row["line"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2]);
    let got = lines(&broker.tell(&["consume", "pictures", "--group", "g", "--count", "3", "--json"]));
    let cat = got.iter().find(|message| message["key"] == "cat").unwrap();
    assert_eq!((&cat["body"], &cat["body_base64"]), (&Json::Null, &"/wAKBw==".into()));
    assert!(got.iter().any(|message| message["body"] == "two\nlines" && message["key"] == Json::Null));
}

#[test]
fn a_broken_line_ends_it_before_it_is_sent_and_is_named() {
    let broker = Broker::start();
    let input = "{\"id\":\"a\"}\n\n{\"id\":\n{\"id\":\"b\"}\n{\"key\":1}\n{\"id\":\"c\"}\n";
    let output = pipe(&broker, &["produce", "orders", "--key-field", "id"], input);
    assert_eq!((output.status.code(), said(&output).lines().count()), (Some(1), 1), "{}", complained(&output));
    let complaint = complained(&output);
    assert!(
        complaint.starts_with("line 3: it is no JSON: ") && complaint.ends_with("1 message stored\n"),
        "{complaint}"
    );
    let output = pipe(&broker, &["produce", "orders", "--key-field", "id", "--skip-bad"], input);
    assert_eq!((output.status.code(), said(&output).lines().count()), (Some(1), 3));
    let complaint = complained(&output);
    assert!(complaint.contains("line 5: it has no field \"id\"\n"), "{complaint}");
    assert!(complaint.ends_with("error: 2 messages failed; 3 messages stored\n"), "{complaint}");
    // What the broker refuses is named as well.
    let limited = Broker::with(&["limits.message_size=2KiB"]);
    let output = pipe(&limited, &["produce", "orders", "--in-flight", "1"], &format!("ok\n{}\nok\n", "x".repeat(4000)));
    assert_eq!((output.status.code(), said(&output).lines().count()), (Some(1), 1), "{}", complained(&output));
    assert!(complained(&output).starts_with("line 2: it could not be stored: "), "{}", complained(&output));
}

#[test]
fn a_command_decides_transactions_and_is_asked_again_about_those_it_left_open() {
    let broker = Broker::with(&["transactions.first_check_after=300ms", "transactions.check_interval=300ms"]);
    // The body is the exit code; what is open is committed when it is asked about.
    let command = "read code; test \"$TANDEM_TOPIC $TANDEM_KEY\" = 'orders k' || exit 0; test -n \"$TANDEM_CHECK\" && code=${code#?}; exit $code";
    let args = ["produce", "orders", "--transaction", "--decide-with", command, "--key", "k", "--group", "payers"];
    let output = pipe(&broker, &args, "0\n1\n70\n61\n");
    assert!(output.status.success(), "{}", complained(&output));
    let text = said(&output);
    let rows: Vec<(&str, &str)> = text.lines().map(|line| line.split_once('\t').unwrap()).collect();
    let outcomes: Vec<&str> = rows.iter().map(|(_, outcome)| *outcome).collect();
    assert_eq!(outcomes[..2], ["committed", "rolled-back"], "{text}");
    assert_eq!(sorted(outcomes[2..].iter().copied()), ["committed", "rolled-back"], "{text}");
    for (id, outcome) in rows {
        assert_eq!(broker.json(&["transactions", "show", id])["state"], outcome);
    }
    let got = broker.tell(&["consume", "orders", "--group", "g", "--count", "2", "--json"]);
    let got = lines(&got);
    assert_eq!(sorted(got.iter().map(|message| message["body"].as_str().unwrap())), ["0", "70"]);
    assert!(got.iter().all(|message| message["transaction"] == message["id"]), "{got:?}");

    let args =
        ["produce", "orders", "--transaction", "--decide-with", "exit 7", "--wait", "1s", "--json", "--body", "x"];
    let output = broker.cli(&args);
    assert_eq!(output.status.code(), Some(1));
    let row = &lines(&said(&output))[0];
    assert_eq!((&row["outcome"], &row["line"]), (&"undecided".into(), &1.into()));
    assert!(complained(&output).contains("1 transaction undecided, of 1 stored"), "{}", complained(&output));
    assert_eq!(broker.json(&["transactions"])["undecided"], 1);
}

#[test]
fn what_a_command_fails_at_is_not_acknowledged_but_comes_again_later() {
    let broker = Broker::start();
    broker.tell(&["produce", "mails", "--body", "first", "--body", "second", "--key", "k"]);
    let command = "read mail; echo \"$mail $TANDEM_KEY $TANDEM_RECONSUME_TIMES\"; test \"$mail\" = first";
    let output = broker.cli(&["consume", "mails", "--group", "mailer", "--exec", command, "--count", "2"]);
    assert_eq!(output.status.code(), Some(1), "{}", complained(&output));
    assert_eq!(sorted(said(&output).lines()), ["first k 0", "second k 0"]);
    let complaint = complained(&output);
    assert!(complaint.contains("the command ended with exit status: 1; it comes again later"), "{complaint}");
    assert!(
        complaint.ends_with("error: the command failed at 1 of 2 messages, which come again later\n"),
        "{complaint}"
    );
    let again = broker.json_when(&["topics", "show", "%RETRY%mailer"], |topic| topic["messages"] == 1);
    assert_eq!(again["kind"], "retry");
    let output = broker.cli(&[
        "consume",
        "mails",
        "--group",
        "mailer",
        "--exec",
        "cat; test $TANDEM_RECONSUME_TIMES = 1",
        "--count",
        "1",
    ]);
    assert_eq!((output.status.code(), said(&output).as_str()), (Some(0), "second"), "{}", complained(&output));
}

#[test]
fn a_reader_that_goes_away_leaves_what_it_did_not_get_to_the_group() {
    let broker = Broker::with(&["topics.default_queues=1"]);
    let mut consumer = start(&broker, &["consume", "orders", "--group", "g"]);
    broker.tell(&["produce", "orders", "--body", "one"]);
    let mut out = BufReader::new(consumer.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "one\n");
    drop(out);
    broker.tell(&["produce", "orders", "--body", "two"]);
    broker.tell(&["produce", "orders", "--body", "three"]);
    let output = consumer.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", complained(&output));
    assert_eq!(broker.tell(&["consume", "orders", "--group", "g", "--count", "2"]), "two\nthree\n");
}

#[test]
fn an_interrupt_ends_it_in_order() {
    let broker = Broker::start();
    for args in [&["consume", "orders", "--group", "g"][..], &["tail", "orders"]] {
        broker.tell(&["produce", "orders", "--body", "before"]);
        let mut child = start(&broker, args);
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        if args[0] == "tail" {
            // It has no way to say that it has begun, and begins at the end.
            std::thread::sleep(std::time::Duration::from_secs(1));
            broker.tell(&["produce", "orders", "--body", "after"]);
        }
        out.read_line(&mut line).unwrap();
        assert!(line.ends_with("before\n") || line.ends_with("after\n"), "{line}");
        let asked = Instant::now();
        let id = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        kill_process(id, Signal::INT).unwrap();
        out.read_to_string(&mut line).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), complained(&output).as_str()), (Some(0), ""));
        assert!(asked.elapsed() < PATIENCE);
    }
    let rest = broker.cli(&["consume", "orders", "--group", "g", "--count", "3", "--for", "2s"]);
    assert!(!said(&rest).is_empty() && !said(&rest).contains("before\nbefore"), "{}", said(&rest));
}

#[test]
fn a_topic_is_followed_beside_all_groups() {
    let broker = Broker::start();
    let missing = broker.cli(&["tail", "orders"]);
    assert_eq!(missing.status.code(), Some(3), "{}", complained(&missing));
    for nr in 0..40 {
        broker.tell(&["produce", "orders", "--body", &format!("body {nr}"), "--tag", ["a", "b"][nr % 2], "--key", "k"]);
    }
    let bodies = |args: &[&str]| -> Vec<String> {
        let text = broker.tell(&[&["tail", "orders", "--json"], args].concat());
        lines(&text).iter().map(|message| message["body"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(bodies(&["--last", "3", "--for", "0s"]), ["body 37", "body 38", "body 39"]);
    assert_eq!(bodies(&["--last", "10", "--tag", "a", "--grep", "8", "--for", "0s"]), ["body 38"]);
    assert_eq!(bodies(&["--last", "10000", "--for", "0s"]).len(), 40);
    assert_eq!(bodies(&["--from", "first", "--count", "40"]).len(), 40);
    assert_eq!(bodies(&["--from", "1h", "--tag", "a || c", "--count", "20"]).len(), 20);
    assert_eq!(bodies(&["--for", "300ms"]).len(), 0);
    let plain = broker.tell(&["tail", "orders", "--last", "1", "--for", "0s"]);
    assert!(plain.ends_with("  b  k  body 39\n"), "{plain}");
    assert!(broker.tell(&["groups"]).contains("no consumer groups yet"));

    let mut child = start(&broker, &["tail", "orders", "--last", "1", "--json"]);
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    broker.tell(&["produce", "orders", "--body", "new"]);
    line.clear();
    out.read_line(&mut line).unwrap();
    assert_eq!(lines(&line)[0]["body"], "new");
    drop(out);
    broker.tell(&["produce", "orders", "--body", "unread"]);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
}

#[test]
fn without_a_broker_the_exit_code_says_so() {
    for args in [&["produce", "t", "--body", "x"][..], &["consume", "t", "--group", "g"], &["tail", "t"]] {
        let output = crate::broker::tandem(&[&["--addr", "127.0.0.1:1"], args].concat());
        assert_eq!(output.status.code(), Some(4), "{args:?}: {}", complained(&output));
        assert!(complained(&output).contains("no broker answers at 127.0.0.1:1"), "{}", complained(&output));
    }
}
