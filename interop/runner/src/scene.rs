//! What a story has at hand: a folder, a broker, and the client programs of one version.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::arguments::Arguments;
use crate::broker::Broker;
use crate::failure::{Failure, Outcome, ensure};
use crate::program::Program;
use crate::stories::ClientVersion;
use crate::wire;

/// The version of the client library that is used where a story does not ask for one.
pub const NEWEST: &str = "5.5.0";
/// The other one.
pub const OLDEST: &str = "4.9.8";
const UPDATE_AND_CREATE_TOPIC: u16 = 17;
/// A first build of the Rust client compiles what it needs as well.
const BUILD: Duration = Duration::from_secs(600);
/// How the command line is told which broker to talk to.
const CLI_ADDRESS: &str = "--addr";
/// A JVM that lives for seconds: little memory, little compiling.
const JAVA_FLAGS: [&str; 6] = [
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-Dfile.encoding=UTF-8",
    // How soon a client notices queues that came after it started; its default is 20 s.
    "-Drocketmq.client.rebalance.waitInterval=2000",
];

/// The place one story plays in.
#[derive(Debug)]
pub struct Scene<'a> {
    arguments: &'a Arguments,
    client: ClientVersion,
    dir: PathBuf,
    run: String,
    broker: Option<Broker>,
    programs: AtomicU32,
    note: Option<String>,
}

impl<'a> Scene<'a> {
    /// Starts a broker with these settings in `dir`, unless the suite was pointed at one that runs already.
    pub fn open(
        arguments: &'a Arguments,
        client: ClientVersion,
        dir: &Path,
        run: &str,
        settings: &[&str],
    ) -> Outcome<Self> {
        let mut scene = Scene {
            arguments,
            client,
            dir: dir.to_path_buf(),
            run: run.to_owned(),
            broker: None,
            programs: AtomicU32::new(0),
            note: None,
        };
        if arguments.address.is_none() {
            scene.broker = Some(Broker::start(&arguments.tandem, dir, settings)?);
        }
        Ok(scene)
    }

    /// The broker; stories that call this are not run against somebody else's.
    pub fn broker(&mut self) -> Outcome<&mut Broker> {
        self.broker.as_mut().ok_or_else(|| Failure::new("this story needs a broker it can control"))
    }

    /// How the story ends for the broker: a clean shutdown, and nothing in its log that it does not expect.
    pub fn close(&mut self, expected: &[&str]) -> Outcome {
        let Some(broker) = &mut self.broker else { return Ok(()) };
        if broker.is_running() {
            broker.terminate()?;
        }
        let log = broker.log()?;
        let complaints = crate::broker_log::complaints(&log, expected);
        ensure!(
            complaints.is_empty(),
            "the broker's log holds what this story does not expect:\n{}",
            complaints.join("\n")
        );
        Ok(())
    }

    /// SIGKILL, and a start on the same directory.
    pub fn kill_and_restart(&mut self) -> Outcome {
        let broker = self.broker()?;
        broker.kill()?;
        broker.start_again()
    }

    /// SIGTERM, and a start on the same directory.
    pub fn terminate_and_restart(&mut self) -> Outcome {
        let broker = self.broker()?;
        broker.terminate()?;
        broker.start_again()
    }

    /// `host:port` of the name server.
    pub fn name_server(&self) -> String {
        match (&self.broker, &self.arguments.address) {
            (Some(broker), _) => broker.name_server(),
            (None, Some(address)) => address.clone(),
            (None, None) => unreachable!("a scene has a broker or an address"),
        }
    }

    /// `host:port` of the broker.
    pub fn broker_address(&self) -> Outcome<String> {
        match &self.broker {
            Some(broker) => Ok(broker.address()),
            None => wire::first_broker(&self.name_server()),
        }
    }

    /// One request to the broker itself, whatever the answer.
    pub fn ask(&self, code: u16, fields: &[(&str, &str)]) -> Outcome<wire::Answer> {
        wire::request(&self.broker_address()?, code, fields)
    }

