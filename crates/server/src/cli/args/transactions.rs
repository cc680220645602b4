//! Arguments of `tandem transactions`.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::super::model::{TransactionQuery, TransactionState};
use super::not_blank;
use crate::config::units;

/// Rows of a list of transactions unless `--limit` says otherwise.
const DEFAULT_LIMIT: u32 = 100;

/// `tandem transactions`.
#[derive(Args, Debug)]
pub struct TransactionsArgs {
    /// What to do; `list` unless said otherwise.
    #[command(subcommand)]
    pub command: Option<TransactionsCommand>,
}

/// What to do with transactions.
#[derive(Subcommand, Debug)]
pub enum TransactionsCommand {
    /// List undecided and set-aside transactions, the oldest first
    #[command(after_help = "Examples:
  tandem transactions list --older-than 5m
  tandem transactions list --group payers --topic orders --state set-aside
  tandem transactions list --key order-17
  tandem transactions list --limit 1000 --json | jq -r '.transactions[].id'")]
    List(TransactionsList),
    /// Show the whole life of a transaction, why it is where it is, and what happens next
    #[command(after_help = "Examples:
  tandem transactions show 7F00000100002A139A55A1B2C3D40000
  tandem transactions show order-17             by a key of its message: an open one, or else the newest
  tandem transactions show order-17 --json")]
    Show {
        /// Its transaction id, its offset id, or a key of its message
        id: String,
    },
    /// Decide transactions by hand, or have them asked about again
    #[command(after_help = "Examples:
  tandem transactions resolve order-17 --commit --reason \"row 17 is paid\" --dry-run
  tandem transactions resolve order-17 --rollback --reason \"never paid\" --by ann
  tandem transactions resolve --group payers --state set-aside --resume --reason \"fixed\" --dry-run
  tandem transactions resolve --group payers --state set-aside --resume --reason \"fixed\" --yes

Who and why are written into the log with the decision, and `show` tells them. A decision is final.")]
    Resolve(ResolveArgs),
    /// Follow what happens to transactions, live: stored, asked, decided
    #[command(after_help = "Examples:
  tandem transactions watch
  tandem transactions watch --topic orders --for 10s
  tandem transactions watch --json | jq -r 'select(.event == \"decided\") | .id'

With --json each event is one line. Events that came faster than they could be read are counted, not left out silently.")]
    Watch(WatchArgs),
}

/// Which transactions.
#[derive(Args, Debug, Default, Clone)]
pub struct FilterArgs {
    /// Only those of this producer group
    #[arg(long)]
    pub group: Option<String>,
    /// Only those for this topic
    #[arg(long)]
    pub topic: Option<String>,
    /// Only those with this transaction id, or this key of the message
    #[arg(long)]
    pub key: Option<String>,
    /// Only those in this state
    #[arg(long)]
    pub state: Option<OpenState>,
    /// Only those stored longer ago, such as 5m or 36h
    #[arg(long, value_name = "DURATION", value_parser = units::parse_duration)]
    pub older_than: Option<Duration>,
}

impl FilterArgs {
    /// Whether everything passes.
    pub fn is_empty(&self) -> bool {
        let FilterArgs { group, topic, key, state, older_than } = self;
        group.is_none() && topic.is_none() && key.is_none() && state.is_none() && older_than.is_none()
    }

    /// What the broker is asked for, the first page of it.
    pub fn query(&self) -> TransactionQuery {
        TransactionQuery {
            group: self.group.clone(),
            topic: self.topic.clone(),
            key: self.key.clone(),
            state: self.state.map(Into::into),
            older_than_ms: self.older_than.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
            limit: 0,
            after: None,
        }
    }
}

/// How to list transactions.
#[derive(Args, Debug)]
pub struct TransactionsList {
    /// Which.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = DEFAULT_LIMIT, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// Go on where a list ended: its `next`
    #[arg(long, value_name = "PLACE")]
    pub after: Option<String>,
}

impl Default for TransactionsList {
    fn default() -> Self {
        TransactionsList { filter: FilterArgs::default(), limit: DEFAULT_LIMIT, after: None }
    }
}

/// States in which a transaction is listed.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenState {
    /// Being asked about
    #[value(alias = "open")]
    Undecided,
    /// Given up on: answered "unknown" too often
    SetAside,
}

impl From<OpenState> for TransactionState {
    fn from(state: OpenState) -> Self {
        match state {
            OpenState::Undecided => TransactionState::Undecided,
            OpenState::SetAside => TransactionState::SetAside,
        }
    }
}

/// `tandem transactions resolve`.
#[derive(Args, Debug)]
pub struct ResolveArgs {
    /// Its transaction id, its offset id, or a key of its message; without it, all that pass the filters
    pub id: Option<String>,
    /// Which, when none is named.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// What to do with it.
    #[command(flatten)]
    pub action: ActionArgs,
    /// Why; it is recorded with the decision
    #[arg(long, value_name = "TEXT", value_parser = not_blank)]
    pub reason: String,
    /// Who decides; it is recorded with the decision [default: the user's name]
    #[arg(long, value_name = "NAME", value_parser = not_blank)]
    pub by: Option<String>,
    /// Only tell what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Do it to all that pass the filters
    #[arg(long)]
    pub yes: bool,
}

/// Exactly one of three.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub struct ActionArgs {
    /// The database change happened: deliver the message
    #[arg(long)]
    pub commit: bool,
    /// The database change did not happen: never deliver the message
    #[arg(long)]
    pub rollback: bool,
    /// Ask its producers again (set-aside transactions)
    #[arg(long)]
    pub resume: bool,
}

/// `tandem transactions watch`.
#[derive(Args, Debug)]
pub struct WatchArgs {
    /// Only those of this producer group
    #[arg(long)]
    pub group: Option<String>,
    /// Only those for this topic
    #[arg(long)]
    pub topic: Option<String>,
    /// Only this transaction id
    #[arg(long)]
    pub id: Option<String>,
    /// Stop after this time, such as 30s; without it, when interrupted
    #[arg(long = "for", value_name = "DURATION", value_parser = units::parse_duration)]
    pub time: Option<Duration>,
}
