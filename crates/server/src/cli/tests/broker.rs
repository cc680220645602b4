//! Commands that ask a broker.

use serde_json::Value as Json;

use super::super::exit::Exit;
use super::super::fake::{FakeBroker, FakeDoors, NOW, transaction};
use super::super::model::{DecidedBy, DecidedOutcome, Event, TransactionState, Watched, WatchedEvent, What};
use super::super::story;
use super::{doors, run, run_with, told};

#[test]
fn topics_are_listed_without_those_that_nobody_made() {
    let ran = run(&mut doors(), "topics");
    assert_eq!(
        ran.out,
        "TOPIC   KIND      QUEUES  MESSAGES  OPEN  LAST MESSAGE\n\
         orders  ordinary       1         5     3  2023-11-14T22:13:20.000Z\n\
         1 retry, dead letter and system topics are not shown (list --all)\n"
    );
    assert_eq!(run(&mut doors(), "--json topics list").out, run(&mut doors(), "topics --json list").out);
    assert!(run(&mut doors(), "topics list --all").out.contains("%RETRY%cart"));
    let json = run(&mut doors(), "topics list --all --json").json();
    assert_eq!(json["topics"][1]["kind"], "retry");
    assert_eq!(json["topics"][0]["last_message_at_ms"], 1_700_000_000_000_i64);
    let mut empty = FakeDoors { broker: Some(FakeBroker::default()), ..FakeDoors::default() };
    assert!(run(&mut empty, "topics").out.contains("tandem topics create NAME"));
    assert_eq!(run(&mut empty, "topics --json").json()["topics"], serde_json::json!([]));
}

#[test]
fn a_topic_is_shown_with_queues_and_groups() {
    let ran = run(&mut doors(), "topics show orders");
    assert_eq!(
        ran.out,
        "topic orders
  kind        ordinary
  queues      1
  messages    5
  open        3 transactions
  attributes  message.type=TRANSACTION

  QUEUE  FIRST  NEXT  MESSAGES  LAST MESSAGE
      0      7    12         5  2023-11-14T22:13:20.000Z

  GROUP  MEMBERS  LAG
  cart         0    2
"
    );
    let json = run(&mut doors(), "topics show orders --json").json();
    assert_eq!(json["name"], "orders");
    assert_eq!(json["queues"][0]["next_offset"], 12);
    let ran = run(&mut doors(), "topics show order");
    assert_eq!(ran.exit, Exit::NotFound);
    assert_eq!(ran.err, "error: topic \"order\" does not exist; `tandem topics list --all` lists those that do\n");
}

#[test]
fn topics_are_created_and_deleted() {
    let mut doors = doors();
    assert_eq!(run(&mut doors, "topics create bills --queues 4").out, "created topic bills with 4 queues\n");
    let ran = run(&mut doors, "topics delete orders");
    assert_eq!(ran.exit, Exit::Failed);
    assert!(ran.err.starts_with("error: the broker refuses: orders has 3 undecided transactions"), "{}", ran.err);
    assert!(run(&mut doors, "topics delete orders --force").out.contains("3 undecided transactions set aside"));
    assert_eq!(run(&mut doors, "topics delete orders --force --json").json()["set_aside"], 3);
    assert_eq!(told(&doors), ["create bills with 4", "delete orders", "delete orders"]);
}

#[test]
fn groups_are_listed_shown_and_deleted() {
    let mut doors = doors();
    assert_eq!(
        run(&mut doors, "groups").out,
        "GROUP  MEMBERS  TOPICS  LAG  DEAD LETTERS\ncart         1       1    2             1\n"
    );
    assert_eq!(run(&mut doors, "groups list --json").json()["groups"][0]["dead_letters"], 1);
    assert_eq!(
        run(&mut doors, "groups show cart").out,
        "group cart
  lag           2 messages
  dead letters  1
  retries       16 before a message becomes a dead letter

  MEMBER         ADDRESS         LANGUAGE  VERSION
  10.0.0.5@4711  10.0.0.5:51234  JAVA      5.3.0

  TOPIC   QUEUE  OFFSET  NEXT  LAG
  orders      0      10    12    2
"
    );
    assert_eq!(run(&mut doors, "groups show car").exit, Exit::NotFound);
    assert_eq!(run(&mut doors, "groups delete cart").exit, Exit::Ok);
    assert_eq!(told(&doors), ["delete group cart"]);
}

