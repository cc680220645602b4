//! What the services write down, and the verdict over it: the databases compared with each other.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use client::Decision;
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

/// How long a service waits for another one that writes to the same database.
const BUSY: Duration = Duration::from_secs(10);

/// The order service's database. Its instances share it, as instances of a service do.
#[derive(Debug)]
pub struct Orders(Connection);

/// The cart service's database.
#[derive(Debug)]
pub struct Carts(Connection);

/// What became of an order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Placed {
    /// It is paid.
    Paid,
    /// The business refused it.
    Refused,
    /// A check came, found nothing, and closed the door: the transaction was rolled back before.
    TooLate,
}

impl Orders {
    /// Opens it; the table is made when there is none.
    ///
    /// # Errors
    /// What the database says.
    pub fn open(path: &Path) -> Result<Self> {
        let connection = open(path)?;
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS orders (
                transaction_id TEXT PRIMARY KEY,
                order_id TEXT NOT NULL,
                state TEXT NOT NULL CHECK (state IN ('paid', 'refused', 'abandoned')),
                service TEXT NOT NULL,
                at_ms INTEGER NOT NULL
            ) WITHOUT ROWID;
            CREATE INDEX IF NOT EXISTS orders_by_id ON orders (order_id);",
        )?;
        Ok(Orders(connection))
    }

    /// The local transaction: one row, committed when this returns.
    ///
    /// The transaction's id is the key. Whoever checks and finds nothing puts a row there first, and this one fails:
    /// so what was rolled back stays rolled back, however slow we were.
    ///
    /// # Errors
    /// What the database says.
    pub fn place(&self, transaction: &str, order: &str, service: &str, paid: bool) -> Result<Placed> {
        let state = if paid { "paid" } else { "refused" };
        let insert = "INSERT INTO orders (transaction_id, order_id, state, service, at_ms) VALUES (?, ?, ?, ?, ?)";
        match self.0.execute(insert, params![transaction, order, state, service, now_ms()]) {
            Ok(_) if paid => Ok(Placed::Paid),
            Ok(_) => Ok(Placed::Refused),
            Err(rusqlite::Error::SqliteFailure(error, _)) if error.code == ErrorCode::ConstraintViolation => {
                Ok(Placed::TooLate)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The answer to "what became of this transaction?", whoever ran it.
    ///
    /// A transaction that began less than `patience` ago may still run: nobody knows. After that an empty place is taken,
    /// so that it can never be committed, and only then is it rolled back.
    ///
    /// # Errors
    /// What the database says.
    pub fn decision(&self, transaction: &str, began_ms: i64, patience: Duration) -> Result<Decision> {
        if let Some(decision) = self.decided(transaction)? {
            return Ok(decision);
        }
        if now_ms() - began_ms < patience.as_millis() as i64 {
            return Ok(Decision::Unknown);
        }
        let insert = "INSERT OR IGNORE INTO orders (transaction_id, order_id, state, service, at_ms) VALUES (?, '', 'abandoned', '', ?)";
        self.0.execute(insert, params![transaction, now_ms()])?;
        // The local transaction may have been faster.
        Ok(self.decided(transaction)?.unwrap_or(Decision::Unknown))
    }

    fn decided(&self, transaction: &str) -> Result<Option<Decision>> {
        let select = "SELECT state = 'paid' FROM orders WHERE transaction_id = ?";
        let paid: Option<bool> = self.0.query_row(select, [transaction], |row| row.get(0)).optional()?;
        Ok(paid.map(|paid| if paid { Decision::Commit } else { Decision::Rollback }))
    }
}

impl Carts {
    /// Opens it; the table is made when there is none.
    ///
    /// # Errors
    /// What the database says.
    pub fn open(path: &Path) -> Result<Self> {
        let connection = open(path)?;
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS carts (
                order_id TEXT PRIMARY KEY,
                transaction_id TEXT NOT NULL,
                at_ms INTEGER NOT NULL,
                deliveries INTEGER NOT NULL
            ) WITHOUT ROWID;",
        )?;
        Ok(Carts(connection))
    }

    /// Clears a cart, once, however often the message comes: the order's id is the key.
    ///
    /// # Errors
    /// What the database says.
    pub fn clear(&self, order: &str, transaction: &str) -> Result<()> {
        let insert = "INSERT INTO carts (order_id, transaction_id, at_ms, deliveries) VALUES (?, ?, ?, 1)
            ON CONFLICT (order_id) DO UPDATE SET deliveries = deliveries + 1";
        self.0.execute(insert, params![order, transaction, now_ms()])?;
        Ok(())
    }
}

/// Both databases, to look at.
#[derive(Debug)]
pub struct Books(Connection);

/// What stands in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Orders that were placed: paid or refused.
    pub orders: u64,
    /// Of them, paid.
    pub paid: u64,
    /// Of them, refused.
    pub refused: u64,
    /// Transactions that were closed by a check that found nothing.
    pub abandoned: u64,
    /// Carts cleared.
    pub cleared: u64,
    /// Messages that came again and changed nothing.
    pub duplicates: u64,
    /// Paid, and the cart is not cleared though `patience` has passed.
    pub lost: u64,
    /// Cleared, and no such order is paid.
    pub phantom: u64,
}

