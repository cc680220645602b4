//! Commands and arguments, with their help.

mod bench;
mod demo;
mod flow;
mod looking;
mod making;
mod transactions;
mod txprobe;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

pub use bench::{BACKLOG, BenchArgs, FAN_OUT, Work};
pub use demo::{DemoArgs, DemoServiceArgs, ServiceKind};
pub use flow::{Begin, ConsumeArgs, ProduceArgs, TailArgs, UntilArgs};
pub use looking::{DoctorArgs, TopArgs};
pub use making::{CompletionsArgs, Language, ManArgs, ShellName, SnippetArgs};
pub use transactions::{ActionArgs, ResolveArgs, TransactionsArgs, TransactionsCommand, TransactionsList, WatchArgs};
pub use txprobe::TxprobeArgs;

/// Where a broker is looked for unless `--addr` or `TANDEM_ADDR` says otherwise.
pub const DEFAULT_ADDR: &str = "127.0.0.1:10911";

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
  tandem snippet java            a complete program that uses it
  tandem doctor                  what is wrong, and what to do

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
    /// Whether the address stands on the command line: not by default, nor in the environment.
    #[arg(skip)]
    pub addr_given: bool,
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
    Serve(ServeArgs),
    /// Show in ten seconds that a database change and a message are one, whoever is killed
    #[command(after_help = "Examples:
  tandem demo
  tandem demo --without-transactions            the same faults, messages sent after the commit: orders are lost
  tandem demo --for 1m --rate 200 --seed 7
  tandem demo --faults broker-crash,order-crash
  tandem demo --addr 10.0.0.7:9876              the same shop by way of another name server, RocketMQ's too

Two order services and two cart services, each kind with its own SQLite database, and a broker: processes of their own,
and all of them die on the way. In the end the databases are compared with each other. Exit code 1 says that they differ.")]
    Demo(DemoArgs),
    /// One of the processes of the demo
    #[command(hide = true)]
    DemoService(DemoServiceArgs),
    /// Send messages: one for each line of standard input
    #[command(after_help = "Examples:
  echo hello | tandem produce greetings
  tandem produce orders --key-field id --tag-field state < orders.jsonl
  tandem produce orders --ordering-field customer.id --in-flight 100 < orders.jsonl
  tandem produce orders --body paid --key 4711 --tag paid --property region=north --delay 3
  tandem produce pictures --file cat.jpg --json
  tandem produce orders --transaction --decide-with ./book-it --group booking < orders.jsonl

Prints id, queue and offset of each message, with tabs between them; with --json one object each line. Empty lines are no
messages. A line that cannot be sent ends it, and standard error says which it was.

With --transaction it prints id and outcome: committed, rolled-back or undecided. CMD runs once the half is stored, with the
body on standard input and TANDEM_MESSAGE_ID, TANDEM_TOPIC, TANDEM_KEY and TANDEM_TAG in its environment: exit code 0
commits, 1 rolls back, any other leaves it open. What is open the broker asks about: CMD runs again, with TANDEM_CHECK=1.

--addr is the broker's address, which answers as a name server, too. Of Apache RocketMQ it has to be the name server's.

Exit codes: 0 all are stored, and decided; 1 some are not; 3 there is no such topic and none is created; 4 no broker answers.")]
    Produce(ProduceArgs),
    /// Receive messages as a member of a group, and acknowledge them once they are printed
    #[command(after_help = "Examples:
  tandem consume orders --group billing
  tandem consume orders --group billing --json | jq -r .key
  tandem consume orders --group billing --tag \"paid || refused\" --count 10 --for 1m
  tandem consume orders --group audit --from 2026-01-31T12:00:00Z
  tandem consume orders --group mail --exec ./send-mail

Prints the body of each message and a line feed; with --json one object each line. CMD finds TANDEM_MESSAGE_ID,
TANDEM_TOPIC, TANDEM_KEY, TANDEM_TAG and TANDEM_RECONSUME_TIMES in its environment; what it fails at comes again after 10 s,
then later each time. A message may come twice: what was printed is acknowledged a moment later.

--addr is the broker's address, which answers as a name server, too. Of Apache RocketMQ it has to be the name server's.

