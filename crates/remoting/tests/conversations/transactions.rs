//! Transactions as operators see and settle them.

use message::record::Record;
use remoting::own::{
    Action, LIST_TRANSACTIONS, ListTransactions, RESOLVE_TRANSACTION, ResolveTransaction, SHOW_TRANSACTION,
    Transaction, TransactionPage,
};

use crate::checks::{HALF, offset_of, refused};
use crate::house::{House, pull_fields};

#[test]
fn transactions_are_listed_shown_and_settled_by_hand() {
    let mut house = House::new();
    let client = house.client("p1", Some("payers"), None);
    let half = house.message(client, "orders", "0", HALF, b"paid");
    let list = |house: &mut House, wanted: &ListTransactions| {
        let mut body = Vec::new();
        wanted.write(&mut body);
        TransactionPage::decode(&house.call(client, LIST_TRANSACTIONS, &[], &body).body).unwrap()
    };
    let page = list(&mut house, &ListTransactions::default());
    assert_eq!((page.total, page.set_aside, page.next.is_some(), page.transactions.len()), (1, 0, false, 1));
    let found = &page.transactions[0];
    assert_eq!((found.offset_id.as_str(), found.status.state), (half.field("msgId").unwrap(), "pending"));
    assert_eq!((found.check_max, found.status.unique_key.as_str()), (15, "K1"));
    let none = ListTransactions { group: Some("others".into()), ..ListTransactions::default() };
    assert!(list(&mut house, &none).transactions.is_empty());

    let offset = offset_of(&half);
    for id in [half.field("msgId").unwrap(), "K1", &offset] {
        let shown = house.call(client, SHOW_TRANSACTION, &[("id", id)], b"");
        let shown = Transaction::decode(&shown.body).unwrap();
        assert_eq!((shown.status.keys.as_str(), shown.status.timeline.len()), ("k1 k2", 1), "{id}");
    }
    refused(&house.call(client, SHOW_TRANSACTION, &[("id", "none")], b""), 22, "no transaction");

    let resolve = |house: &mut House, action, why: &str, dry_run| {
        let order = ResolveTransaction { id: "K1".into(), action, who: "ann".into(), why: why.into(), dry_run };
        let mut body = Vec::new();
        order.write(&mut body);
        house.call(client, RESOLVE_TRANSACTION, &[], &body)
    };
    assert!(Transaction::decode(&resolve(&mut house, Action::Commit, "paid", true).body).is_ok());
    assert!(house.store.visible("orders").is_empty(), "a dry run only looks");
    refused(&resolve(&mut house, Action::Commit, " ", false), 29, "reason");
    let done = resolve(&mut house, Action::Commit, "paid at the counter", false);
    assert_eq!((done.code, done.body.len(), house.store.visible("orders").len()), (0, 0, 1));
    refused(&resolve(&mut house, Action::Rollback, "no", false), 22, "no undecided transaction");
    refused(&house.call(client, 323, &[("msgId", "none")], b""), 1, "none");
    refused(&house.call(client, LIST_TRANSACTIONS, &[], br#"{"group":7}"#), 1, r#""group""#);
}

#[test]
fn a_half_that_was_set_aside_is_asked_about_again_on_request() {
    let mut house = House::new();
    let client = house.client("p1", Some("payers"), None);
    let half = house.message(client, "orders", "0", HALF, b"paid");
    assert_eq!(house.call(client, 215, &[("topic", "orders"), ("force", "true")], b"").code, 0);
    house.run_ms(60_000);
    assert!(house.pushes(client).is_empty(), "nobody is asked about what is set aside");
    assert_eq!(house.call(client, 323, &[("msgId", half.field("msgId").unwrap())], b"").code, 0);
    house.run_ms(60_000);
    assert_eq!(house.pushes(client)[0].code, 39);
}

#[test]
fn operators_tools_see_undecided_halves_and_consumers_do_not() {
    let mut house = House::new();
    house.group("cart");
    let client = house.client("p1", Some("payers"), None);
    house.message(client, "orders", "0", HALF, b"paid");
    let half_topic = "RMQ_SYS_TRANS_HALF_TOPIC";
    let seen = house.call(client, 11, &pull_fields("TOOLS_CONSUMER", half_topic, "0", "0"), b"");
    assert_eq!((seen.code, Record::parse(&seen.body).unwrap().body()), (0, &b"paid"[..]));
    refused(&house.call(client, 11, &pull_fields("cart", half_topic, "0", "0"), b""), 16, "operators");
    assert_eq!(house.call(client, 202, &[("topic", half_topic)], b"").code, 0);
}
