//! Commands and arguments, with their help.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::model::TransactionState;
use crate::config::units;

/// Where a broker is looked for unless `--addr` or `TANDEM_ADDR` says otherwise.
pub const DEFAULT_ADDR: &str = "127.0.0.1:10911";
/// Rows of a list of transactions unless `--limit` says otherwise.
const DEFAULT_LIMIT: u32 = 100;

/// A message broker for RocketMQ clients in which a database change and a message are one: both happen or neither does.
#[derive(Parser, Debug)]
#[command(
    name = "tandem",
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Examples:
  tandem serve                   name server on 127.0.0.1:9876, broker on 127.0.0.1:10911
  tandem transactions            which transactions are undecided, and since when
  tandem transactions show ID    the whole life of one of them
  tandem topics --json           every listing is also JSON

Exit codes:
  0  done
  1  not done, or the verdict is negative
  2  the command line or the configuration is wrong
  3  what was asked for does not exist
  4  no broker answers

Environment:
  TANDEM_ADDR     address of the broker, for --addr
  TANDEM_CONFIG   configuration file, for --config
  TANDEM_...      every key of the configuration: TANDEM_TRANSACTIONS_CHECK_INTERVAL=3s
  NO_COLOR        no colours"
)]
pub struct Cli {
    /// Address of the broker to ask
    #[arg(long, global = true, help_heading = "Global options", value_name = "HOST:PORT", env = "TANDEM_ADDR", default_value = DEFAULT_ADDR,
          value_parser = host_and_port, hide_env_values = true)]
    pub addr: String,
    /// Answer in JSON; errors too, on standard error
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Start the name server and the broker
    #[command(after_help = "Examples:
  tandem serve --data /var/lib/tandem
  tandem serve --set transactions.check_interval=3s --set store.durability=memory
  tandem serve --insecure --nameserver-listen 10.0.0.7:9876 --broker-listen 10.0.0.7:10911

It stops on SIGTERM and SIGINT, with exit code 0.")]
    Serve(ConfigArgs),
    /// Check, show and explain the configuration
    #[command(
        subcommand,
        after_help = "Examples:
  tandem config check tandem.toml
  tandem config show --set log.level=debug
  tandem config explain transactions.when_exhausted
  tandem config reference > tandem.toml"
    )]
    Config(ConfigCommand),
    /// List, show, create and delete topics
    #[command(after_help = "Examples:
  tandem topics
  tandem topics show orders
  tandem topics create orders --queues 8
  tandem topics delete orders --force    sets its undecided transactions aside")]
    Topics(TopicsArgs),
    /// List, show and delete consumer groups
    #[command(after_help = "Examples:
  tandem groups
  tandem groups show billing
  tandem groups delete billing")]
    Groups(GroupsArgs),
    /// List, show and resolve transactions
    #[command(after_help = "Examples:
  tandem transactions
  tandem transactions list --state set-aside --older-than 1h
  tandem transactions show 7F00000100002A139A55A1B2C3D40000
  tandem transactions resolve ID --commit --reason \"row 42 is paid\" --dry-run
  tandem transactions resolve ID --resume --reason \"producer is back\"")]
    Transactions(TransactionsArgs),
    /// Show a message
    #[command(
        subcommand,
        after_help = "Examples:
  tandem message show 7F00000100002A139A55A1B2C3D40000 --topic orders
  tandem message show 7F00000100002A9F000000000000123A           by its offset id
  tandem message show 7F00000100002A9F000000000000123A --body > body.bin"
    )]
    Message(MessageCommand),
    /// Verify or repair a data directory that no server is using
    #[command(
        subcommand,
        after_help = "Examples:
  tandem store verify --data /var/lib/tandem
  tandem store repair --data /var/lib/tandem --dry-run"
    )]
    Store(StoreCommand),
}

