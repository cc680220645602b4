//! Arguments of the commands that send and receive messages.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;

use crate::config::units;

/// Messages of `--last` at most: they are all held in memory.
pub const LAST_MAX: u64 = 10_000;

/// `tandem produce`.
#[derive(Args, Debug)]
pub struct ProduceArgs {
    /// The topic
    pub topic: String,
    /// Send this text instead of the lines of standard input; may be repeated
    #[arg(long, value_name = "TEXT")]
    pub body: Vec<String>,
    /// Send this whole file as one message
    #[arg(long, value_name = "FILE", conflicts_with = "body")]
    pub file: Option<PathBuf>,
    /// Key of every message, to look it up by
    #[arg(long)]
    pub key: Option<String>,
    /// Take the key from this field of each line, which is a JSON object; dots lead into objects: customer.id
    #[arg(long, value_name = "FIELD", conflicts_with = "key")]
    pub key_field: Option<String>,
    /// Tag of every message, for consumers to filter by
    #[arg(long)]
    pub tag: Option<String>,
    /// Take the tag from this field
    #[arg(long, value_name = "FIELD", conflicts_with = "tag")]
    pub tag_field: Option<String>,
    /// Messages with the same value of this field go to the same queue, in order
    #[arg(long, value_name = "FIELD")]
    pub ordering_field: Option<String>,
    /// Property of every message; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub property: Vec<(String, String)>,
    /// Deliver later: 1 to 18 stand for 1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h
    #[arg(long, value_name = "LEVEL", value_parser = clap::value_parser!(u8).range(1..=18))]
    pub delay: Option<u8>,
    /// Messages under way at a time [default: 32, and 1 with --transaction]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub in_flight: Option<u16>,
    /// Pass over lines that cannot be sent, such as broken JSON, and say which; the exit code is still 1
    #[arg(long)]
    pub skip_bad: bool,
    /// Send transactional messages: what --decide-with says becomes of each
    #[arg(long, requires = "decide_with")]
    pub transaction: bool,
    /// Run by `sh -c` for each message once its half is stored, with the body on standard input
    #[arg(long, value_name = "CMD", requires = "transaction")]
    pub decide_with: Option<String>,
    /// How long to stay for check-backs of transactions that the command left open
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = units::parse_duration, requires = "transaction")]
    pub wait: Duration,
    /// Producer group, which is whom the broker asks about open transactions
    #[arg(long, default_value = "tandem-produce")]
    pub group: String,
}

/// `tandem consume`.
#[derive(Args, Debug)]
pub struct ConsumeArgs {
    /// The topic
    pub topic: String,
    /// Consumer group: its members share the messages, and it goes on where it ended
    #[arg(long)]
    pub group: String,
    /// Only messages with one of these tags, such as "paid || refused"
    #[arg(long, value_name = "TAGS", default_value = "*", hide_default_value = true)]
    pub tag: String,
    /// Where a group begins that consumes the topic for the first time: first, last, a moment such as
    /// 2026-01-31T12:00:00Z or milliseconds since 1970, or a time ago such as 10m
    #[arg(long, value_name = "WHERE", default_value = "first", value_parser = begin)]
    pub from: Begin,
    /// Run by `sh -c` for each message instead of printing it, with the body on standard input: exit code 0
    /// acknowledges, any other has the message delivered again later
    #[arg(long, value_name = "CMD")]
    pub exec: Option<String>,
    /// When to end.
    #[command(flatten)]
    pub until: UntilArgs,
}

