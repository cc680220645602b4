//! What clients and tools said to Apache RocketMQ 5.5.0 is said to our door, and the answers are compared: codes, names
//! of header fields, members of bodies.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use broker::io::SessionId;
use message::record::Record;
use protocol::identifiers::OffsetMsgId;
use protocol::request::route::TopicRouteData;
use remoting::client::Received;

use crate::fixtures::{Line, conversation, names};
use crate::house::{House, Request};
use crate::shape::differences;

/// Requests whose result depends on what was stored before the recording began.
const DEPENDS_ON_STORED: [i32; 6] = [11, 12, 14, 33, 315, 361];

/// Where we answer otherwise, and mean it.
fn is_meant(code: i32, difference: &str) -> bool {
    match code {
        // Half heartbeats are not offered, so no client sends them.
        34 => difference.contains("IS_SU"),
        // SQL92 filters are refused at the check, before anybody relies on them.
        46 => difference == "code 1 rather than 0",
        // A broker that keeps its retry delays to itself.
        201 => difference.contains("groupRetryPolicy"),
        // Settings are changed in the file.
        25 => difference == "code 1 rather than 0",
        // A topic may be there a moment sooner than in RocketMQ: nothing is put off.
        105 => difference == "code 0 rather than 17",
        // What a half is stored with only in RocketMQ. Clients make the one of the unique id, and do not read the other.
        39 => difference == "property __transactionId__ is missing" || difference == "property WAIT is missing",
        _ => false,
    }
}

struct Play {
    house: House,
    scenario: &'static str,
    sessions: BTreeMap<u32, SessionId>,
    /// Halves by their unique id: what we said their offsets are.
    halves: HashMap<String, (String, String)>,
    answered: BTreeMap<(u32, i32), Received>,
    pushed: Vec<(u32, Received)>,
    failures: Vec<String>,
    compared: BTreeSet<i32>,
}

impl Play {
    fn new(scenario: &'static str, lines: &[Line]) -> Self {
        let mut house = House::new();
        for (topic, route) in routes_at_first(lines) {
            match topic.strip_prefix("%RETRY%") {
                Some(group) => house.group(group),
                None if house.names.route(&topic).is_none() => {
                    house.topic(&topic, route.queues[0].read_queue_nums as u32);
                }
                None => {}
            }
            fill(&mut house, &topic);
        }
        for line in lines.iter().filter(|line| line.request == 351 && line.to_broker) {
            let topic = line.frame.field("topic").expect("a recorded request");
            if house.names.route(topic).is_none() {
                house.topic(topic, 4);
            }
        }
        let mut play = Play {
            house,
            scenario,
            sessions: BTreeMap::new(),
            halves: HashMap::new(),
            answered: BTreeMap::new(),
            pushed: Vec::new(),
            failures: Vec::new(),
            compared: BTreeSet::new(),
        };
        if scenario == "mqadmin-5.5.0-groups" {
            play.bring_live_clients(lines);
        }
        play
    }

    /// The clients that were running while the tools were recorded.
    fn bring_live_clients(&mut self, lines: &[Line]) {
        let asked = lines.iter().find(|line| line.request == 307 && line.to_broker).expect("a recorded 307");
        let id = asked.frame.field("clientId").unwrap();
        self.house.client(id, None, Some(("live550", &["c550", "%RETRY%live550"])));
        self.house.client("live", Some("live_producer"), None);
    }

    fn run(&mut self, lines: &[Line]) {
        for line in lines {
            match (line.to_broker, line.is_answer) {
                (true, false) => self.request(line),
                (true, true) => {}
                (false, true) => self.compare_answer(line),
                (false, false) => self.compare_push(line),
            }
        }
    }

    fn session(&mut self, connection: u32) -> SessionId {
        let house = &mut self.house;
        *self.sessions.entry(connection).or_insert_with(|| house.open())
    }

    fn request(&mut self, line: &Line) {
        let session = self.session(line.connection);
        let bytes = self.translated(line);
        self.house.send(session, &bytes).expect("a recorded header");
        self.collect();
    }

    fn collect(&mut self) {
        for (connection, session) in &self.sessions {
            for (is_answer, frame) in self.house.take(*session) {
                if !is_answer {
                    self.pushed.push((*connection, frame));
                    continue;
                }
                if let (Some(key), Some(msg_id)) = (frame.field("transactionId"), frame.field("msgId"))
                    && let Ok(id) = OffsetMsgId::decode(msg_id)
                {
                    let place = (id.commit_log_offset.to_string(), frame.field("queueOffset").unwrap().to_owned());
                    self.halves.insert(key.to_owned(), place);
                }
                self.answered.insert((*connection, frame.opaque), frame);
            }
        }
    }

