//! The broker of a test, and what tests share.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tandem_client::{ConsumeFrom, MessageView, PullConsumer};
use tempfile::TempDir;

/// How long anything may take that should be done at once. Tests share two cores.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// Says where a broker is that is not started here.
const ELSEWHERE: &str = "TANDEM_CLIENT_TEST_NAMESERVER";

/// A broker. One that was started here is killed when this is dropped, and the test fails if it complained.
pub struct Broker {
    nameserver: String,
    own: Option<Own>,
}

struct Own {
    directory: TempDir,
    settings: Vec<String>,
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    listen: [String; 2],
}

impl Broker {
    /// One with the defaults.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// One with these settings; one that is elsewhere has its own.
    pub fn with(settings: &[&str]) -> Self {
        if let Ok(nameserver) = std::env::var(ELSEWHERE) {
            return Broker { nameserver, own: None };
        }
        let directory = TempDir::new().expect("a temporary directory");
        let settings = settings.iter().flat_map(|setting| ["--set".to_owned(), (*setting).to_owned()]).collect();
        let listen = ["127.0.0.1:0".to_owned(), "127.0.0.1:0".to_owned()];
        let mut own = Own::spawn(directory, settings, listen, Arc::default());
        own.listen = [own.address("  name server  "), own.address("  broker       ")];
        Broker { nameserver: own.listen[0].clone(), own: Some(own) }
    }

    /// Where its name server is.
    pub fn nameserver(&self) -> [String; 1] {
        [self.nameserver.clone()]
    }

    /// Is it a Tandem that may be killed?
    pub fn is_ours(&self) -> bool {
        self.own.is_some()
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        let own = self.own.as_mut().expect("only a broker that was started here is killed");
        own.end();
    }

    /// Starts it again on the same data and ports.
    pub fn start_again(&mut self) {
        let own = self.own.take().expect("only a broker that was started here is started again");
        let (settings, listen, log) = (own.settings.clone(), own.listen.clone(), own.log.clone());
        log.lock().unwrap().clear();
        self.own = Some(Own::spawn(own.directory, settings, listen, log));
    }
}

impl Own {
    fn spawn(directory: TempDir, settings: Vec<String>, listen: [String; 2], log: Arc<Mutex<String>>) -> Self {
        let mut command = Command::new(binary());
        command.arg("serve").arg("--data").arg(directory.path().join("data"));
        command.args(["--nameserver-listen", &listen[0], "--broker-listen", &listen[1]]).args(&settings);
        let mut child = command.env("NO_COLOR", "1").stderr(Stdio::piped()).spawn().expect("the binary runs");
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let kept = log.clone();
        let reader = std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                kept.lock().unwrap().push_str(&format!("{line}\n"));
            }
        });
        let mut own = Own { directory, settings, child, log, reader: Some(reader), listen };
        let deadline = Instant::now() + PATIENCE;
        while !own.log.lock().unwrap().contains("tandem: ready in ") {
            let gone = own.child.try_wait().expect("a child can be waited for");
            let log = own.log.lock().unwrap().clone();
            assert!(gone.is_none() && Instant::now() < deadline, "the broker does not get ready ({gone:?}):\n{log}");
            std::thread::sleep(Duration::from_millis(2));
        }
        own
    }

    fn address(&self, label: &str) -> String {
        let log = self.log.lock().unwrap();
        let line = log.lines().find_map(|line| line.strip_prefix(label)).expect("it says where it listens");
        line.split_whitespace().next().expect("an address").to_owned()
    }

    fn end(&mut self) {
        // It may have ended by itself, which its log explains.
        let _ = self.child.kill();
        self.child.wait().expect("a child can be waited for");
        if let Some(reader) = self.reader.take() {
            reader.join().expect("its log can be read");
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let Some(own) = &mut self.own else { return };
        own.end();
        let log = own.log.lock().unwrap().clone();
        if std::thread::panicking() {
            eprintln!("log of the broker:\n{log}");
            return;
        }
        let is_bad = |line: &&str| line.contains(" ERROR ") || line.contains(" WARN ") || line.contains("panicked at");
        if let Some(line) = log.lines().find(is_bad) {
            panic!("the broker's log says: {line}\nthe whole log:\n{log}");
        }
    }
}

/// The binary. Cargo names it only to tests of its own package, so it is built from here, into the directory and with the
/// profile that this test was built with; that takes no time when it is there.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(binary) = std::env::var_os("TANDEM_CLIENT_TEST_BINARY") {
            return binary.into();
        }
        let test = std::env::current_exe().expect("a test is a file");
        let built = test.parent().and_then(Path::parent).expect("it is in target/PROFILE/deps");
        let (profile, target) = (built.file_name().expect("a profile"), built.parent().expect("a target directory"));
        let profile = if profile == "debug" { "dev".into() } else { profile.to_owned() };
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // The whole workspace, so that shared dependencies have the features `cargo test --workspace` built them with.
        cargo.args(["build", "--workspace", "--bin", "tandem"]).arg("--profile").arg(profile);
        cargo.arg("--manifest-path").arg(workspace.join("Cargo.toml")).arg("--target-dir").arg(target);
        let built_now = cargo.status().expect("cargo runs");
        assert!(built_now.success(), "the broker cannot be built; say {ELSEWHERE}=host:port to test another one");
        built.join("tandem")
    })
}

/// A name that no other test has, on a broker that may have been tested before.
pub fn unique(name: &str) -> String {
    let nanos =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is after 1970").as_nanos();
    format!("{name}-{:x}{:x}", std::process::id(), nanos & 0xFFFF_FFFF_FFFF)
}

/// Waits until something holds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "it never came to be that {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What handlers saw.
#[derive(Debug, Clone, Default)]
pub struct Seen(Arc<Mutex<Vec<MessageView>>>);

impl Seen {
    pub fn push(&self, message: MessageView) {
        self.0.lock().unwrap().push(message);
    }

    pub fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub fn messages(&self) -> Vec<MessageView> {
        self.0.lock().unwrap().clone()
    }

    /// Their bodies, sorted.
    pub fn bodies(&self) -> Vec<String> {
        let mut bodies: Vec<String> = self.messages().iter().map(text).collect();
        bodies.sort();
        bodies
    }

    pub async fn wait_for(&self, count: usize) {
        eventually(&format!("{count} messages are seen"), || async { self.len() >= count }).await;
    }
}

/// A body as text.
pub fn text(message: &MessageView) -> String {
    String::from_utf8(message.body().to_vec()).expect("the tests' bodies are text")
}

/// Everything in a topic at the moment, by queue.
pub async fn contents(broker: &Broker, topic: &str) -> Vec<MessageView> {
    let reader = PullConsumer::builder(broker.nameserver())
        .group(unique("reader"))
        .consume_from(ConsumeFrom::First)
        .start()
        .await
        .expect("a reader");
    let mut found = Vec::new();
    for queue in reader.queues_of(topic).await.expect("a route") {
        let mut next = reader.min_offset(&queue).await.expect("a first offset");
        loop {
            let pulled = reader.pull(&queue, next, 32, None).await.expect("a pull");
            if pulled.messages.is_empty() && pulled.next_offset >= pulled.max_offset {
                break;
            }
            found.extend(pulled.messages);
            next = pulled.next_offset;
        }
    }
    reader.shutdown().await;
    found
}

/// Waits until a topic holds so many messages.
pub async fn contents_when(broker: &Broker, topic: &str, count: usize) -> Vec<MessageView> {
    eventually(&format!("{topic} holds {count} messages"), || async { contents(broker, topic).await.len() >= count })
        .await;
    contents(broker, topic).await
}
