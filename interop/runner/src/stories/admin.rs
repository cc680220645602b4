//! mqadmin, as operators know it. Each command must end with 0 and without a stack trace.

use std::thread;

use super::{ClientVersion, STEP, STORY, Story};
use crate::event::Event;
use crate::failure::{Failure, Outcome, ensure};
use crate::scene::Scene;

pub const STORIES: &[Story] = &[
    Story {
        name: "mqadmin-topics",
        about: "clusterList, updateTopic, topicList, topicRoute, topicStatus, statsAll, deleteTopic",
        clients: &[ClientVersion::Mqadmin],
        anywhere: true,
        seconds: 30,
        play: topics,
        ..STORY
    },
    Story {
        name: "mqadmin-groups",
        about: "updateSubGroup, producerConnection, consumerConnection, consumerProgress, resetOffsetByTime",
        clients: &[ClientVersion::Mqadmin],
        anywhere: true,
        seconds: 25,
        play: groups,
        ..STORY
    },
    Story {
        name: "mqadmin-messages",
        about: "queryMsgById, queryMsgByKey, queryMsgByUniqueKey, printMsg, also of undecided halves",
        clients: &[ClientVersion::Mqadmin],
        anywhere: true,
        seconds: 20,
        play: messages,
        ..STORY
    },
];

/// Runs a command whose output must hold these words.
fn says(scene: &Scene<'_>, arguments: &[&str], words: &[&str]) -> Outcome<String> {
    let printed = scene.mqadmin(arguments)?;
    for word in words {
        ensure!(printed.contains(word), "mqadmin {} does not say {word:?}:\n{printed}", arguments.join(" "));
    }
    Ok(printed)
}

/// Runs commands at the same time: each spends seconds on its own shutdown.
fn all_say(scene: &Scene<'_>, commands: &[(&[&str], &[&str])]) -> Outcome<Vec<String>> {
    thread::scope(|scope| {
        let running: Vec<_> =
            commands.iter().map(|(arguments, words)| scope.spawn(move || says(scene, arguments, words))).collect();
        running.into_iter().map(|command| command.join().expect("saying does not panic")).collect()
    })
}

/// The first cluster's name; the words of clusterList stand in columns under a line of headings that begins with `#`.
fn cluster(scene: &Scene<'_>) -> Outcome<String> {
    let printed = says(scene, &["clusterList"], &["#Cluster Name"])?;
    let row = printed.lines().skip_while(|line| !line.starts_with("#Cluster Name")).nth(1);
    let name = row.and_then(|row| row.split_whitespace().next());
    name.map(str::to_owned).ok_or_else(|| Failure::new(format!("clusterList names no cluster:\n{printed}")))
}

fn send(scene: &Scene<'_>, count: u32) -> Outcome<Vec<Event>> {
    let sender = scene.java("send").env("COUNT", count).env("WAYS", "sync").succeed(STEP)?;
    Ok(sender.events("sent"))
}

/// Rows of a table whose words at these two places are numbers; the second numbers, added up.
fn sum(table: &str, first: &str, key: usize, value: usize) -> (usize, i64) {
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let rows = rows.filter(|words| words.len() > key.max(value) && words[0].starts_with(first));
    let numbers = rows.filter_map(|words| Some((words[key].parse::<i64>().ok()?, words[value].parse::<i64>().ok()?)));
    numbers.fold((0, 0), |(rows, sum), (_, value)| (rows + 1, sum + value))
}

