//! The probe passes a broker that keeps its promises, whatever happens to it, and fails brokers that do not: between it
//! and ours stands one that lies.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use message::properties;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::broker::{Broker, PATIENCE, complained, said, tandem};
use crate::wire::{COMMIT, END, ROLLBACK, SEND, Wire};

/// Checks come soon, so that a run takes seconds, and do not end while it takes.
const SOON: [&str; 3] =
    ["transactions.first_check_after=1s", "transactions.check_interval=1s", "transactions.check_max=1000"];

/// A run, as programs see it: the exit code and the verdict.
fn probe(nameserver: SocketAddr, args: &[&str]) -> (i32, Json) {
    let output = tandem(&[&["txprobe", &nameserver.to_string(), "--json", "--seed", "7"], args].concat());
    let text = said(&output);
    let verdict = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}{}", complained(&output)));
    (output.status.code().expect("it was not killed"), verdict)
}

/// A broker started and killed by commands, as users of the probe do it.
struct ByCommand {
    directory: TempDir,
    nameserver: SocketAddr,
}

impl ByCommand {
    fn start() -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let (nameserver, broker) = free_addresses();
        let data = directory.path().join("data");
        let settings = SOON.map(|setting| format!("--set {setting}")).join(" ");
        let script = format!(
            "{} serve --data {} --nameserver-listen {nameserver} --broker-listen {broker} {settings} 2>> {} &\necho $! > {}\n",
            env!("CARGO_BIN_EXE_tandem"),
            data.display(),
            directory.path().join("log").display(),
            directory.path().join("pid").display()
        );
        std::fs::write(directory.path().join("start"), script).expect("a script");
        let by_command = ByCommand { directory, nameserver };
        by_command.run(&by_command.restart_command());
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(nameserver).is_err() {
            assert!(Instant::now() < deadline, "nobody listens:\n{}", by_command.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        by_command
    }

    fn kill_command(&self) -> String {
        format!("kill -9 $(cat {})", self.directory.path().join("pid").display())
    }

    fn restart_command(&self) -> String {
        format!("sh {}", self.directory.path().join("start").display())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    fn run(&self, command: &str) {
        assert!(Command::new("sh").args(["-c", command]).status().expect("a shell").success(), "{command}");
    }
}

impl Drop for ByCommand {
    fn drop(&mut self) {
        self.run(&self.kill_command());
    }
}

/// Addresses on which nobody listens, for a name server and a broker; the broker takes one more, two below its own.
fn free_addresses() -> (SocketAddr, SocketAddr) {
    loop {
        let [nameserver, broker] = [0, 0].map(|port| TcpListener::bind(("127.0.0.1", port)).expect("a free port"));
        let [nameserver, broker] = [&nameserver, &broker].map(|listener| listener.local_addr().expect("an address"));
        let below = broker.port() - 2;
        if below != nameserver.port() && TcpListener::bind(("127.0.0.1", below)).is_ok() {
            return (nameserver, broker);
        }
    }
}

/// What the broker in between does to the promises of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Lie {
    /// It commits what is rolled back.
    CommitsRollbacks,
    /// It acknowledges commits, and forgets them.
    ForgetsCommits,
    /// It delivers every committed message once more.
    DeliversTwice,
    /// It tells whoever contradicts a decision that all is well.
    AgreesWithEverybody,
}

/// Stands between the probe and the broker. It lives as long as the test process does.
#[derive(Clone)]
struct Liar {
    lie: Lie,
    broker: SocketAddr,
    /// The halves that came by, by id.
    halves: Arc<Mutex<HashMap<String, Seen>>>,
}

/// A half that came by.
struct Seen {
    topic: String,
    properties: String,
    body: Vec<u8>,
}

/// A broker that tells this lie: what the probe is to be pointed at, and the honest one behind it.
fn liar(lie: Lie) -> Broker {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let advertise = format!("server.advertise={}", listener.local_addr().expect("an address"));
    let broker = Broker::with(&[&SOON[..], &[&advertise]].concat());
    let liar = Liar { lie, broker: broker.address(), halves: Arc::default() };
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let liar = liar.clone();
            // A connection may end in any way at any time.
            std::thread::spawn(move || client.and_then(|client| liar.stand_between(client)));
        }
    });
    broker
}

impl Liar {
    fn stand_between(&self, client: TcpStream) -> io::Result<()> {
        let broker = TcpStream::connect(self.broker)?;
        let (to_client, from_broker) = (Arc::new(Mutex::new(client.try_clone()?)), broker.try_clone()?);
        let (back, liar) = (to_client.clone(), self.clone());
        std::thread::spawn(move || {
            let ended = liar.answers(from_broker, &back);
            // Half a connection is no connection.
            back.lock().unwrap().shutdown(Shutdown::Both).and(ended)
        });
        let (mut client, mut broker) = (client, broker);
        while let Some((mut header, body)) = read_frame(&mut client)? {
            if self.is_answered_here(&mut header, &body) {
                let answer =
                    json!({ "code": 0, "flag": 1, "language": "JAVA", "opaque": header["opaque"], "version": 513 });
                write_frame(&mut to_client.lock().unwrap(), &answer, b"")?;
            } else {
                write_frame(&mut broker, &header, &body)?;
            }
        }
        broker.shutdown(Shutdown::Both)
    }

    fn answers(&self, mut broker: TcpStream, client: &Mutex<TcpStream>) -> io::Result<()> {
        while let Some((mut header, body)) = read_frame(&mut broker)? {
            if self.lie == Lie::AgreesWithEverybody && header["code"] == 604 {
                header["code"] = 0.into();
            }
            write_frame(&mut client.lock().unwrap(), &header, &body)?;
        }
        Ok(())
    }

