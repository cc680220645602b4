use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mio::Waker;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Whether the process was asked to end.
#[derive(Clone, Debug)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Watches for SIGTERM and SIGINT from now on, and wakes the owner when one comes.
    ///
    /// # Errors
    /// When signals cannot be watched.
    pub fn on_signals(waker: Arc<Waker>) -> io::Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        let mut signals = Signals::new([SIGTERM, SIGINT])?;
        let told = asked.clone();
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            for _ in signals.forever() {
                if told.swap(true, Ordering::SeqCst) {
                    // Asked twice: somebody is in a hurry. The log is complete at any moment.
                    std::process::exit(130);
                }
                if let Err(error) = waker.wake() {
                    tracing::error!("cannot wake the broker's thread: {error}");
                }
            }
        })?;
        Ok(Stop(asked))
    }

    /// Whether a signal came.
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
