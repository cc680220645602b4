//! `tandem groups`.

use serde_json::json;

use super::admin::Admin;
use super::args::{GroupsArgs, GroupsCommand};
use super::exit::Exit;
use super::json;
use super::model::{GroupDetail, GroupRow};
use super::run::{Failure, Screen};
use super::table::{Cell, Table, Tone, clean, number_of, write_fields};

/// Carries out `tandem groups`.
pub fn run(args: GroupsArgs, admin: &mut dyn Admin, screen: &mut Screen<'_>) -> Result<Exit, Failure> {
    match args.command.unwrap_or(GroupsCommand::List) {
        GroupsCommand::List => list(&admin.groups()?, screen)?,
        GroupsCommand::Show { name } => show(&admin.group(&name)?, screen)?,
        GroupsCommand::Delete { name } => {
            admin.delete_group(&name)?;
            if screen.json {
                json::write(screen.out, &json!({ "deleted": name }))?;
            } else {
                writeln!(screen.out, "deleted group {name} and its offsets")?;
            }
        }
    }
    Ok(Exit::Ok)
}

fn list(rows: &[GroupRow], screen: &mut Screen<'_>) -> Result<(), Failure> {
    if screen.json {
        return Ok(json::write(screen.out, &json!({ "groups": rows.iter().map(json::of).collect::<Vec<_>>() }))?);
    }
    if rows.is_empty() {
        writeln!(screen.out, "no consumer groups yet; the first consumer of one creates it")?;
        return Ok(());
    }
    let mut table = Table::new(&["GROUP", "#MEMBERS", "#TOPICS", "#LAG", "#DEAD LETTERS"]);
    for group in rows {
        // Messages are waiting and nobody is there to take them.
        let alone = group.members == 0 && group.lag > 0;
        table.row(vec![
            (&group.name).into(),
            Cell::toned(group.members.to_string(), if alone { Tone::Bad } else { Tone::Plain }),
            group.topics.into(),
            Cell::toned(group.lag.to_string(), if alone { Tone::Bad } else { Tone::Plain }),
            Cell::toned(group.dead_letters.to_string(), if group.dead_letters > 0 { Tone::Warn } else { Tone::Plain }),
        ]);
    }
    table.write(screen.out, 0, screen.colours)?;
    Ok(())
}

fn show(group: &GroupDetail, screen: &mut Screen<'_>) -> Result<(), Failure> {
    if screen.json {
        return Ok(json::write(screen.out, &json::of(group))?);
    }
    let row = &group.row;
    writeln!(screen.out, "group {}", clean(&row.name))?;
    write_fields(
        screen.out,
        &[
            ("lag", number_of(row.lag, "message")),
            ("dead letters", row.dead_letters.to_string()),
            ("retries", format!("{} before a message becomes a dead letter", group.retry_max)),
        ],
    )?;
    writeln!(screen.out)?;
    if group.online.is_empty() {
        writeln!(screen.out, "  no member is online")?;
    } else {
        let mut table = Table::new(&["MEMBER", "ADDRESS", "LANGUAGE", "VERSION"]);
        for member in &group.online {
            table.row(vec![
                (&member.client).into(),
                (&member.address).into(),
                (&member.language).into(),
                (&member.version).into(),
            ]);
        }
        table.write(screen.out, 2, screen.colours)?;
    }
    writeln!(screen.out)?;
    if group.offsets.is_empty() {
        writeln!(screen.out, "  it has consumed nothing yet")?;
        return Ok(());
    }
    let mut table = Table::new(&["TOPIC", "#QUEUE", "#OFFSET", "#NEXT", "#LAG"]);
    for offset in &group.offsets {
        table.row(vec![
            (&offset.topic).into(),
            offset.queue.into(),
            offset.offset.into(),
            offset.next_offset.into(),
            offset.lag.into(),
        ]);
    }
    table.write(screen.out, 2, screen.colours)?;
    Ok(())
}