#[test]
fn transactions_are_listed_page_after_page_with_the_totals() {
    let ran = run(&mut doors(), "transactions");
    assert_eq!(
        ran.out,
        "TRANSACTION  STATE        AGE  GROUP   TOPIC   UNKNOWN  NEXT CHECK
T1           undecided    42s  payers  orders        1  in 24s
T2           set-aside    42s  payers  orders        1  -
T3           committed    42s  payers  orders        1  -
T4           rolled-back  42s  payers  orders        1  -
4 shown; the broker has 1 undecided, 1 set aside
"
    );
    let ran = run(&mut doors(), "transactions list --limit 3");
    assert!(ran.out.contains("the oldest 3 that fit are shown (list --limit N, or --after 3)"), "{}", ran.out);
    assert!(run(&mut doors(), "transactions list --after 3").out.starts_with("TRANSACTION  STATE        AGE"));
    let json = run(&mut doors(), "transactions list --limit 3 --json").json();
    assert_eq!(json["transactions"].as_array().unwrap().len(), 3);
    assert_eq!((&json["more"], &json["next"]), (&true.into(), &"3".into()));
    assert_eq!(json["undecided"], 1);
    let ran = run(&mut doors(), "transactions list --state set-aside --older-than 1h");
    assert_eq!(
        ran.out,
        "none shown: no transaction fits what was asked for; the broker has 1 undecided, 1 set aside\n"
    );
    let json = run(&mut doors(), "transactions list --state set-aside --group payers --topic orders --json").json();
    assert_eq!(json["transactions"][0]["id"], "T2");
    assert_eq!((&json["more"], &json["next"]), (&false.into(), &Json::Null));
    let json = run(&mut doors(), "transactions list --key T3 --state open --json").json();
    assert_eq!(json["transactions"], serde_json::json!([]));
    assert_eq!(run(&mut doors(), "transactions list --key T3 --json").json()["transactions"][0]["id"], "T3");
}

#[test]
fn the_life_of_a_committed_transaction_is_told() {
    let ran = run(&mut doors(), "transactions show T3");
    assert_eq!(
        ran.out,
        "transaction T3  committed
  offset id  OFFSETT3
  group      payers, 2 producers online
  topic      orders, queue 3
  tag        paid
  keys       O-1
  size       312 bytes
  stored     2023-11-14T22:12:38.000Z
  checks     1 of 15 answered UNKNOWN, 1 not answered in time

  AFTER  WHAT
   +0ms  stored     by 10.0.0.5@4711, at 4096 of the log
   +11s  asked      10.0.0.5@4711, which did not answer in time
   +36s  asked      10.0.0.5@4711, which answered UNKNOWN (1 of 15)
   +40s  committed  by 10.0.0.5@4711, which was asked
   +40s  visible    in orders, queue 3, offset 17, at 8192 of the log

it is committed because it is. It was decided 40s after it was stored, by 10.0.0.5@4711, which was asked; a decision is final
"
    );
    let json = run(&mut doors(), "transactions show OFFSETT3 --json").json();
    assert_eq!(json["state"], "committed");
    assert_eq!(json["timeline"][1]["event"], "checked");
    assert_eq!(json["timeline"][1]["answer"], "silent");
    assert_eq!(json["timeline"][4]["queue"], 3);
    assert!(json["explanation"].as_str().unwrap().starts_with("it is committed"));
}

#[test]
fn what_can_be_done_about_a_transaction_is_said_where_it_does_not_go_on_by_itself() {
    let out = run(&mut doors(), "transactions show T2").out;
    assert!(
        out.ends_with(
            "
it is set-aside because it is. It was set aside by the broker: answered UNKNOWN 15 times
  tandem transactions resolve T2 --commit --reason TEXT    the database change happened
  tandem transactions resolve T2 --rollback --reason TEXT    it did not, and never will
  tandem transactions resolve T2 --resume --reason TEXT    its producers know now
"
        ),
        "{out}"
    );
    let mut one = transaction("T1", TransactionState::Undecided);
    assert_eq!((story::explanation(&one).as_str(), story::commands(&one)), ("it is undecided because it is", vec![]));
    one.row.producers_online = 0;
    assert!(story::explanation(&one).ends_with("Start a producer of group payers, or decide it by hand"));
    assert_eq!(story::commands(&one).len(), 2);
    let json = run(&mut doors(), "transactions show T2 --json").json();
    assert_eq!(json["commands"].as_array().unwrap().len(), 3);
}

