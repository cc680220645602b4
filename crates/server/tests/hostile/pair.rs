//! A producer and a consumer that behave, at a fixed low rate.

use std::time::{Duration, Instant};

use crate::broker::Broker;
use crate::wire::Wire;

const TOPIC: &str = "honest";
const BODY: [u8; 1024] = [b'h'; 1024];

/// A message every so often: twenty a second, so that one is through before the next is due even when each takes long.
const EVERY: Duration = Duration::from_millis(50);

/// Two connections: one sends, the other waits for what was sent.
pub struct Pair {
    producer: Wire,
    consumer: Wire,
    sent: i64,
}

impl Pair {
    /// Connects them.
    pub fn of(broker: &Broker) -> Self {
        Pair { producer: broker.connect(), consumer: broker.connect(), sent: 0 }
    }

    /// Sends so many messages, one after the other, and returns how long each took to be stored and delivered. A
    /// message that could not be sent in time because of the one before counts from when it was due.
    ///
    /// Panics when one is refused, lost, doubled or changed.
    pub fn exchange(&mut self, count: usize) -> Vec<Duration> {
        let begun = Instant::now();
        let mut took = Vec::with_capacity(count);
        for number in 0..count {
            let due = begun + EVERY * number as u32;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let key = format!("honest-{}", self.sent);
            let offset = self.producer.send(TOPIC, &key, &BODY);
            assert_eq!(offset, self.sent, "{key}");
            let mut pulled = self.consumer.pull_as("honest-readers", TOPIC, offset, Some(Duration::from_secs(10)));
            let message = pulled.messages.pop().expect("it is delivered");
            assert!(pulled.messages.is_empty() && message.key == key && message.body == BODY, "{message:?}");
            self.sent += 1;
            took.push(due.elapsed());
        }
        took
    }

    /// Everything it ever sent is there, once and in order.
    pub fn take_stock(mut self) {
        let keys: Vec<String> = (0..self.sent).map(|number| format!("honest-{number}")).collect();
        assert_eq!(self.consumer.keys(TOPIC), keys);
    }
}