    /// Like [`Scene::ask`], and fails unless the answer is 0.
    pub fn ask_ok(&self, code: u16, fields: &[(&str, &str)]) -> Outcome<wire::Answer> {
        let answer = self.ask(code, fields)?;
        ensure!(answer.code == 0, "request {code} {fields:?} was answered {answer:?}");
        Ok(answer)
    }

    /// Creates a topic with so many queues and these permissions (4 read, 2 write).
    pub fn create_topic(&self, topic: &str, queues: u32, permissions: u32) -> Outcome {
        let (queues, permissions) = (queues.to_string(), permissions.to_string());
        let fields = [
            ("topic", topic),
            ("defaultTopic", "TBW102"),
            ("readQueueNums", queues.as_str()),
            ("writeQueueNums", queues.as_str()),
            ("perm", permissions.as_str()),
            ("topicFilterType", "SINGLE_TAG"),
            ("topicSysFlag", "0"),
            ("order", "false"),
        ];
        self.ask_ok(UPDATE_AND_CREATE_TOPIC, &fields).map(drop)
    }

    /// What the bodies of this story's messages begin with, and what its topics and groups are named after.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// The topic that is used where a story does not name one.
    pub fn topic(&self) -> String {
        format!("interop_{}", self.run)
    }

    /// The consumer group that is used where a story does not name one.
    pub fn group(&self) -> String {
        format!("group_{}", self.run)
    }

    /// The producer group that is used where a story does not name one.
    pub fn producer_group(&self) -> String {
        format!("producer_{}", self.run)
    }

    /// How often a story that kills in a loop kills.
    pub fn rounds(&self) -> u32 {
        self.arguments.rounds
    }

    /// What random faults are drawn from, if it was said.
    pub fn seed(&self) -> Option<u64> {
        self.arguments.seed
    }

    /// A file or folder of this story.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Something measured that stands beside the verdict.
    pub fn note(&mut self, note: String) {
        self.note = Some(note);
    }

    /// What [`Scene::note`] was told last.
    pub fn take_note(&mut self) -> Option<String> {
        self.note.take()
    }

    /// A part of the Java program, to be started after its environment was set.
    pub fn java(&self, part: &str) -> Launch {
        self.java_with(if self.client == ClientVersion::Java498 { OLDEST } else { NEWEST }, part)
    }

    /// The same with this version of the client library, whoever plays the story.
    pub fn java_with(&self, version: &str, part: &str) -> Launch {
        let built = self.arguments.home.join("java/target").join(version);
        let log = self.log(part);
        let mut command = Command::new("java");
        command.args(JAVA_FLAGS).arg(format!("-Duser.home={}", log.display()));
        command.arg("-cp").arg(format!("{0}/classes:{0}/lib/*", built.display()));
        let mut launch = self.launch(part, command, log);
        launch.arguments = vec!["tandem.interop.Program".to_owned(), part.to_owned()];
        launch
    }

    /// A part of the Go program.
    pub fn go(&self, part: &str) -> Launch {
        let mut launch = self.launch(part, Command::new(self.arguments.home.join("go/target/interop")), self.log(part));
        launch.arguments = vec![part.to_owned()];
        launch
    }

    /// Any program, to be started after its environment was set, in a folder of this story.
    pub fn program(&self, part: &str, command: &[&str], dir: &Path) -> Launch {
        let mut process = Command::new(command[0]);
        process.current_dir(dir);
        let mut launch = self.launch(part, process, self.log(part));
        launch.arguments = command[1..].iter().map(|argument| (*argument).to_owned()).collect();
        launch
    }

    /// Builds an example of the Rust client and returns its program's path.
    pub fn rust_example(&self, name: &str) -> Outcome<String> {
        let checkout = self.checkout()?;
        // Where the programs of `tandem snippet` are built too: the client is compiled once.
        let target = checkout.join("target/snippets");
        let build = ["cargo", "build", "-q", "-p", "tandem-client", "--example", name];
        self.program("rust-build", &build, &checkout).env("CARGO_TARGET_DIR", target.display()).succeed(BUILD)?;
        Ok(target.join("debug/examples").join(name).display().to_string())
    }

