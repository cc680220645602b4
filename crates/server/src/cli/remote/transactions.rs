//! Transactions: requests of our own, since RocketMQ has none that shows or settles them.

use broker::io::Happening;
use message::Timestamp;
use message::entry::{CheckOutcome, DecidedBy as By, Outcome};
use protocol::codes::ResponseCode;
use remoting::own::{self, Action, ListTransactions, ResolveTransaction, Transaction};

use super::super::admin::{AdminError, Thing};
use super::super::model::{
    CheckAnswer, DecidedBy, DecidedOutcome, Event, Resolve, ResolveAction, TransactionDetail, TransactionPage,
    TransactionQuery, TransactionRow, TransactionState, Watched, WatchedEvent, What,
};
use super::{Remote, missing, success};

/// Most transactions with one id that are told apart.
const NAMESAKES_MAX: i64 = 10;

/// A page of the transactions that nobody has decided.
pub fn list(remote: &mut Remote, query: &TransactionQuery) -> Result<TransactionPage, AdminError> {
    let after = query.after.as_deref().map(str::parse).transpose().map_err(|_| AdminError::Refused {
        reason: "--after wants the place at which a list ended, its `next`".to_owned(),
    })?;
    let wanted = ListTransactions {
        group: query.group.clone(),
        topic: query.topic.clone(),
        key: query.key.clone(),
        set_aside: match query.state {
            Some(TransactionState::Undecided) => Some(false),
            Some(TransactionState::SetAside) => Some(true),
            Some(TransactionState::Committed | TransactionState::RolledBack) | None => None,
        },
        min_age_ms: query.older_than_ms.map_or(0, |ms| i64::try_from(ms).unwrap_or(i64::MAX)),
        after,
        max: i64::from(query.limit),
    };
    let list = ask_list(remote, &wanted)?;
    Ok(TransactionPage {
        next: list.next.map(|next| next.to_string()),
        undecided: list.total.saturating_sub(list.set_aside),
        set_aside: list.set_aside,
        now_ms: list.now.millis(),
        rows: list.transactions.into_iter().map(|one| row(remote, one)).collect::<Result<_, _>>()?,
    })
}

/// One transaction's whole life.
pub fn show(remote: &mut Remote, id: &str) -> Result<TransactionDetail, AdminError> {
    let namesakes = ListTransactions { key: Some(id.to_owned()), max: NAMESAKES_MAX, ..ListTransactions::default() };
    let namesakes = ask_list(remote, &namesakes)?.transactions;
    if namesakes.len() > 1 {
        let candidates = namesakes.into_iter().map(|one| one.offset_id).collect();
        return Err(AdminError::Ambiguous { kind: Thing::Transaction, name: id.to_owned(), candidates });
    }
    // A key may be that of older, decided ones too: the one that is open is meant.
    let found = namesakes.first().map_or(id, |one| &one.offset_id);
    let transaction = ask_show(remote, found)?.ok_or_else(|| missing(Thing::Transaction, id))?;
    detail(remote, transaction)
}

/// Settles a transaction by hand.
pub fn resolve(remote: &mut Remote, order: &Resolve) -> Result<(), AdminError> {
    let wanted = ResolveTransaction {
        id: order.offset_id.clone(),
        action: match order.action {
            ResolveAction::Commit => Action::Commit,
            ResolveAction::Rollback => Action::Rollback,
            ResolveAction::Resume => Action::Resume,
        },
        who: order.by.clone(),
        why: order.reason.clone(),
        dry_run: false,
    };
    let mut body = Vec::new();
    wanted.write(&mut body);
    remote.get_own(own::RESOLVE_TRANSACTION, &[], &body).map(drop)
}

/// What happened since the last time.
pub fn watch(remote: &mut Remote, from: Option<u64>) -> Result<Watched, AdminError> {
    let from = from.map(|from| from.to_string());
    let fields = [("from", from.as_deref().unwrap_or_default())];
    let body = remote.get_own(own::WATCH_TRANSACTIONS, &fields[..usize::from(from.is_some())], b"")?.body;
    let watched = remote.read(own::Watched::decode(&body))?;
    let events = watched.events.into_iter().map(|(offset_id, one)| WatchedEvent {
        id: one.id,
        offset_id,
        group: one.group,
        topic: one.topic,
        event: event((one.at, one.what)),
    });
    Ok(Watched { events: events.collect(), next: watched.next, missed: watched.missed })
}