Exit codes: 0 ended as asked, interrupted, or nobody reads the output; 1 the command failed for a message, fewer than
--count came, or some are not acknowledged; 4 no broker answers.")]
    Consume(ConsumeArgs),
    /// Follow a topic beside all groups: nothing is acknowledged or stored
    #[command(after_help = "Examples:
  tandem tail orders
  tandem tail orders --last 20 --grep 4711
  tandem tail orders --last 5 --for 0s              and no more
  tandem tail orders --from 10m --tag refused --json

Prints when each message was stored, queue:offset, tag, key and body; with --json one object each line. With --last the
filters apply to those last messages.

--addr is the broker's address, which answers as a name server, too. Of Apache RocketMQ it has to be the name server's.

Exit codes: 0 ended as asked, interrupted, or nobody reads the output; 1 fewer than --count came; 3 there is no such topic;
4 no broker answers.")]
    Tail(TailArgs),
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
    /// List, show, watch and resolve transactions
    #[command(after_help = "Examples:
  tandem transactions
  tandem transactions list --state set-aside --older-than 1h
  tandem transactions show order-17
  tandem transactions resolve order-17 --commit --reason \"row 17 is paid\" --dry-run
  tandem transactions watch --group payers

An ID is the transaction id (the message's UNIQ_KEY), the offset id, or a key of the message.")]
    Transactions(TransactionsArgs),
    /// Show live what the broker does: rates, open transactions, lag
    #[command(after_help = "Examples:
  tandem top                     refreshed each second
  tandem top --once              one look, which takes a second
  tandem top --json --for 1m     one line of JSON each second

Rates are those between two looks. Where the output is no terminal, one page follows the other.")]
    Top(TopArgs),
    /// Say what is wrong with this machine, its data and a running broker, and what to do
    #[command(after_help = "Examples:
  tandem doctor
  tandem doctor --config /etc/tandem.toml
  tandem doctor --data /var/lib/tandem --json | jq '.findings[] | select(.verdict != \"ok\")'

It looks at the data directory, disk, clock, memory, limits and ports that a server of this configuration would use, and
at the broker that runs there, if one does. It mends nothing. Exit code 1 says that something is wrong.")]
    Doctor(DoctorArgs),
    /// Prove transactions on any RocketMQ broker: load, faults from the client's side, and a verdict
    #[command(after_help = "Examples:
  tandem txprobe 127.0.0.1:9876
  tandem txprobe 127.0.0.1:9876 --for 1m --rate 200 --seed 7 --wait 2m
  tandem txprobe 127.0.0.1:9876 --faults doubled,contradicting,racing --json
  tandem txprobe 127.0.0.1:9876 --kill-command 'kill -9 $(cat broker.pid)' --restart-command ./start-broker

It makes a topic of its own, sends transactional messages whose outcome it knows, loses, doubles, contradicts, races and
forges decisions, kills producers, sends halves twice, and reads what consumers get. A check of a broker with RocketMQ's
defaults comes after 6 to 66 s: for a verdict on undecided ones, let it check more often, or give --wait 3m.

Lost: committed, the broker knew, and nobody gets it. Leaked: delivered, though rolled back or never decided. Doubled: one
transaction at two queue offsets. Undecided: never asked about in the time of --wait. Forged: what a stranger said, or what
was said under a wrong name, took effect. Contradicted: commit and rollback of one transaction were both acknowledged.

The topic is deleted when all is well, and stays to be looked at when it is not.

Exit codes: 0 every promise kept; 1 one is broken; 2 it could not be run.")]
    Txprobe(TxprobeArgs),
    /// Put load on a broker, and say what it takes
    #[command(after_help = "Examples:
  tandem bench                                      sends of 1 KiB, 64 in flight, for 10 s
  tandem bench transactions --in-flight 1 --connections 1
  tandem bench send --rate 20000 --for 1m           an open loop: who stands still is not let off
  tandem bench end-to-end --rate 5000
  tandem bench fan-out --groups 50
  tandem bench catch-up --backlog 5000000
  tandem bench transactions --open-halves 100000 --pid 4711
  tandem bench send --addr 10.0.0.7:9876            Apache RocketMQ, by way of its name server

Sends are to all queues in turn. Latencies are from the first byte of an operation to its last answer. Messages that are
read are looked at: if one is missing or comes twice there are no figures. How it goes is told on standard error.

It leaves its topics and messages behind: remove them with tandem topics delete.

--addr is the broker's address, which answers as a name server, too. Of Apache RocketMQ it has to be the name server's.

Exit codes: 0 measured; 1 the broker refused something, did not answer, or read messages were not those that were sent.")]
    Bench(BenchArgs),
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
    /// Print a complete program that uses this broker, in your language
    #[command(after_help = "Examples:
  tandem snippet java
  tandem snippet spring --dir orders && cd orders && mvn -q spring-boot:run
  tandem snippet go --dir orders --nameserver 10.0.0.7:9876

A transactional producer that is asked back, and a consumer, with the client library people use. Each program ends with
exit code 0 when its orders have arrived.")]
    Snippet(SnippetArgs),
    /// Print a script that completes this command line in a shell
    #[command(after_help = "Examples:
  tandem completions bash > /etc/bash_completion.d/tandem
  tandem completions zsh > ~/.zfunc/_tandem
  tandem completions fish > ~/.config/fish/completions/tandem.fish")]
    Completions(CompletionsArgs),
    /// Write man pages
    #[command(after_help = "Examples:
  tandem man | man -l -
  tandem man /usr/local/share/man/man1
  tandem man --markdown > docs/cli.md")]
    Man(ManArgs),
}

