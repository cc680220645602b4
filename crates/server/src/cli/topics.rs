//! `tandem topics`.

use serde_json::json;

use super::admin::Admin;
use super::args::{TopicsArgs, TopicsCommand, TopicsList};
use super::exit::Exit;
use super::json;
use super::model::{TopicDetail, TopicKind, TopicRow};
use super::run::{Failure, Screen};
use super::table::{Cell, Table, Tone, number_of, time, write_fields};

/// Carries out `tandem topics`.
pub fn run(args: TopicsArgs, admin: &mut dyn Admin, screen: &mut Screen<'_>) -> Result<Exit, Failure> {
    match args.command.unwrap_or(TopicsCommand::List(TopicsList::default())) {
        TopicsCommand::List(how) => list(&how, admin, screen)?,
        TopicsCommand::Show { name } => show(&admin.topic(&name)?, screen)?,
        TopicsCommand::Create { name, queues } => {
            admin.create_topic(&name, queues)?;
            if screen.json {
                json::write(screen.out, &json!({ "created": name, "queues": queues }))?;
            } else {
                writeln!(screen.out, "created topic {name} with {}", number_of(queues.into(), "queue"))?;
            }
        }
        TopicsCommand::Delete { name, force } => {
            let deleted = admin.delete_topic(&name, force)?;
            if screen.json {
                json::write(screen.out, &json!({ "deleted": name, "set_aside": deleted.set_aside }))?;
            } else {
                writeln!(screen.out, "deleted topic {name}")?;
                if deleted.set_aside > 0 {
                    let set_aside = number_of(deleted.set_aside, "undecided transaction");
                    let how = "`tandem transactions list --state set-aside` lists them";
                    writeln!(screen.out, "{set_aside} set aside; {how}")?;
                }
            }
        }
    }
    Ok(Exit::Ok)
}

fn list(how: &TopicsList, admin: &mut dyn Admin, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let all = admin.topics()?;
    let total = all.len();
    let rows: Vec<TopicRow> = all.into_iter().filter(|topic| how.all || topic.kind == TopicKind::Ordinary).collect();
    let hidden = total - rows.len();
    if screen.json {
        return Ok(json::write(screen.out, &json!({ "topics": rows.iter().map(json::of).collect::<Vec<_>>() }))?);
    }
    if rows.is_empty() {
        writeln!(screen.out, "no topics yet; the first message creates one, or `tandem topics create NAME`")?;
    } else {
        table_of(&rows).write(screen.out, 0, screen.colours)?;
    }
    if hidden > 0 {
        writeln!(screen.out, "{hidden} retry, dead letter and system topics are not shown (list --all)")?;
    }
    Ok(())
}

fn table_of(rows: &[TopicRow]) -> Table {
    let mut table = Table::new(&["TOPIC", "KIND", "#QUEUES", "#MESSAGES", "#OPEN", "LAST MESSAGE", ""]);
    for topic in rows {
        let open_tone = if topic.open_transactions > 0 { Tone::Warn } else { Tone::Plain };
        table.row(vec![
            (&topic.name).into(),
            Cell::toned(kind_word(topic.kind), Tone::Dim),
            queues(topic).into(),
            topic.messages.into(),
            Cell::toned(topic.open_transactions.to_string(), open_tone),
            topic.last_message_at_ms.map_or("never".to_owned(), time).into(),
            Cell::toned(access(topic), Tone::Warn),
        ]);
    }
    table
}

fn show(topic: &TopicDetail, screen: &mut Screen<'_>) -> Result<(), Failure> {
    if screen.json {
        return Ok(json::write(screen.out, &json::of(topic))?);
    }
    let row = &topic.row;
    let attributes: Vec<_> = topic.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
    writeln!(screen.out, "topic {}", super::table::clean(&row.name))?;
    write_fields(
        screen.out,
        &[
            ("kind", kind_word(row.kind).to_owned()),
            ("access", access(row).to_owned()),
            ("queues", queues(row)),
            ("messages", row.messages.to_string()),
            ("open", number_of(row.open_transactions, "transaction")),
            ("attributes", attributes.join(", ")),
        ],
    )?;
    let mut table = Table::new(&["#QUEUE", "#FIRST", "#NEXT", "#MESSAGES", "LAST MESSAGE"]);
    for queue in &topic.queues {
        table.row(vec![
            queue.queue.into(),
            queue.first_offset.into(),
            queue.next_offset.into(),
            queue.next_offset.saturating_sub(queue.first_offset).into(),
            queue.last_message_at_ms.map_or("never".to_owned(), time).into(),
        ]);
    }
    writeln!(screen.out)?;
    table.write(screen.out, 2, screen.colours)?;
    writeln!(screen.out)?;
    if topic.groups.is_empty() {
        writeln!(screen.out, "  no group has consumed it yet")?;
        return Ok(());
    }
    let mut table = Table::new(&["GROUP", "#MEMBERS", "#LAG"]);
    for group in &topic.groups {
        table.row(vec![(&group.group).into(), group.members.into(), group.lag.into()]);
    }
    table.write(screen.out, 2, screen.colours)?;
    Ok(())
}

fn kind_word(kind: TopicKind) -> &'static str {
    match kind {
        TopicKind::Ordinary => "ordinary",
        TopicKind::Retry => "retry",
        TopicKind::DeadLetter => "dead-letter",
        TopicKind::System => "system",
    }
}

fn queues(topic: &TopicRow) -> String {
    if topic.read_queues == topic.write_queues {
        return topic.read_queues.to_string();
    }
    format!("{} read, {} written", topic.read_queues, topic.write_queues)
}

/// Empty for the usual case.
fn access(topic: &TopicRow) -> &'static str {
    match (topic.readable, topic.writable) {
        (true, true) => "",
        (true, false) => "read only",
        (false, true) => "write only",
        (false, false) => "closed",
    }
}