    /// The frame as it was sent, but for offsets that our broker gave other values.
    fn translated(&self, line: &Line) -> Vec<u8> {
        let mut fields = line.frame.fields.clone();
        let set = |fields: &mut Vec<(String, String)>, name: &str, value: &str| {
            for (key, old) in fields.iter_mut() {
                if key == name {
                    value.clone_into(old);
                }
            }
        };
        match line.request {
            37 => {
                let (offset, sequence) = &self.halves[line.frame.field("msgId").unwrap()];
                set(&mut fields, "commitLogOffset", offset);
                set(&mut fields, "tranStateTableOffset", sequence);
            }
            36 | 33 => {
                let topic = line.frame.field("originTopic").or(line.frame.field("topic")).unwrap();
                let visible = self.house.store.visible(topic);
                let record = Record::parse(visible.first().expect("a message")).unwrap();
                set(&mut fields, "offset", &record.physical_offset().to_string());
            }
            _ => return line.bytes.clone(),
        }
        let request = Request {
            code: line.request,
            flag: if line.frame.oneway { 2 } else { 0 },
            opaque: line.frame.opaque,
            version: line.version,
            language: &line.language,
            fields,
            body: line.frame.body.clone(),
        };
        request.frame()
    }

    fn compare_answer(&mut self, line: &Line) {
        let key = (line.connection, line.frame.opaque);
        if !self.answered.contains_key(&key) {
            // A long poll, or something a client is to answer.
            self.answer_relays(line);
            if matches!(line.request, 11 | 361) {
                self.house.run_ms(20_000);
            }
            self.collect();
        }
        let Some(ours) = self.answered.remove(&key) else {
            return self.failures.push(format!("{}: {} is not answered", self.scenario, line.request));
        };
        self.compared.insert(line.request);
        let mut found = Vec::new();
        if ours.code != line.frame.code {
            if !DEPENDS_ON_STORED.contains(&line.request) {
                found.push(format!("code {} rather than {}", ours.code, line.frame.code));
            }
        } else {
            found.extend(field_differences(&line.frame, &ours));
            if line.is_whole {
                found.extend(differences(&line.frame.body, &ours.body));
            }
        }
        self.judge(line, found, &ours);
    }

    fn judge(&mut self, line: &Line, found: Vec<String>, ours: &Received) {
        let code = line.request;
        for difference in found.into_iter().filter(|difference| !is_meant(code, difference)) {
            let remark = ours.remark.as_deref().unwrap_or_default();
            self.failures.push(format!("{}: answer to {code}: {difference} {remark}", self.scenario));
        }
    }

    /// Lets the client that a tool asks something answer what it answered when it was recorded.
    fn answer_relays(&mut self, line: &Line) {
        for session in (1..100).map(SessionId) {
            for push in self.house.pushes(session) {
                if push.code == line.request {
                    self.house.respond(session, &push, 0, "", b"{}");
                }
            }
        }
    }

    fn compare_push(&mut self, line: &Line) {
        // There is one check about each half; the other pushes are alike.
        let is_same = |(connection, push): &(u32, Received)| {
            *connection == line.connection
                && push.code == line.request
                && push.field("msgId") == line.frame.field("msgId")
        };
        for _ in 0..30 {
            if self.pushed.iter().any(is_same) {
                break;
            }
            self.house.run_ms(1000);
            self.collect();
        }
        let Some(at) = self.pushed.iter().position(is_same) else {
            return self.failures.push(format!("{}: {} is not pushed", self.scenario, line.request));
        };
        let (_, ours) = self.pushed.remove(at);
        self.compared.insert(line.request);
        let mut found = field_differences(&line.frame, &ours);
        if ours.oneway != line.frame.oneway {
            found.push(format!("oneway is {}", ours.oneway));
        }
        match line.request {
            39 => compare_checks(&line.frame, &ours, &mut found),
            _ => found.extend(differences(&line.frame.body, &ours.body)),
        }
        self.judge(line, found, &ours);
    }
}

