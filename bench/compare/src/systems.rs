//! Who is compared: started in a directory of its own, and stopped.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// Longest that one may take to start, or to stop.
const PATIENCE: Duration = Duration::from_secs(90);
/// Heap of the JVM that runs RocketMQ's broker.
pub const HEAP: &str = "4g";

/// Who is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum System {
    /// Durable: what is answered is synced.
    Tandem,
    /// Apache RocketMQ 5.5.0, which answers when it is synced.
    RocketSync,
    /// Apache RocketMQ 5.5.0, which answers before, as it does by default.
    RocketAsync,
    /// The bare durable server, which writes over a file that was filled before.
    Ceiling,
    /// The bare durable server, which appends to a new file.
    CeilingNew,
}

impl System {
    /// As it stands in tables.
    pub fn name(self) -> &'static str {
        match self {
            System::Tandem => "Tandem, durable",
            System::RocketSync => "RocketMQ SYNC_FLUSH",
            System::RocketAsync => "RocketMQ ASYNC_FLUSH",
            System::Ceiling => "bare ceiling, durable",
            System::CeilingNew => "bare ceiling, new file",
        }
    }

    /// Whether it is the bare durable server, which has no topics.
    pub fn is_bare(self) -> bool {
        matches!(self, System::Ceiling | System::CeilingNew)
    }
}

/// Where the programs are.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The binary `tandem`.
    pub tandem: PathBuf,
    /// The binary `ceiling`.
    pub ceiling: PathBuf,
    /// RocketMQ's jars.
    pub jars: PathBuf,
}

/// One that runs. It is stopped when this is dropped.
pub struct Running {
    children: Vec<Child>,
    /// What the load is told.
    pub address: SocketAddr,
    /// The process that is looked at.
    pub pid: u32,
}

