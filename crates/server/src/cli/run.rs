//! Carries a command out and turns what comes of it into an exit code.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use rustix::process::{Signal, set_parent_process_death_signal};
use serde_json::{Value as Json, json};

use super::admin::{Admin, AdminError};
use super::args::{Cli, Command, ConfigArgs, StoreArgs};
use super::exit::Exit;
use super::model::StoreReport;
use super::{
    bench, config, consume, demo, doctor, groups, json, manual, message, produce, snippet, store, tail, top, topics,
    transactions, txprobe,
};
use crate::config::problem::Problem;
use crate::config::value::Value;
use crate::config::{ConfigError, Loaded, Loader};

/// What the commands need from the rest of the server; `main` implements it.
pub trait Doors {
    /// Runs the server until it is told to stop.
    fn serve(&mut self, loaded: Loaded) -> anyhow::Result<()>;
    /// Connects to the broker at `addr` (host and port).
    fn connect(&mut self, addr: &str) -> Result<Box<dyn Admin>, AdminError>;
    /// Reads a whole data directory, changing nothing.
    fn verify_store(&mut self, data: &Path) -> anyhow::Result<StoreReport>;
    /// Repairs a data directory, or tells what would be done.
    fn repair_store(&mut self, data: &Path, dry_run: bool) -> anyhow::Result<StoreReport>;
}

/// Where answers go, and how they look.
pub struct Screen<'a> {
    /// Data.
    pub out: &'a mut dyn Write,
    /// Errors.
    pub err: &'a mut dyn Write,
    /// For programs.
    pub json: bool,
    /// Whether to use colours.
    pub colours: bool,
    /// Whether the output is a terminal, on which the cursor can go back.
    pub terminal: bool,
}

/// The environment of the process, as far as commands look at it.
pub type Variables = Vec<(OsString, OsString)>;

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The broker could not be asked, or refused.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The output cannot be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
    /// The command line asks for something that makes no sense.
    #[error("{0}")]
    Usage(String),
    /// A probe could not be run, which says nothing about what it would have found.
    #[error("{0}")]
    NotRun(String),
    /// What was asked for does not exist.
    #[error("{0}")]
    NotFound(String),
    /// It was tried, or looked into, and the answer is no.
    #[error("{0}")]
    Verdict(String),
    /// Anything else.
    #[error("{0:#}")]
    Other(#[from] anyhow::Error),
}

impl Failure {
    fn exit(&self) -> Exit {
        match self {
            Failure::Admin(error) => error.exit(),
            Failure::Config(_) | Failure::Usage(_) | Failure::NotRun(_) => Exit::Usage,
            Failure::NotFound(_) => Exit::NotFound,
            // Whoever reads our output has had enough of it: `tandem topics | head -1`.
            Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok,
            Failure::Output(_) | Failure::Verdict(_) | Failure::Other(_) => Exit::Failed,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Failure::Admin(error) => error.word(),
            Failure::Config(_) => "configuration",
            Failure::Usage(_) => "usage",
            Failure::NotRun(_) => "not-run",
            Failure::NotFound(_) => "not-found",
            Failure::Output(_) => "output",
            Failure::Verdict(_) => "negative",
            Failure::Other(_) => "failed",
        }
    }
}

/// Carries out a command line on the process's own output, and returns how it ended.
pub fn run(cli: Cli, doors: &mut dyn Doors) -> Exit {
    let terminal = io::stdout().is_terminal();
    let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let (mut out, mut err) = (io::BufWriter::new(io::stdout()), io::stderr());
    let mut screen = Screen { out: &mut out, err: &mut err, json: cli.json, colours, terminal };
    run_on(cli, std::env::vars_os().collect(), doors, &mut screen)
}

/// Carries out a command line on any output.
pub fn run_on(cli: Cli, variables: Variables, doors: &mut dyn Doors, screen: &mut Screen<'_>) -> Exit {
    let result = dispatch(cli, variables, doors, screen).and_then(|exit| {
        screen.out.flush()?;
        Ok(exit)
    });
    match result {
        Ok(exit) => exit,
        Err(failure) => {
            let exit = failure.exit();
            if exit != Exit::Ok {
                // What was shown before the failure goes first. Nobody is left to tell if neither output works.
                let _ = screen.out.flush();
                let _ = tell(&failure, exit, screen);
            }
            exit
        }
    }
}