fn topics(scene: &mut Scene<'_>) -> Outcome {
    let cluster = cluster(scene)?;
    let topic = &scene.topic();
    all_say(
        scene,
        &[
            (&["clusterList", "-m"], &[&cluster]),
            (&["updateTopic", "-c", &cluster, "-t", topic, "-r", "3", "-w", "3"], &["success", topic]),
        ],
    )?;
    send(scene, 6)?;
    let said = all_say(
        scene,
        &[
            (&["topicStatus", "-t", topic], &["#Broker Name"]),
            (&["topicList"], &[topic]),
            (&["topicRoute", "-t", topic], &["\"readQueueNums\":3"]),
            (&["statsAll", "-t", topic], &["#Topic", topic]),
        ],
    )?;
    // Broker, queue, smallest offset, next offset.
    let (queues, messages) = sum(&said[0], "", 1, 3);
    ensure!((queues, messages) == (3, 6), "topicStatus shows not 6 messages in 3 queues:\n{}", said[0]);
    says(scene, &["deleteTopic", "-c", &cluster, "-t", topic], &["success"])?;
    let left = scene.mqadmin(&["topicList"])?;
    ensure!(!left.lines().any(|line| line.trim() == topic), "the deleted topic is still listed:\n{left}");
    Ok(())
}

fn groups(scene: &mut Scene<'_>) -> Outcome {
    let (topic, group) = (&scene.topic(), &scene.group());
    says(scene, &["updateSubGroup", "-b", &scene.broker_address()?, "-g", group, "-r", "5"], &["success"])?;
    let mut producer = scene.java("tx-send").env("COUNT", 8).env("HOLD", 1).start()?;
    producer.wait_paused("holding", STEP)?;
    let mut consumer = scene.java("push").env("UNTIL_TOLD", 1).start()?;
    consumer.wait_for("received", 8, STEP)?;

    let producers = scene.producer_group();
    all_say(
        scene,
        &[
            (&["producerConnection", "-g", &producers, "-t", topic], &["127.0.0.1:", "JAVA"]),
            (&["consumerConnection", "-g", group], &["127.0.0.1:", "JAVA", topic, "CLUSTERING"]),
        ],
    )?;
    producer.go_on()?;
    producer.succeed(STEP)?;
    consumer.go_on()?;
    consumer.succeed(STEP)?;

    let said = all_say(
        scene,
        &[
            (&["consumerProgress", "-g", group], &[topic, "Consume Diff Total: 0"]),
            (&["consumerProgress"], &["#Group", group]),
        ],
    )?;
    // Topic, broker, queue, the broker's offset.
    let (_, messages) = sum(&said[0], topic, 2, 3);
    ensure!(messages == 8, "consumerProgress counts {messages} messages instead of 8:\n{}", said[0]);
    says(scene, &["resetOffsetByTime", "-g", group, "-t", topic, "-s", "0"], &[topic])?;
    says(scene, &["consumerProgress", "-g", group], &["Consume Diff Total: 8"])?;
    let again = scene.java("push").env("COUNT", 8).succeed(STEP)?;
    super::ensure_each_once(&again.events("received"), &(0..8).collect())
}

fn messages(scene: &mut Scene<'_>) -> Outcome {
    let topic = &scene.topic();
    let half = scene.java("tx-send").env("COUNT", 1).env("OUTCOMES", "unknown").env("AWAIT_CHECKS", 0).succeed(STEP)?;
    let half = &half.events("half-sent")[0];
    let sent = send(scene, 3)?;
    let (id, offset_id) = (sent[0].text("message_id"), sent[0].text("offset_id"));
    let bodies = scene.path("db").display().to_string();
    let key = &format!("{}-0", scene.run());
    let ids: Vec<&str> = sent.iter().map(|sent| sent.text("message_id")).collect();
    let halves = "RMQ_SYS_TRANS_HALF_TOPIC";
    all_say(
        scene,
        &[
            (&["queryMsgById", "-t", topic, "-i", offset_id, "-d", &bodies], &[offset_id, id, topic]),
            (&["queryMsgByUniqueKey", "-t", topic, "-i", id, "-d", &bodies], &[id, topic]),
            (&["queryMsgByKey", "-t", topic, "-k", key], &[id]),
            (&["printMsg", "-t", topic], &ids),
            (&["printMsg", "-t", halves], &[half.text("message_id")]),
        ],
    )
    .map(drop)
}