#[test]
fn all_that_pass_a_filter_are_resolved_after_a_second_look() {
    let mut doors = doors();
    let all = "transactions resolve --group payers --reason x";
    let ran = run(&mut doors, &format!("{all} --rollback"));
    assert_eq!(ran.exit, Exit::Usage);
    assert!(ran.err.contains("see which with --dry-run, then do it with --yes"), "{}", ran.err);
    let ran = run(&mut doors, &format!("{all} --resume --dry-run"));
    assert!(
        ran.out.contains("\nT2 ") && ran.out.ends_with("--resume would be done to 1 transaction; do it with --yes\n")
    );
    assert_eq!(told(&doors), Vec::<String>::new());
    assert_eq!(run(&mut doors, &format!("{all} --resume --yes")).out, "1 of 1 transaction resumed by ada\n");
    let json = run(&mut doors, &format!("{all} --rollback --state open --yes --json")).json();
    assert_eq!((&json["done"], &json["failed"]), (&serde_json::json!(["T1"]), &serde_json::json!([])));
    assert_eq!(told(&doors), ["resume OFFSETT2 by ada: x", "rollback OFFSETT1 by ada: x"]);

    doors.broker.as_mut().unwrap().refuses = Some("it was decided meanwhile");
    let ran = run(&mut doors, &format!("{all} --rollback --state open --yes"));
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::Failed, "0 of 1 transaction rolled back by ada\n"));
    assert_eq!(ran.err, "error: T1: the broker refuses: it was decided meanwhile\n");
    for neither_nor in
        ["transactions resolve --commit --reason x", "transactions resolve T1 --key T1 --commit --reason x"]
    {
        assert_eq!(run(&mut doors, neither_nor).exit, Exit::Usage, "{neither_nor}");
    }
}

#[test]
fn what_happens_to_transactions_is_followed_with_names_and_gaps() {
    let event = |at_ms, id: &str, offset_id: &str, what| WatchedEvent {
        id: id.to_owned(),
        offset_id: offset_id.to_owned(),
        group: if id.is_empty() { String::new() } else { "payers".to_owned() },
        topic: if id.is_empty() { String::new() } else { "orders".to_owned() },
        event: Event { at_ms, what },
    };
    let client = || "p1@7".to_owned();
    let decided = || What::Decided {
        outcome: DecidedOutcome::Commit,
        by: DecidedBy::Producer,
        who: client(),
        why: String::new(),
    };
    let first = vec![
        event(NOW, "K1", "O1", What::Stored { client: client(), log_offset: 9 }),
        event(NOW + 6000, "K1", "O1", What::Asked { client: client() }),
        // The broker forgets the names of what is decided: one was seen, one was listed, one is asked for, one is gone.
        event(NOW + 6100, "", "O1", decided()),
        event(NOW + 6200, "", "OFFSETT1", decided()),
    ];
    let second = vec![event(NOW + 7000, "", "OFFSETT4", decided()), event(NOW + 7000, "", "O9", decided())];
    let mut doors = doors();
    let broker = doors.broker.as_mut().unwrap();
    broker.watched =
        vec![Watched { events: first, next: 1, missed: 0 }, Watched { events: second, next: 2, missed: 5 }];
    let ran = run(&mut doors, "transactions watch --for 1ms");
    assert_eq!(
        ran.out,
        "watching; the broker has 1 undecided, 1 set aside
2023-11-14T22:13:20.000Z  stored          +0ms  K1  payers -> orders  by p1@7, at 9 of the log
2023-11-14T22:13:26.000Z  asked          +6.0s  K1  payers -> orders  p1@7
2023-11-14T22:13:26.100Z  committed      +6.1s  K1  payers -> orders  by p1@7
2023-11-14T22:13:26.200Z  committed       +48s  T1  payers -> orders  by p1@7
... 5 events or more came and went unseen
2023-11-14T22:13:27.000Z  committed       +49s  T4  payers -> orders  by p1@7
2023-11-14T22:13:27.000Z  committed             O9  ? -> ?  by p1@7
"
    );
    let ran = run(&mut doors, "transactions watch --for 1ms --id K1 --json");
    let lines: Vec<Json> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events: Vec<&str> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["stored", "asked", "decided", "missed"]);
    assert_eq!((&lines[2]["id"], &lines[2]["outcome"]), (&"K1".into(), &"commit".into()));
    assert_eq!(lines[2]["stored_at_ms"], NOW);
}

#[test]
fn a_transaction_is_resolved_by_hand_with_name_and_reason() {
    let mut doors = doors();
    let ran = run(&mut doors, "transactions resolve T2 --commit --reason 'row 42 is paid'");
    assert_eq!(ran.out, "T2 is committed by ada; `tandem transactions show T2` tells the rest\n");
    let json = run(&mut doors, "transactions resolve T2 --resume --reason back --by bob --json").json();
    assert_eq!((&json["done"], &json["before"], &json["by"]), (&true.into(), &"set-aside".into(), &"bob".into()));
    assert_eq!(run(&mut doors, "transactions resolve T1 --rollback --reason no").exit, Exit::Ok);
    assert_eq!(
        told(&doors),
        ["commit OFFSETT2 by ada: row 42 is paid", "resume OFFSETT2 by bob: back", "rollback OFFSETT1 by ada: no"]
    );
}

