//! Clients that ask for everything there is, each on a connection of its own, until they are refused.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::promises::{Asked, Promises, Stamp};
use crate::wire::Wire;

/// What the server runs with: small segments and frequent snapshots, so that a cut can hit all of them.
pub const SETTINGS: [&str; 5] = [
    "store.segment_size=4MiB",
    "store.snapshot_every=4MiB",
    "limits.batch_bytes=1MiB",
    "limits.message_size=128KiB",
    "transactions.first_check_after=1h",
];

const CLIENTS: usize = 6;
const BODY: usize = 3 << 10;

/// Tells the time of an answer.
pub type Now = Arc<dyn Fn() -> Stamp + Send + Sync>;

/// Clients at work.
pub struct Load {
    clients: Vec<JoinHandle<(Promises, Option<String>)>>,
}

impl Load {
    /// Begins. `name` must be new, for the topics of the clients bear it.
    pub fn begin(address: SocketAddr, name: &str, now: &Now) -> Self {
        let clients = (0..CLIENTS).map(|number| {
            let (name, now) = (format!("{name}-{number}"), now.clone());
            std::thread::spawn(move || {
                let mut wire = Wire::connect(address);
                let mut promises = Promises::new(&name, BODY);
                loop {
                    match promises.ask(&mut wire, || now()) {
                        Asked::Done => {}
                        Asked::Refused(why) => return (promises, Some(why)),
                        Asked::Gone => return (promises, None),
                    }
                }
            })
        });
        Load { clients: clients.collect() }
    }

    /// Whether somebody has been refused already.
    pub fn is_over(&self) -> bool {
        self.clients.iter().any(JoinHandle::is_finished)
    }

    /// What was promised, once all have been refused, and with which words they were.
    pub fn end(self) -> (Vec<Promises>, Vec<String>) {
        let mut all = (Vec::new(), Vec::new());
        for client in self.clients {
            let (promises, why) = client.join().expect("a client does not panic");
            all.0.push(promises);
            all.1.extend(why);
        }
        all
    }
}