impl Running {
    /// Starts one whose files go to `directory`, and waits until it answers. The bare server makes a backlog of so many
    /// messages when it is asked for it.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(system: System, programs: &Programs, directory: &Path, backlog: u64) -> anyhow::Result<Self> {
        fs::create_dir_all(directory)?;
        match system {
            System::Tandem => Self::tandem(&programs.tandem, directory, &[]),
            System::Ceiling => Self::ceiling(&programs.ceiling, directory, &["--backlog", &backlog.to_string()]),
            System::CeilingNew => Self::ceiling(&programs.ceiling, directory, &["--new"]),
            System::RocketSync | System::RocketAsync => {
                let flush = if system == System::RocketSync { "SYNC_FLUSH" } else { "ASYNC_FLUSH" };
                rocketmq(&programs.jars, directory, flush)
            }
        }
    }

    /// Starts a Tandem whose data is in `directory`, with these settings, and waits until it accepts connections.
    ///
    /// # Errors
    /// When it does not start.
    pub fn tandem(binary: &Path, directory: &Path, settings: &[&str]) -> anyhow::Result<Self> {
        let log = |name: &str| File::create(directory.join(name));
        let (names, broker) = (free_port()?, free_port()?);
        let mut command = Command::new(binary);
        command.arg("serve").arg("--data").arg(directory.join("data"));
        command.args(["--nameserver-listen", &names.to_string(), "--broker-listen", &broker.to_string()]);
        settings.iter().for_each(|setting| _ = command.args(["--set", setting]));
        let child = command.stdout(log("out")?).stderr(log("err")?).spawn().context("tandem")?;
        Self::wait(vec![child], broker, broker, directory)
    }

    /// Starts the bare durable server with these options, whose file is in `directory`, and waits until it accepts
    /// connections.
    ///
    /// # Errors
    /// When it does not start.
    pub fn ceiling(binary: &Path, directory: &Path, options: &[&str]) -> anyhow::Result<Self> {
        let log = |name: &str| File::create(directory.join(name));
        let address = free_port()?;
        let mut command = Command::new(binary);
        command.arg(address.to_string()).arg(directory.join("log")).args(options);
        let child = command.stdout(log("out")?).stderr(log("err")?).spawn().context("ceiling")?;
        Self::wait(vec![child], address, address, directory)
    }

    /// Kills it: nothing is written in the end.
    ///
    /// # Errors
    /// When it is not there any more.
    pub fn kill(mut self) -> anyhow::Result<()> {
        for mut child in std::mem::take(&mut self.children) {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    fn wait(children: Vec<Child>, waits_for: SocketAddr, address: SocketAddr, log: &Path) -> anyhow::Result<Self> {
        let pid = children.last().expect("somebody was started").id();
        let mut running = Running { children, address, pid };
        let started = Instant::now();
        while TcpStream::connect(waits_for).is_err() {
            for child in &mut running.children {
                if let Some(status) = child.try_wait()? {
                    bail!("it ended with {status}: see {}", log.display());
                }
            }
            ensure!(started.elapsed() < PATIENCE, "nothing answers at {waits_for}: see {}", log.display());
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(running)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for child in self.children.iter_mut().rev() {
            if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                // If it has ended already there is nothing to stop.
                let _ = kill_process(pid, Signal::TERM);
            }
            let stopping = Instant::now();
            while matches!(child.try_wait(), Ok(None)) && stopping.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(50));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// RocketMQ as it comes, but for its addresses and directories, the flush, and a heap of a fixed size.
fn rocketmq(jars: &Path, directory: &Path, flush: &str) -> anyhow::Result<Running> {
    let home = directory.join("home");
    fs::create_dir_all(home.join("conf"))?;
    let (names, broker) = (free_port()?, free_port()?);
    fs::write(directory.join("namesrv.conf"), format!("listenPort={}\n", names.port()))?;
    let store = directory.join("store");
    let conf = format!(
        "brokerClusterName=DefaultCluster\nbrokerName=broker-a\nbrokerId=0\nbrokerIP1=127.0.0.1\nlistenPort={}\n\
         namesrvAddr={names}\nstorePathRootDir={}\nbrokerRole=ASYNC_MASTER\nflushDiskType={flush}\n",
        broker.port(),
        store.display(),
    );
    fs::write(directory.join("broker.conf"), conf)?;
    let java = |class: &str, heap: &str, conf: &str, log: &str| -> anyhow::Result<Child> {
        let mut command = Command::new("java");
        command.env("ROCKETMQ_HOME", &home);
        command.arg(format!("-Xms{heap}")).arg(format!("-Xmx{heap}"));
        command.arg(format!("-Duser.home={}", directory.display()));
        command.arg("-XX:+UseG1GC");
        for package in ["jdk.internal.ref", "sun.nio.ch"] {
            command.arg(format!("--add-exports=java.base/{package}=ALL-UNNAMED"));
        }
        for package in ["java.lang", "jdk.internal.misc", "sun.nio.ch"] {
            command.arg(format!("--add-opens=java.base/{package}=ALL-UNNAMED"));
        }
        command.arg("-cp").arg(format!("{}/*", jars.display()));
        command.arg(class).arg("-c").arg(directory.join(conf));
        let out = File::create(directory.join(log))?;
        command.stdin(Stdio::null()).stderr(out.try_clone()?).stdout(out).spawn().context("java")
    };
    let namesrv = java("org.apache.rocketmq.namesrv.NamesrvStartup", "256m", "namesrv.conf", "namesrv.log")?;
    let running = Running::wait(vec![namesrv], names, names, directory)?;
    let child = java("org.apache.rocketmq.broker.BrokerStartup", HEAP, "broker.conf", "broker.log")?;
    let mut children = running.into_children();
    children.push(child);
    Running::wait(children, broker, names, directory)
}

impl Running {
    /// Hands over its processes without stopping them.
    fn into_children(mut self) -> Vec<Child> {
        std::mem::take(&mut self.children)
    }
}

/// A port that nobody listens on. RocketMQ takes the one below its own by two, and the one above.
fn free_port() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    Ok(listener.local_addr()?)
}

/// Fetches RocketMQ's jars, once.
///
/// # Errors
/// When Maven is missing or cannot reach its repository.
pub fn fetch_jars(directory: &Path) -> anyhow::Result<PathBuf> {
    let jars = directory.join("rocketmq-5.5.0");
    if !jars.exists() {
        let pom = Path::new(env!("CARGO_MANIFEST_DIR")).join("pom.xml");
        let part = directory.join("rocketmq-5.5.0.part");
        let status = Command::new("mvn")
            .args(["-q", "-B", "-f"])
            .arg(pom)
            .arg("dependency:copy-dependencies")
            .arg(format!("-DoutputDirectory={}", part.display()))
            .status()
            .context("Maven (mvn) fetches RocketMQ's jars; or name a directory of them with --jars")?;
        ensure!(status.success(), "Maven ended with {status}");
        fs::rename(part, &jars)?;
    }
    Ok(jars)
}