    /// Looks at a request, and changes it perhaps.
    fn is_answered_here(&self, header: &mut Json, body: &[u8]) -> bool {
        let field = |header: &Json, name: &str| header["extFields"][name].as_str().unwrap_or_default().to_owned();
        if header["code"] == SEND {
            let properties = field(header, "i");
            if let Some(id) = properties::get(&properties, "UNIQ_KEY") {
                let half = Seen { topic: field(header, "b"), properties: properties.clone(), body: body.to_vec() };
                self.halves.lock().unwrap().insert(id.to_owned(), half);
            }
            return false;
        }
        if header["code"] != END {
            return false;
        }
        let is = |decision: i32| field(header, "commitOrRollback") == decision.to_string();
        match self.lie {
            Lie::CommitsRollbacks if is(ROLLBACK) => {
                header["extFields"]["commitOrRollback"] = COMMIT.to_string().into()
            }
            Lie::ForgetsCommits => return is(COMMIT),
            Lie::DeliversTwice if is(COMMIT) => {
                let half = self.halves.lock().unwrap().remove(&field(header, "msgId"));
                if let Some(Seen { topic, properties, body }) = half {
                    let properties = properties.replace("TRAN_MSG\u{1}true\u{2}", "");
                    Wire::connect(self.broker).try_send(&topic, &properties, &body, &[]);
                }
            }
            _ => {}
        }
        false
    }
}

fn read_frame(from: &mut TcpStream) -> io::Result<Option<(Json, Vec<u8>)>> {
    let mut sizes = [0; 8];
    match from.read_exact(&mut sizes) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let [total, header] = [0, 4].map(|at| u32::from_be_bytes([sizes[at], sizes[at + 1], sizes[at + 2], sizes[at + 3]]));
    let mut bytes = vec![0; total as usize - 4];
    from.read_exact(&mut bytes)?;
    let body = bytes.split_off(header as usize);
    Ok(Some((serde_json::from_slice(&bytes)?, body)))
}

fn write_frame(to: &mut TcpStream, header: &Json, body: &[u8]) -> io::Result<()> {
    let header = serde_json::to_vec(header)?;
    let total = (4 + header.len() + body.len()) as u32;
    to.write_all(&[&total.to_be_bytes(), &(header.len() as u32).to_be_bytes(), &header[..], body].concat())
}

/// A short run against a broker that lies has to fail, and this column has to say so.
#[track_caller]
fn is_found_out(lie: Lie, column: &str) {
    let broker = liar(lie);
    let (code, verdict) = probe(broker.nameserver(), &["--for", "1s", "--rate", "80", "--wait", "2s"]);
    assert_eq!((code, &verdict["verdict"]), (1, &"fail".into()), "{verdict:#}");
    assert!(verdict["total"][column].as_u64() > Some(0), "nothing is {column}: {verdict:#}");
    let stories = verdict["stories"].as_array().expect("stories");
    assert!(stories.iter().any(|story| story["broken"] == column), "{verdict:#}");
}

#[test]
fn a_broker_that_is_killed_keeps_its_promises_under_every_fault() {
    let broker = ByCommand::start();
    let (kill, restart) = (broker.kill_command(), broker.restart_command());
    let args = ["--for", "3s", "--rate", "80", "--wait", "15s", "--kill-command", &kill, "--restart-command", &restart];
    let (code, verdict) = probe(broker.nameserver, &args);
    assert_eq!((code, &verdict["verdict"]), (0, &"pass".into()), "{verdict:#}\n{}", broker.log());
    assert_eq!((&verdict["broker_killed"], &verdict["total"]["undecided"]), (&1.into(), &0.into()), "{verdict:#}");
    assert!(verdict["total"]["delivered"].as_u64() > Some(80), "{verdict:#}");
    assert!(verdict["forged_sent"].as_u64() > Some(0) && verdict["forged_acknowledged"] == 0, "{verdict:#}");
    let rows = verdict["by_fault"].as_array().expect("rows");
    assert_eq!(rows.len(), 12, "every fault happens, and none of them to most: {verdict:#}");
}

#[test]
fn a_broker_that_commits_what_is_rolled_back_is_found_out() {
    is_found_out(Lie::CommitsRollbacks, "leaked");
}

#[test]
fn a_broker_that_forgets_what_it_acknowledged_is_found_out() {
    is_found_out(Lie::ForgetsCommits, "lost");
}

#[test]
fn a_broker_that_delivers_twice_is_found_out() {
    is_found_out(Lie::DeliversTwice, "doubled");
}

#[test]
fn a_broker_that_agrees_with_everybody_is_found_out() {
    is_found_out(Lie::AgreesWithEverybody, "contradicted");
}

#[test]
fn a_probe_that_cannot_be_run_has_no_verdict() {
    let nobody = tandem(&["txprobe", "127.0.0.1:1", "--for", "1s"]);
    assert_eq!((nobody.status.code(), said(&nobody).as_str()), (Some(2), ""), "{}", complained(&nobody));
    assert!(complained(&nobody).contains("127.0.0.1:1"), "{}", complained(&nobody));
    let half = tandem(&["txprobe", "127.0.0.1:1", "--kill-command", "true"]);
    assert!(half.status.code() == Some(2) && complained(&half).contains("--restart-command"), "{}", complained(&half));
    let unknown = tandem(&["txprobe", "127.0.0.1:1", "--faults", "fire"]);
    assert!(unknown.status.code() == Some(2) && complained(&unknown).contains("racing"), "{}", complained(&unknown));
}
