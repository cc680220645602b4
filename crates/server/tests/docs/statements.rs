//! Statements of SQL: those for SQLite are run. Those for other databases are not.

use rusqlite::{Connection, params_from_iter};

use crate::page;

#[test]
fn what_is_shown_for_sqlite_lets_a_message_that_comes_twice_change_nothing() {
    let page = page::page("docs/guide/idempotent-consumers.md".as_ref());
    let blocks: Vec<&page::Block> = page.blocks.iter().filter(|block| block.language == "sql").collect();
    for block in &blocks {
        let database = block.words.first().map(String::as_str);
        assert!(matches!(database, Some("sqlite" | "mysql" | "postgresql")), "{}: for which database?", block.place);
    }
    let sqlite: Vec<String> =
        blocks.iter().filter(|block| block.words[0] == "sqlite").map(|block| block.lines.join("\n")).collect();
    let [tables, handle] = &sqlite[..] else { panic!("tables and a transaction, not {} blocks", sqlite.len()) };
    let connection = Connection::open_in_memory().expect("a database");
    connection.execute_batch(tables).unwrap_or_else(|error| panic!("{error}:\n{tables}"));
    connection.execute_batch("INSERT INTO carts (user_id, items) VALUES (7, 3), (8, 2)").expect("two carts");
    // The message about order-17 of user 7, three times.
    for round in 0..3 {
        let changed: Vec<usize> = handle
            .split(';')
            .map(str::trim)
            .filter(|statement| !statement.is_empty())
            .map(|statement| {
                let mut prepared = connection.prepare(statement).unwrap_or_else(|error| panic!("{error}: {statement}"));
                let values = ["order-17", "7"].into_iter().skip(usize::from(!statement.contains("inbox")));
                let values: Vec<&str> = values.take(prepared.parameter_count()).collect();
                prepared.execute(params_from_iter(values)).unwrap_or_else(|error| panic!("{error}: {statement}"))
            })
            .collect();
        assert_eq!(changed[1], usize::from(round == 0), "the row of the inbox is made once");
        connection.execute_batch("UPDATE carts SET items = items + 1 WHERE user_id = 8").expect("life goes on");
    }
    let items = |user: i64| -> i64 {
        connection.query_row("SELECT items FROM carts WHERE user_id = ?", [user], |row| row.get(0)).expect("a cart")
    };
    assert_eq!((items(7), items(8)), (0, 5));
}