#[test]
fn a_dry_run_tells_and_does_nothing() {
    let mut doors = doors();
    let ran = run(&mut doors, "transactions resolve T2 --commit --reason x --dry-run");
    assert_eq!(ran.out, "T2 is set-aside; --commit would deliver its message to orders\n");
    let json = run(&mut doors, "transactions resolve T2 --commit --reason x --dry-run --json").json();
    assert_eq!((&json["needed"], &json["done"]), (&true.into(), &false.into()));
    assert_eq!(run(&mut doors, "transactions resolve T4 --commit --reason x --dry-run").exit, Exit::Failed);
    assert_eq!(told(&doors), Vec::<String>::new());
}

#[test]
fn a_decision_is_final_and_a_repeat_is_nothing_to_do() {
    let mut doors = doors();
    let ran = run(&mut doors, "transactions resolve T3 --commit --reason x");
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::Ok, "T3 is committed already; nothing to do\n"));
    let ran = run(&mut doors, "transactions resolve T3 --rollback --reason x");
    assert_eq!(ran.exit, Exit::Failed);
    assert!(ran.err.contains("T3 is committed and a decision is final: it cannot be rolled back"), "{}", ran.err);
    assert_eq!(run(&mut doors, "transactions resolve T3 --resume --reason x").exit, Exit::Failed);
    assert!(run(&mut doors, "transactions resolve T1 --resume --reason x").out.contains("nothing to do"));
    assert_eq!(run(&mut doors, "transactions resolve T9 --commit --reason x").exit, Exit::NotFound);
    assert_eq!(told(&doors), Vec::<String>::new());
}

#[test]
fn a_decision_by_hand_needs_a_name() {
    let ran = run_with(&mut doors(), "transactions resolve T1 --commit --reason x", &[]);
    assert_eq!(ran.exit, Exit::Usage);
    assert!(ran.err.contains("--by NAME"), "{}", ran.err);
}

#[test]
fn a_message_is_shown_with_its_body() {
    let ran = run(&mut doors(), "message show M1 --topic orders");
    assert_eq!(
        ran.out,
        "message M1
  offset id    OFFSETM1
  topic        orders
  queue        3, offset 17
  log offset   8192
  tag          paid
  keys         O-1
  born         2023-11-14T22:12:37.900Z at 10.0.0.5:51234 (the producer's clock)
  visible      2023-11-14T22:13:18.000Z
  transaction  T1
  flags        0 (producer's), 0x8 (protocol's)
properties
  KEYS  O-1
  TAGS  paid
body, 11 bytes
  {\"order\":1}
"
    );
    assert_eq!(run(&mut doors(), "message show OFFSETM1 --body").out, "{\"order\":1}");
    let json = run(&mut doors(), "message show OFFSETM1 --json").json();
    assert_eq!(json["body_text"], "{\"order\":1}");
    assert_eq!(json["body_hex"], Json::Null);
    let ran = run(&mut doors(), "message show M1");
    assert_eq!(ran.exit, Exit::NotFound);
    assert!(ran.err.contains("--topic"), "{}", ran.err);
}

#[test]
fn a_message_whose_transaction_is_undecided_is_shown_as_that() {
    let mut doors = doors();
    doors.broker.as_mut().unwrap().messages[0].offset = None;
    let out = run(&mut doors, "message show OFFSETM1").out;
    assert!(out.contains("  queue        3, not visible: its transaction is undecided\n"), "{out}");
    assert!(out.contains("  stored       2023-11-14T22:13:18.000Z\n"), "{out}");
    assert_eq!(run(&mut doors, "message show OFFSETM1 --json").json()["offset"], Json::Null);
}

#[test]
fn a_body_that_is_no_text_or_long_or_hostile_is_shown_safely() {
    let shown = |body: Vec<u8>, line: &str| {
        let mut doors = doors();
        doors.broker.as_mut().unwrap().messages[0].body = body;
        run(&mut doors, line).out
    };
    assert!(shown(vec![0xFF, 0x00, 0x10], "message show OFFSETM1").ends_with("body, 3 bytes\n  ff0010\n"));
    assert!(shown(vec![0xFF, 0x00], "message show OFFSETM1 --json").contains("\"body_hex\": \"ff00\""));
    assert!(shown(b"\x1b[2J".to_vec(), "message show OFFSETM1").ends_with("  \\u{1b}[2J\n"));
    let long = "ä".repeat(3000);
    let out = shown(long.into_bytes(), "message show OFFSETM1");
    assert!(out.contains("the first 2048 bytes are shown; all of them: --body"), "{out}");
}
