//! `tandem message`.

use serde_json::{Value as Json, json};

use super::admin::Admin;
use super::args::MessageCommand;
use super::exit::Exit;
use super::json;
use super::model::MessageDetail;
use super::run::{Failure, Screen};
use super::table::{clean, number_of, time, write_fields};

/// Bytes of a body that are shown to people.
const BODY_SHOWN: usize = 2048;

/// Carries out `tandem message`.
pub fn run(command: MessageCommand, admin: &mut dyn Admin, screen: &mut Screen<'_>) -> Result<Exit, Failure> {
    let MessageCommand::Show { id, topic, body } = command;
    let message = admin.message(&id, topic.as_deref())?;
    if body {
        screen.out.write_all(&message.body)?;
    } else if screen.json {
        json::write(screen.out, &json_of(&message))?;
    } else {
        show(&message, screen)?;
    }
    Ok(Exit::Ok)
}

/// The body as text if it is some, and as hexadecimal digits otherwise: JSON has no bytes.
fn json_of(message: &MessageDetail) -> Json {
    let (body_text, body_hex) = match std::str::from_utf8(&message.body) {
        Ok(text) => (Some(text), None),
        Err(_) => (None, Some(hex(&message.body))),
    };
    json!({
        "id": message.id,
        "offset_id": message.offset_id,
        "topic": message.topic,
        "queue": message.queue,
        "offset": message.offset,
        "log_offset": message.log_offset,
        "tag": message.tag,
        "keys": message.keys,
        "properties": message.properties,
        "flag": message.flag,
        "sys_flag": message.sys_flag,
        "born_at_ms": message.born_at_ms,
        "born_host": message.born_host,
        "stored_at_ms": message.stored_at_ms,
        "retries": message.retries,
        "transaction": message.transaction,
        "body_size": message.body.len(),
        "body_text": body_text,
        "body_hex": body_hex,
    })
}

fn show(message: &MessageDetail, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let title = if message.id.is_empty() { &message.offset_id } else { &message.id };
    writeln!(screen.out, "message {}", clean(title))?;
    write_fields(
        screen.out,
        &[
            ("offset id", message.offset_id.clone()),
            ("topic", message.topic.clone()),
            (
                "queue",
                match message.offset {
                    Some(offset) => format!("{}, offset {offset}", message.queue),
                    None => format!("{}, not visible: its transaction is undecided", message.queue),
                },
            ),
            ("log offset", message.log_offset.to_string()),
            ("tag", message.tag.clone()),
            ("keys", message.keys.clone()),
            ("born", format!("{} at {} (the producer's clock)", time(message.born_at_ms), message.born_host)),
            (if message.offset.is_some() { "visible" } else { "stored" }, time(message.stored_at_ms)),
            ("retries", if message.retries > 0 { message.retries.to_string() } else { String::new() }),
            ("transaction", message.transaction.clone().unwrap_or_default()),
            ("flags", format!("{} (producer's), {:#x} (protocol's)", message.flag, message.sys_flag)),
        ],
    )?;
    writeln!(screen.out, "properties")?;
    let properties: Vec<(&str, String)> =
        message.properties.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    write_fields(screen.out, &properties)?;
    writeln!(screen.out, "body, {}", number_of(message.body.len() as u64, "byte"))?;
    for line in body_lines(&message.body) {
        writeln!(screen.out, "  {line}")?;
    }
    if message.body.len() > BODY_SHOWN {
        writeln!(screen.out, "  ... the first {BODY_SHOWN} bytes are shown; all of them: --body")?;
    }
    Ok(())
}

fn body_lines(body: &[u8]) -> Vec<String> {
    let shown = &body[..body.len().min(BODY_SHOWN)];
    let text = match std::str::from_utf8(shown) {
        Ok(text) => Some(text),
        // Cut in the middle of a character.
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&shown[..error.valid_up_to()]).ok(),
        Err(_) => None,
    };
    match text {
        Some(text) => text.lines().map(clean).collect(),
        None => shown.chunks(32).map(hex).collect(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