    /// The project's folder.
    pub fn checkout(&self) -> Outcome<PathBuf> {
        Ok(self.arguments.home.join("..").canonicalize()?)
    }

    fn log(&self, part: &str) -> PathBuf {
        let nth = self.programs.fetch_add(1, Ordering::Relaxed) + 1;
        self.dir.join(format!("{nth:02}-{part}"))
    }

    fn launch(&self, part: &str, mut command: Command, log: PathBuf) -> Launch {
        command.env("NAMESRV_ADDR", self.name_server()).env("RUN", &self.run).env("DB_DIR", self.path("db"));
        command.env("TOPIC", self.topic()).env("GROUP", self.group()).env("PRODUCER_GROUP", self.producer_group());
        Launch { part: part.to_owned(), command, arguments: Vec::new(), log }
    }

    /// Runs an mqadmin command to its end; it must end with 0 and without a stack trace. Returns what it printed.
    pub fn mqadmin(&self, arguments: &[&str]) -> Outcome<String> {
        let lib = self.arguments.home.join("java/target/mqadmin/lib");
        let mut command = Command::new("java");
        command.args(JAVA_FLAGS).arg(format!("-Drocketmq.home.dir={}", self.dir.display()));
        command.arg(format!("-Duser.home={}", self.path("mqadmin").display()));
        command.arg("-cp").arg(format!("{}/*", lib.display())).arg("org.apache.rocketmq.tools.command.MQAdminStartup");
        command.args(arguments).args(["-n", &self.name_server()]);
        let printed = self.output(&format!("mqadmin {}", arguments.join(" ")), command)?;
        let trace = printed.lines().any(|line| line.contains("Exception") || line.starts_with("\tat "));
        ensure!(!trace, "mqadmin {} printed a stack trace:\n{printed}", arguments.join(" "));
        Ok(printed)
    }

    /// Runs a command of the binary under test against the running broker. Returns what it printed.
    pub fn tandem(&mut self, arguments: &[&str]) -> Outcome<String> {
        let address = self.broker()?.address();
        let mut command = Command::new(&self.arguments.tandem);
        command.args(arguments).args([CLI_ADDRESS, &address]);
        self.output(&format!("tandem {}", arguments.join(" ")), command)
    }

    fn output(&self, what: &str, mut command: Command) -> Outcome<String> {
        let output = command
            .stdin(Stdio::null())
            .output()
            .map_err(|e| Failure::new(format!("cannot start {}: {e}", command.get_program().display())))?;
        let mut printed = String::from_utf8_lossy(&output.stdout).into_owned();
        printed.push_str(&String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "{what} ended with {}:\n{printed}", output.status);
        Ok(printed)
    }
}

/// A client program about to be started.
#[derive(Debug)]
pub struct Launch {
    part: String,
    command: Command,
    arguments: Vec<String>,
    log: PathBuf,
}

impl Launch {
    /// Sets a variable of its environment.
    pub fn env(mut self, name: &str, value: impl ToString) -> Self {
        self.command.env(name, value.to_string());
        self
    }

    /// Sets a system property of the JVM.
    pub fn property(mut self, name: &str, value: &str) -> Self {
        self.command.arg(format!("-D{name}={value}"));
        self
    }

    /// Starts it.
    pub fn start(mut self) -> Outcome<Program> {
        self.command.args(&self.arguments);
        Program::start(&self.part, self.command, &self.log)
    }

    /// Starts it, waits for its end, which must be a success, and returns it with what it printed.
    pub fn succeed(self, within: Duration) -> Outcome<Program> {
        let mut program = self.start()?;
        program.succeed(within)?;
        Ok(program)
    }
}