/// `tandem tail`.
#[derive(Args, Debug)]
pub struct TailArgs {
    /// The topic
    pub topic: String,
    /// Where to begin: first, last, a moment such as 2026-01-31T12:00:00Z or milliseconds since 1970, or a time ago such
    /// as 10m
    #[arg(long, value_name = "WHERE", default_value = "last", value_parser = begin)]
    pub from: Begin,
    /// Begin with the last N messages of the topic
    #[arg(long, value_name = "N", conflicts_with = "from", value_parser = clap::value_parser!(u64).range(1..=LAST_MAX))]
    pub last: Option<u64>,
    /// Only messages with one of these tags, such as "paid || refused"
    #[arg(long, value_name = "TAGS", default_value = "*", hide_default_value = true)]
    pub tag: String,
    /// Only messages whose body has this text
    #[arg(long, value_name = "TEXT")]
    pub grep: Option<String>,
    /// When to end.
    #[command(flatten)]
    pub until: UntilArgs,
}

/// When to end; without any, when interrupted.
#[derive(Args, Debug)]
pub struct UntilArgs {
    /// End after so many messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// End after this time, such as 30s; with --count, exit code 1 says that fewer came
    #[arg(long = "for", value_name = "DURATION", value_parser = units::parse_duration)]
    pub time: Option<Duration>,
}

/// Where to begin in a topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Begin {
    /// With the oldest message.
    First,
    /// With the messages to come.
    Last,
    /// With those of this moment, in milliseconds since 1970.
    At(i64),
}

fn begin(text: &str) -> Result<Begin, String> {
    match text {
        "first" => return Ok(Begin::First),
        "last" => return Ok(Begin::Last),
        _ => {}
    }
    if let Ok(ms) = text.parse() {
        return Ok(Begin::At(ms));
    }
    if let Ok(ago) = units::parse_duration(text) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        return Ok(Begin::At(i64::try_from(now.saturating_sub(ago).as_millis()).unwrap_or(i64::MAX)));
    }
    moment(text)
        .map(Begin::At)
        .ok_or_else(|| "it is none of first, last, 10m, 1769860800000 and 2026-01-31T12:00:00Z".to_owned())
}

/// Milliseconds since 1970 of a date, `2026-01-31`, or of a moment, `2026-01-31T12:00:00.123Z`, as tables show it.
fn moment(text: &str) -> Option<i64> {
    let (date, clock) = match text.split_once('T') {
        Some((date, clock)) => (date, clock.strip_suffix('Z')?),
        None => (text, "00:00:00"),
    };
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<i64>().ok())?;
    let [year, month, day] = date.split('-').map(number).collect::<Option<Vec<_>>>()?.try_into().ok()?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let [hour, minute, second] = clock.split(':').map(number).collect::<Option<Vec<_>>>()?.try_into().ok()?;
    // Digits behind the third are cut off.
    let ms = number(format!("{fraction:0<3}").get(..3)?)?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let month_days = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let days_max = *month_days.get(usize::try_from(month.checked_sub(1)?).ok()?)?;
    if !(1970..=9999).contains(&year) || !(1..=days_max).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let leap_days = |year: i64| year / 4 - year / 100 + year / 400;
    let years_days = (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969);
    let days = years_days + month_days[..month as usize - 1].iter().sum::<i64>() + day - 1;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + ms)
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("it is not KEY=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use message::Timestamp;

    use super::*;

    #[test]
    fn a_moment_is_read_as_tables_show_it() {
        for ms in [0, 951_782_400_000, 951_868_799_999, 1_700_000_000_001, 4_102_444_799_999] {
            assert_eq!(begin(&Timestamp::from_millis(ms).to_string()), Ok(Begin::At(ms)));
        }
        assert_eq!(begin("2026-01-31"), begin("2026-01-31T00:00:00Z"));
        assert_eq!(begin("1769860800000"), begin("2026-01-31T12:00:00.0Z"));
        for wrong in
            ["", "now", "2026-02-29", "2026-13-01", "2026-01-31T12:00:00", "2026-01-31T12:00:00.99éZ", "-", "T"]
        {
            assert!(begin(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_time_ago_lies_before_now() {
        let (Ok(Begin::At(ago)), Ok(Begin::At(now))) = (begin("1h"), begin("0s")) else { panic!("not read") };
        assert!((3_599_000..3_700_000).contains(&(now - ago)), "{ago} {now}");
    }
}