impl Books {
    /// Opens both to read.
    ///
    /// # Errors
    /// What the database says.
    pub fn open(orders: &Path, carts: &Path) -> Result<Self> {
        let connection = open(orders)?;
        connection.execute("ATTACH DATABASE ? AS other", [carts.to_str().context("the path is no text")?])?;
        Ok(Books(connection))
    }

    /// Counts. An order is lost when its cart is not cleared and it was paid more than `patience` ago.
    ///
    /// # Errors
    /// What the database says.
    pub fn tally(&self, patience: Duration) -> Result<Tally> {
        let count = |sql: &str| self.0.query_row(sql, [], |row| row.get::<_, u64>(0)).context("cannot count");
        let (paid, refused, abandoned) = self.0.query_row(
            "SELECT coalesce(sum(state = 'paid'), 0), coalesce(sum(state = 'refused'), 0), coalesce(sum(state = 'abandoned'), 0) FROM orders",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        let (cleared, duplicates) =
            self.0.query_row("SELECT count(*), coalesce(sum(deliveries - 1), 0) FROM other.carts", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        let before = now_ms() - patience.as_millis() as i64;
        let lost = count(&format!(
            "SELECT count(*) FROM orders WHERE state = 'paid' AND at_ms <= {before}
             AND NOT EXISTS (SELECT 1 FROM other.carts WHERE carts.order_id = orders.order_id)"
        ))?;
        let phantom = count(
            "SELECT count(*) FROM other.carts
             WHERE NOT EXISTS (SELECT 1 FROM orders WHERE orders.order_id = carts.order_id AND state = 'paid')",
        )?;
        Ok(Tally { orders: paid + refused, paid, refused, abandoned, cleared, duplicates, lost, phantom })
    }
}

fn open(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path).with_context(|| format!("cannot open the database {}", path.display()))?;
    connection.busy_timeout(BUSY)?;
    // A commit is on the disk when it returns, in the write-ahead log.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(4);

    fn books() -> (tempfile::TempDir, Orders, Carts, Books) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (at, to) = (directory.path().join("orders.db"), directory.path().join("carts.db"));
        let (orders, carts) = (Orders::open(&at).expect("orders"), Carts::open(&to).expect("carts"));
        let books = Books::open(&at, &to).expect("both");
        (directory, orders, carts, books)
    }

    #[test]
    fn a_check_that_finds_nothing_closes_the_door_before_it_rolls_back() {
        let (_directory, orders, _, _) = books();
        let long_ago = now_ms() - 10_000;
        assert_eq!(orders.decision("T1", now_ms(), PATIENCE).expect("an answer"), Decision::Unknown);
        assert_eq!(orders.place("T1", "O-1", "order-1", true).expect("a row"), Placed::Paid);
        assert_eq!(orders.decision("T1", long_ago, PATIENCE).expect("an answer"), Decision::Commit);
        assert_eq!(orders.decision("T2", long_ago, PATIENCE).expect("an answer"), Decision::Rollback);
        assert_eq!(orders.place("T2", "O-2", "order-1", true).expect("no row"), Placed::TooLate);
        assert_eq!(orders.place("T3", "O-3", "order-1", false).expect("a row"), Placed::Refused);
        assert_eq!(orders.decision("T3", long_ago, PATIENCE).expect("an answer"), Decision::Rollback);
    }

    #[test]
    fn the_verdict_is_read_from_the_databases() {
        let (_directory, orders, carts, books) = books();
        for (transaction, order, paid) in [("T1", "O-1", true), ("T2", "O-2", true), ("T3", "O-3", false)] {
            orders.place(transaction, order, "order-1", paid).expect("a row");
        }
        carts.clear("O-1", "T1").expect("a row");
        carts.clear("O-1", "T1").expect("the same row");
        carts.clear("O-3", "T3").expect("a row that should not be");
        carts.clear("O-9", "T9").expect("a row that should not be");
        let found = books.tally(Duration::ZERO).expect("a tally");
        let wanted =
            Tally { orders: 3, paid: 2, refused: 1, abandoned: 0, cleared: 3, duplicates: 1, lost: 1, phantom: 2 };
        assert_eq!(found, wanted);
        assert_eq!(books.tally(Duration::from_secs(60)).expect("a tally").lost, 0, "it may be on its way");
    }
}