impl Cli {
    /// Reads the command line of the process; ends it with a message when there is something wrong.
    pub fn read() -> Self {
        let matches = Cli::command().get_matches();
        let given = matches.value_source("addr") == Some(ValueSource::CommandLine);
        let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        Cli { addr_given: given, ..cli }
    }
}

/// `tandem serve`.
#[derive(Args, Debug, Default, Clone)]
pub struct ServeArgs {
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// End when the process that started this one does, however it ends
    #[arg(long, hide = true)]
    pub with_parent: bool,
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
    #[command(after_help = "Examples:
  tandem config check                    the file tandem.toml here
  tandem config check /etc/tandem.toml")]
    Check {
        /// The file
        #[arg(env = "TANDEM_CONFIG", default_value = "tandem.toml", hide_env_values = true)]
        file: PathBuf,
    },
    /// Show what counts, and where each value comes from
    #[command(after_help = "Examples:
  tandem config show
  tandem config show --config /etc/tandem.toml --set transactions.check_max=3")]
    Show(ConfigArgs),
    /// Explain a key, or all keys of a section
    #[command(after_help = "Examples:
  tandem config explain transactions.check_interval
  tandem config explain limits")]
    Explain {
        /// A key such as transactions.check_interval, or a section such as transactions
        key: String,
    },
    /// Print the reference file: every key, documented
    #[command(after_help = "Examples:
  tandem config reference > tandem.toml")]
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
    #[command(after_help = "Examples:
  tandem topics list
  tandem topics list --all --json | jq -r '.topics[].name'")]
    List(TopicsList),
    /// Show a topic with its queues and groups
    #[command(after_help = "Examples:
  tandem topics show orders")]
    Show {
        /// The topic
        name: String,
    },
    /// Create a topic
    #[command(after_help = "Examples:
  tandem topics create orders
  tandem topics create orders --queues 16")]
    Create {
        /// The topic
        name: String,
        /// Its queues
        #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=65_536))]
        queues: u32,
    },
    /// Delete a topic and its messages
    #[command(after_help = "Examples:
  tandem topics delete orders
  tandem topics delete orders --force    sets its undecided transactions aside")]
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
    #[command(after_help = "Examples:
  tandem groups list
  tandem groups list --json | jq '.groups[] | select(.lag > 1000)'")]
    List,
    /// Show a group with its members and offsets
    #[command(after_help = "Examples:
  tandem groups show billing")]
    Show {
        /// The group
        name: String,
    },
    /// Delete a group and its offsets
    #[command(after_help = "Examples:
  tandem groups delete billing")]
    Delete {
        /// The group
        name: String,
    },
}

/// `tandem message`.
#[derive(Subcommand, Debug)]
pub enum MessageCommand {
    /// Show a message
    #[command(after_help = "Examples:
  tandem message show order-17 --topic orders                    by a key, or its id
  tandem message show 7F00000100002A9F000000000000123A           by its offset id
  tandem message show 7F00000100002A9F000000000000123A --body > body.bin")]
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
    #[command(after_help = "Examples:
  tandem store verify --data /var/lib/tandem")]
    Verify(StoreArgs),
    /// Cut off or set aside what is damaged, so that the server starts again
    #[command(after_help = "Examples:
  tandem store repair --data /var/lib/tandem --dry-run
  tandem store repair --data /var/lib/tandem")]
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