/// Where the configuration comes from.
#[derive(Args, Debug, Default, Clone)]
pub struct ConfigArgs {
    /// Configuration file
    #[arg(long, value_name = "FILE", env = "TANDEM_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// Data directory
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Address of the name server
    #[arg(long, value_name = "IP:PORT")]
    pub nameserver_listen: Option<SocketAddr>,
    /// Address of the broker; it also listens two ports below
    #[arg(long, value_name = "IP:PORT")]
    pub broker_listen: Option<SocketAddr>,
    /// Address of the broker that clients are told to connect to
    #[arg(long, value_name = "IP:PORT")]
    pub advertise: Option<SocketAddr>,
    /// Listen on addresses that other machines reach, although nobody is authenticated
    #[arg(long)]
    pub insecure: bool,
    /// Set any key of the configuration; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// `tandem config`.
#[derive(Subcommand, Debug)]
pub enum ConfigCommand {
    /// Tell whether a configuration file is in order
    Check {
        /// The file
        #[arg(env = "TANDEM_CONFIG", default_value = "tandem.toml", hide_env_values = true)]
        file: PathBuf,
    },
    /// Show what counts, and where each value comes from
    Show(ConfigArgs),
    /// Explain a key, or all keys of a section
    Explain {
        /// A key such as transactions.check_interval, or a section such as transactions
        key: String,
    },
    /// Print the reference file: every key, documented
    Reference,
}

/// `tandem topics`.
#[derive(Args, Debug)]
pub struct TopicsArgs {
    /// What to do; `list` unless said otherwise.
    #[command(subcommand)]
    pub command: Option<TopicsCommand>,
}

/// How to list topics.
#[derive(Args, Debug, Default)]
pub struct TopicsList {
    /// Also retry, dead letter and system topics
    #[arg(long)]
    pub all: bool,
}

/// What to do with topics.
#[derive(Subcommand, Debug)]
pub enum TopicsCommand {
    /// List topics
    List(TopicsList),
    /// Show a topic with its queues and groups
    Show {
        /// The topic
        name: String,
    },
    /// Create a topic
    Create {
        /// The topic
        name: String,
        /// Its queues
        #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=65_536))]
        queues: u32,
    },
    /// Delete a topic and its messages
    Delete {
        /// The topic
        name: String,
        /// Even if it has undecided transactions: they are set aside
        #[arg(long)]
        force: bool,
    },
}

/// `tandem groups`.
#[derive(Args, Debug)]
pub struct GroupsArgs {
    /// What to do; `list` unless said otherwise.
    #[command(subcommand)]
    pub command: Option<GroupsCommand>,
}

/// What to do with groups.
#[derive(Subcommand, Debug)]
pub enum GroupsCommand {
    /// List consumer groups
    List,
    /// Show a group with its members and offsets
    Show {
        /// The group
        name: String,
    },
    /// Delete a group and its offsets
    Delete {
        /// The group
        name: String,
    },
}

/// `tandem transactions`.
#[derive(Args, Debug)]
pub struct TransactionsArgs {
    /// What to do; `list` unless said otherwise.
    #[command(subcommand)]
    pub command: Option<TransactionsCommand>,
}

/// How to list transactions.
#[derive(Args, Debug)]
pub struct TransactionsList {
    /// Only those of this producer group
    #[arg(long)]
    pub group: Option<String>,
    /// Only those for this topic
    #[arg(long)]
    pub topic: Option<String>,
    /// Only those in this state
    #[arg(long)]
    pub state: Option<OpenState>,
    /// Only those stored longer ago
    #[arg(long, value_name = "DURATION", value_parser = units::parse_duration)]
    pub older_than: Option<std::time::Duration>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = DEFAULT_LIMIT, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
}

impl Default for TransactionsList {
    fn default() -> Self {
        TransactionsList { group: None, topic: None, state: None, older_than: None, limit: DEFAULT_LIMIT }
    }
}

/// States in which a transaction is listed.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenState {
    /// Being asked about
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

/// What to do with transactions.
#[derive(Subcommand, Debug)]
pub enum TransactionsCommand {
    /// List undecided and set-aside transactions, the oldest first
    List(TransactionsList),
    /// Show the whole life of a transaction
    Show {
        /// Its transaction id or offset id
        id: String,
    },
    /// Decide a transaction by hand, or have it asked about again
    Resolve(ResolveArgs),
}

/// `tandem transactions resolve`.
#[derive(Args, Debug)]
pub struct ResolveArgs {
    /// Its transaction id or offset id
    pub id: String,
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

/// `tandem message`.
#[derive(Subcommand, Debug)]
pub enum MessageCommand {
    /// Show a message
    Show {
        /// Its offset id, or its message id together with --topic
        id: String,
        /// Its topic
        #[arg(long)]
        topic: Option<String>,
        /// Print nothing but its body, byte by byte
        #[arg(long, conflicts_with = "json")]
        body: bool,
    },
}

/// `tandem store`.
#[derive(Subcommand, Debug)]
pub enum StoreCommand {
    /// Read everything and tell what is damaged; changes nothing
    Verify(StoreArgs),
    /// Cut off or set aside what is damaged, so that the server starts again
    Repair {
        /// Which store.
        #[command(flatten)]
        store: StoreArgs,
        /// Only tell what would be done
        #[arg(long)]
        dry_run: bool,
    },
}

/// Which store.
#[derive(Args, Debug)]
pub struct StoreArgs {
    /// Data directory [default: the configured one]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Configuration file
    #[arg(long, value_name = "FILE", env = "TANDEM_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
}

fn host_and_port(text: &str) -> Result<String, String> {
    match text.rsplit_once(':') {
        None => Err(format!("it has no port; the broker's is usually 10911: {text}:10911")),
        Some(("", _)) => Err(format!("it has no host; for this machine: 127.0.0.1{text}")),
        Some((_, port)) if !port.parse::<u16>().is_ok_and(|port| port > 0) => {
            Err(format!("{port:?} is no port between 1 and 65535"))
        }
        Some(_) => Ok(text.to_owned()),
    }
}

fn not_blank(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("it is blank".to_owned()) } else { Ok(text.to_owned()) }
}
