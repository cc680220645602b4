//! The broker as a process: its statistics (28) and its settings (25, 26, 318, 319).

use message::Timestamp;
use protocol::DataVersion;
use protocol::codes::ResponseCode;
use protocol::encode::VERSION;
use protocol::request::config::{ConfigAnswer, write_settings};
use protocol::request::kv::KvTable;

use crate::caller::{Call, Fault};
use crate::desk::Desk;
use crate::door::Env;
use crate::rates::Rate;

/// Milliseconds over which `putTps` and its like are told.
const TPS_WINDOWS_MS: [i64; 3] = [10_000, 60_000, 600_000];

/// 25 and 318.
pub(crate) fn put_settings(_: &mut Desk, _: &mut Env<'_>, _: &Call<'_>, _: &mut Vec<u8>) -> Result<(), Fault> {
    let text = "settings are read when the broker starts; change them in its configuration file and start it again";
    Err(Fault::Code(ResponseCode::SYSTEM_ERROR, text.to_owned()))
}

/// 26 and 319.
pub(crate) fn settings(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let mut version = Vec::new();
    DataVersion { counter: 0, state_version: 0, timestamp: env.facts.started.millis() }.write(&mut version);
    let version = String::from_utf8(version).expect("json is utf-8");
    let settings = env.facts.settings.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    call.answer(to, |caller, to| {
        let fields = ConfigAnswer { version: &version }.fields();
        caller.fields_and_body(to, &fields, |to| write_settings(to, settings));
    });
    Ok(())
}

/// 28: every key a tool takes for granted. What does not exist here, such as queues between threads, is 0.
pub(crate) fn info(desk: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let (facts, counters, state) = (env.facts, env.broker.counters(), env.broker.state());
    let mut table = Table::default();
    let mut tps = |name: &str, total: u64| {
        let rates = desk.rates.of(name, total, facts.started, env.now, &TPS_WINDOWS_MS);
        let [a, b, c] = rates.map(|rate: Rate| rate.per_second);
        format!("{a:.2} {b:.2} {c:.2}")
    };
    let (put, got) = (tps("stored", counters.stored.messages), tps("delivered", counters.delivered.messages));

    table.put("brokerActive", "true");
    table.put("brokerVersionDesc", format!("Tandem_{}", facts.version));
    table.put("brokerVersion", VERSION);
    table.put("bootTimestamp", facts.started.millis());
    table.put("runtime", runtime(facts.started, env.now));

    table.put("putTps", &put);
    for name in ["getTransferredTps", "getFoundTps", "getTotalTps"] {
        table.put(name, &got);
    }
    table.put("getMissTps", "0.00 0.00 0.00");
    // Counters begin with the process, not at midnight.
    table.put("msgPutTotalTodayNow", counters.stored.messages);
    table.put("msgGetTotalTodayNow", counters.delivered.messages);
    for name in [
        "msgPutTotalTodayMorning",
        "msgPutTotalYesterdayMorning",
        "msgGetTotalTodayMorning",
        "msgGetTotalYesterdayMorning",
    ] {
        table.put(name, 0);
    }
    table.put("putMessageTimesTotal", counters.stored.messages);
    table.put("putMessageSizeTotal", counters.stored.bytes);
    table.put(
        "putMessageAverageSize",
        format!("{:.1}", counters.stored.bytes as f64 / counters.stored.messages.max(1) as f64),
    );

    table.put("commitLogMinOffset", facts.log_begin);
    table.put("commitLogMaxOffset", state.applied);
    table.put("earliestMessageTimeStamp", facts.log_begin_time.unwrap_or(env.now).millis());
    let used = facts.disk_size.saturating_sub(facts.disk_free) as f64 / facts.disk_size.max(1) as f64;
    for name in ["commitLogDiskRatio", "consumeQueueDiskRatio"] {
        table.put(name, format!("{used:.2}"));
    }
    let gib = |bytes: u64| bytes as f64 / (1_u64 << 30) as f64;
    let capacity = format!("Total : {:.1} GiB, Free : {:.1} GiB.", gib(facts.disk_size), gib(facts.disk_free));
    table.put("commitLogDirCapacity", capacity);

    table.put("timerReadBehind", 0);
    table.put("timerOffsetBehind", 0);
    table.put("timerCongestNum", state.scheduled.len());
    table.put("timerEnqueueTps", "0.0");
    table.put("timerDequeueTps", "0.0");
    for pool in ["send", "pull", "ack", "query", "litePull"] {
        table.put(&format!("{pool}ThreadPoolQueueSize"), 0);
        table.put(&format!("{pool}ThreadPoolQueueHeadWaitTimeMills"), 0);
    }
    for name in [
        "EndTransactionQueueSize",
        "EndTransactionThreadPoolQueueCapacity",
        "dispatchBehindBytes",
        "dispatchMaxBuffer",
        "getMessageEntireTimeMax",
        "pageCacheLockTimeMills",
        "putMessageEntireTimeMax",
        "putMessageFailedTimes",
        "remainTransientStoreBufferNumbs",
    ] {
        table.put(name, 0);
    }
    table.put("remainHowManyDataToFlush", "0 B");
    call.answer(to, |caller, to| caller.body(to, |to| table.0.write(to)));
    Ok(())
}

#[derive(Default)]
struct Table(KvTable);

impl Table {
    fn put(&mut self, name: &str, value: impl ToString) {
        self.0.table.push((name.to_owned(), value.to_string()));
    }
}

fn runtime(started: Timestamp, now: Timestamp) -> String {
    let seconds = now.since_ms(started).max(0) / 1000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    format!("[ {days} days, {hours} hours, {minutes} minutes, {} seconds ]", seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_since_the_start_is_told_in_words() {
        let started = Timestamp::from_millis(1_700_000_000_000);
        let now = started.plus_ms((86_400 * 2 + 3600 * 3 + 60 * 4 + 5) * 1000);
        assert_eq!(runtime(started, now), "[ 2 days, 3 hours, 4 minutes, 5 seconds ]");
        assert_eq!(runtime(now, started), "[ 0 days, 0 hours, 0 minutes, 0 seconds ]");
    }
}