/// Topics that had a route before the conversation began.
fn routes_at_first(lines: &[Line]) -> BTreeMap<String, TopicRouteData> {
    let mut first: BTreeMap<String, Option<TopicRouteData>> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.request == 105 && line.is_answer) {
        let asked = |asked: &&Line| {
            asked.to_broker && asked.connection == line.connection && asked.frame.opaque == line.frame.opaque
        };
        let topic = lines.iter().find(asked).and_then(|asked| asked.frame.field("topic")).expect("a recorded request");
        let route = (line.frame.code == 0).then(|| TopicRouteData::decode(&line.frame.body).expect("a recorded route"));
        first.entry(topic.to_owned()).or_insert(route);
    }
    // Tools made the topic a moment before they asked for its route; what they made is in the name.
    first.remove("made_by_mqadmin");
    first.into_iter().filter_map(|(topic, route)| Some((topic, route?))).collect()
}

/// Some messages in each queue.
fn fill(house: &mut House, topic: &str) {
    let session = house.open();
    for queue in ["0", "1"] {
        for _ in 0..3 {
            house.message(session, topic, queue, "TAGS\u{1}probe\u{2}", b"filling");
        }
    }
    house.close(session);
}

fn field_differences(recorded: &Received, ours: &Received) -> Vec<String> {
    let names = |frame: &Received| -> BTreeSet<String> { frame.fields.iter().map(|(name, _)| name.clone()).collect() };
    let (recorded, ours) = (names(recorded), names(ours));
    let missing = recorded.difference(&ours).map(|name| format!("header field {name} is missing"));
    let new = ours.difference(&recorded).map(|name| format!("header field {name} is new"));
    missing.chain(new).collect()
}

/// The question about a half: the same words in the same order, and a record with what producers look for in it.
fn compare_checks(recorded: &Received, ours: &Received, found: &mut Vec<String>) {
    let names = |frame: &Received| frame.fields.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    if names(recorded) != names(ours) {
        found.push(format!("header fields are {:?}", names(ours)));
    }
    for name in ["bname", "topic", "msgId", "transactionId"] {
        if recorded.field(name) != ours.field(name) {
            found.push(format!("{name} is {:?}", ours.field(name)));
        }
    }
    let id = OffsetMsgId::decode(ours.field("offsetMsgId").unwrap()).unwrap();
    assert_eq!(Some(id.commit_log_offset.to_string().as_str()), ours.field("commitLogOffset"));
    let (a, b) = (Record::parse(&recorded.body).unwrap(), Record::parse(&ours.body).unwrap());
    assert_eq!((a.topic(), a.queue_id(), a.body(), a.flag()), (b.topic(), b.queue_id(), b.body(), b.flag()));
    assert_eq!((a.born_timestamp(), a.sys_flag()), (b.born_timestamp(), b.sys_flag()));
    for (key, _) in message::properties::iter(a.properties()) {
        if b.property(key).is_none() {
            found.push(format!("property {key} is missing"));
        }
    }
}

#[test]
fn recorded_conversations_go_on_as_they_were_recorded() {
    let (mut failures, mut compared) = (Vec::new(), BTreeSet::new());
    for scenario in names() {
        let lines = conversation(scenario);
        let mut play = Play::new(scenario, &lines);
        play.run(&lines);
        failures.append(&mut play.failures);
        compared.append(&mut play.compared);
    }
    assert!(failures.is_empty(), "{} differences:\n{}", failures.len(), failures.join("\n"));
    assert!(compared.len() > 40, "requests compared: {compared:?}");
}

#[test]
fn recorded_transactions_are_visible_or_not_as_they_were_decided() {
    for (scenario, topic, visible) in [
        ("java-4.9.8-tx-commit", "tx_c498", true),
        ("java-5.5.0-tx-commit", "tx_c550", true),
        ("java-4.9.8-tx-rollback", "tx_c498", false),
        ("java-5.5.0-tx-check", "tx_c550", true),
        ("go-2.1.2-tx-check", "t_gor", true),
    ] {
        let lines = conversation(scenario);
        let sent = lines.iter().filter(|line| line.to_broker && matches!(line.request, 10 | 310)).count();
        let mut play = Play::new(scenario, &lines);
        let before = play.house.store.visible(topic).len();
        play.run(&lines);
        let after = play.house.store.visible(topic);
        assert_eq!(after.len() - before, if visible { sent } else { 0 }, "{scenario}");
        for bytes in &after[before..] {
            let record = Record::parse(bytes).unwrap();
            assert_eq!(record.sys_flag() & message::sys_flag::TRANSACTION_TYPE, message::sys_flag::TRANSACTION_COMMIT);
            assert!(record.prepared_transaction_offset().get() > 0);
        }
        assert_eq!(play.house.broker.state().ledger.len(), 0, "{scenario}: everything is decided");
    }
}
