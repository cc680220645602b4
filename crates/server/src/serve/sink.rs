use broker::io::{Answer, Push, Reply, SessionId};
use engine::{Behind, Sink};
use message::Timestamp;
use message::entry::TopicConfig;
use nameserver::NameServer;
use remoting::{Door, Env, Facts, Sockets};

/// Hands the engine's answers to the door they came by, and what it says about topics to the name server.
pub struct Doors<'a> {
    pub sockets: &'a mut Sockets,
    pub door: &'a mut Door,
    pub names: &'a mut NameServer,
    pub facts: &'a Facts,
    pub now: Timestamp,
}

impl Doors<'_> {
    /// Brings frames that the door wrote for other connections than the one it was serving to them.
    pub fn deliver_mail(&mut self) {
        for (session, frame) in self.door.take_mail() {
            if let Some(to) = self.sockets.out(session) {
                to.extend_from_slice(&frame);
            }
        }
    }
}

impl Sink for Doors<'_> {
    fn answer(&mut self, behind: Behind<'_>, reply: Reply, answer: Answer) {
        let Behind { broker, out, now } = behind;
        let mut env = Env { broker, names: self.names, out, facts: self.facts, now };
        match self.sockets.out(reply.session) {
            Some(to) => self.door.answer(&mut env, reply, answer, to),
            // The connection is gone; the door still learns that nothing more comes.
            None => self.door.answer(&mut env, reply, answer, &mut Vec::new()),
        }
        self.deliver_mail();
    }

    fn push(&mut self, session: SessionId, push: Push) -> bool {
        if !self.sockets.takes_more(session) {
            return false;
        }
        match self.sockets.out(session) {
            Some(to) => {
                self.door.push(session, &push, to);
                true
            }
            None => false,
        }
    }

    fn takes_more(&self, session: SessionId) -> bool {
        self.sockets.has_turn(session)
    }

    fn pause(&mut self, session: SessionId, paused: bool) {
        self.sockets.pause(session, paused);
    }

    fn topic_changed(&mut self, topic: TopicConfig) {
        self.names.put_own(topic, self.now);
    }

    fn topic_gone(&mut self, topic: &str) {
        self.names.remove_own(topic, self.now);
    }

    fn key_value_changed(&mut self, namespace: &str, key: &str, value: Option<&str>) {
        self.names.put_key_value(namespace, key, value);
    }

    fn warn(&mut self, text: String) {
        tracing::warn!("{text}");
    }
}