/// One transaction as the broker shows it; `None` if none goes by this id.
pub(super) fn ask_show(remote: &mut Remote, id: &str) -> Result<Option<Transaction>, AdminError> {
    let answer = remote.ask_own(own::SHOW_TRANSACTION, &[("id", id)], b"")?;
    if answer.code == ResponseCode::QUERY_NOT_FOUND.0 {
        return Ok(None);
    }
    let body = success(answer)?.body;
    remote.read(Transaction::decode(&body)).map(Some)
}

fn ask_list(remote: &mut Remote, wanted: &ListTransactions) -> Result<own::TransactionPage, AdminError> {
    let mut body = Vec::new();
    wanted.write(&mut body);
    let body = remote.get_own(own::LIST_TRANSACTIONS, &[], &body)?.body;
    remote.read(own::TransactionPage::decode(&body))
}

/// The state with this word of the broker's.
pub(super) fn state(remote: &Remote, word: &str) -> Result<TransactionState, AdminError> {
    Ok(match word {
        "pending" => TransactionState::Undecided,
        "set-aside" => TransactionState::SetAside,
        "committed" => TransactionState::Committed,
        "rolled-back" => TransactionState::RolledBack,
        other => return Err(remote.malformed(format!("{other:?} is no state of a transaction"))),
    })
}

fn row(remote: &Remote, one: Transaction) -> Result<TransactionRow, AdminError> {
    let status = one.status;
    Ok(TransactionRow {
        state: state(remote, status.state)?,
        id: status.unique_key,
        offset_id: one.offset_id,
        group: status.group,
        topic: status.topic,
        stored_at_ms: status.half.time.millis(),
        checks: status.attempts,
        next_check_at_ms: status.next_check.map(Timestamp::millis),
        producers_online: u32::try_from(status.producers).unwrap_or(u32::MAX),
    })
}

fn detail(remote: &Remote, mut one: Transaction) -> Result<TransactionDetail, AdminError> {
    let status = &mut one.status;
    Ok(TransactionDetail {
        queue: status.queue,
        tag: std::mem::take(&mut status.tag),
        keys: std::mem::take(&mut status.keys),
        size: status.size,
        check_max: one.check_max,
        silent: status.silent,
        now_ms: one.now.millis(),
        explanation: std::mem::take(&mut status.explanation),
        timeline: std::mem::take(&mut status.timeline).into_iter().map(event).collect(),
        row: row(remote, one)?,
    })
}

fn event((at, happening): (Timestamp, Happening)) -> Event {
    let what = match happening {
        Happening::Stored { client, at } => What::Stored { client, log_offset: at.get() },
        Happening::Asked { client } => What::Asked { client },
        Happening::Checked { client, outcome } => What::Checked {
            client,
            answer: match outcome {
                CheckOutcome::Unknown => CheckAnswer::Unknown,
                CheckOutcome::Silent => CheckAnswer::Silent,
            },
        },
        Happening::Decided { outcome, by, who, why } => What::Decided {
            outcome: match outcome {
                Outcome::Commit => DecidedOutcome::Commit,
                Outcome::Rollback => DecidedOutcome::Rollback,
            },
            by: match by {
                By::Producer => DecidedBy::Producer,
                By::CheckAnswer => DecidedBy::CheckAnswer,
                By::Operator => DecidedBy::Operator,
                By::Exhausted => DecidedBy::Exhausted,
            },
            who,
            why,
        },
        Happening::SetAside { who, why } => What::SetAside { who, why },
        Happening::Resumed { who, why } => What::Resumed { who, why },
        Happening::Scheduled { deliver_at } => What::Scheduled { deliver_at_ms: deliver_at.millis() },
        Happening::Visible { topic, queue, offset, at } => {
            What::Visible { topic, queue, offset: offset.get(), log_offset: at.get() }
        }
    };
    Event { at_ms: at.millis(), what }
}