fn tell(failure: &Failure, exit: Exit, screen: &mut Screen<'_>) -> io::Result<()> {
    let message = failure.to_string();
    if screen.json {
        let mut error = json!({ "kind": failure.word(), "message": message, "exit_code": exit as u8 });
        if let Failure::Config(wrong) = failure {
            error["problems"] = wrong.problems.iter().map(json_of_problem).collect();
        }
        return json::write(screen.err, &json!({ "error": error }));
    }
    match failure {
        Failure::Config(wrong) => wrong.problems.iter().try_for_each(|problem| match problem.place {
            // It begins with its place, so that editors find the way.
            Some(_) => writeln!(screen.err, "{problem}"),
            None => writeln!(screen.err, "error: {problem}"),
        }),
        _ => writeln!(screen.err, "error: {message}"),
    }
}

fn json_of_problem(problem: &Problem) -> Json {
    json!({
        "source": problem.place.as_ref().map(|place| &place.source),
        "line": problem.place.as_ref().and_then(|place| place.line_nr),
        "column": problem.place.as_ref().map(|place| place.column),
        "message": problem.message,
        "advice": problem.advice,
    })
}

fn dispatch(cli: Cli, variables: Variables, doors: &mut dyn Doors, screen: &mut Screen<'_>) -> Result<Exit, Failure> {
    match cli.command {
        Command::Serve(args) => {
            if args.with_parent {
                set_parent_process_death_signal(Some(Signal::TERM))
                    .context("cannot tie the broker's life to another's")?;
            }
            let loaded = load(&args.config, variables)?;
            doors.serve(loaded)?;
            Ok(Exit::Ok)
        }
        Command::Demo(args) => demo::run(&args, cli.addr_given.then_some(cli.addr), screen),
        Command::Bench(args) => bench::run(&args, &cli.addr, screen),
        Command::DemoService(args) => demo::service(args),
        Command::Produce(args) => produce::run(&args, &cli.addr, screen),
        Command::Consume(args) => consume::run(&args, &cli.addr, screen),
        Command::Tail(args) => tail::run(&args, &cli.addr, screen),
        Command::Config(command) => config::run(command, variables, screen),
        Command::Topics(args) => topics::run(args, &mut *doors.connect(&cli.addr)?, screen),
        Command::Groups(args) => groups::run(args, &mut *doors.connect(&cli.addr)?, screen),
        Command::Transactions(args) => transactions::run(args, &variables, &mut *doors.connect(&cli.addr)?, screen),
        Command::Top(args) => top::run(&args, &cli.addr, &mut *doors.connect(&cli.addr)?, screen),
        Command::Doctor(args) => doctor::run(&args, &cli.addr, variables, doors, screen),
        Command::Txprobe(args) => txprobe::run(args, screen),
        Command::Message(command) => message::run(command, &mut *doors.connect(&cli.addr)?, screen),
        Command::Snippet(args) => snippet::run(&args, screen),
        Command::Completions(args) => manual::completions(args.shell, screen),
        Command::Man(args) => manual::man(&args, screen),
        Command::Store(command) => store::run(command, variables, doors, screen),
    }
}

/// Reads the configuration as `tandem serve` with these arguments would.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(args: &ConfigArgs, variables: Variables) -> Result<Loaded, ConfigError> {
    let mut loader = Loader::new();
    if let Some(path) = &args.config {
        loader.file(path);
    }
    loader.environment(variables);
    for argument in &args.set {
        loader.set(argument);
    }
    if let Some(data) = &args.data {
        loader.flag("--data", "server.data", Value::Path(data.clone()));
    }
    let addresses = [
        ("--nameserver-listen", "server.nameserver_listen", args.nameserver_listen),
        ("--broker-listen", "server.broker_listen", args.broker_listen),
        ("--advertise", "server.advertise", args.advertise),
    ];
    for (flag, key, address) in addresses {
        if let Some(address) = address {
            loader.flag(flag, key, Value::Address(address));
        }
    }
    if args.insecure {
        loader.flag("--insecure", "server.insecure", Value::Bool(true));
    }
    loader.finish()
}

/// The data directory that `tandem store` is about.
///
/// # Errors
/// It is not named, and what is wrong with the configuration that would name it.
pub fn data_directory(args: &StoreArgs, variables: Variables) -> Result<PathBuf, ConfigError> {
    match &args.data {
        Some(data) => Ok(data.clone()),
        None => {
            let args = ConfigArgs { config: args.config.clone(), ..ConfigArgs::default() };
            Ok(load(&args, variables)?.config.server.data)
        }
    }
}
