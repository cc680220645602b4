//! What operators are shown of a consumer: `mqadmin consumerStatus`, `consumerProgress`.

use protocol::Word as _;
use protocol::json::{Array, Object, write_int};

use super::assigned::Shown;
use super::member::Member;

/// Appends the body of the answer to 307.
pub(super) fn write_running_info(member: &Member, out: &mut Vec<u8>) {
    let settings = &member.settings;
    let mut info = Object::begin(out);
    let mut queues = Object::begin(info.member("mqTable"));
    for queue in member.queues() {
        write_queue(queues.member_with(|out| queue.queue.write(out)), &queue.shown());
    }
    queues.end();
    Object::begin(info.member("mqPopTable")).end();
    let mut properties = Object::begin(info.member("properties"));
    properties.string("PROP_CLIENT_VERSION", concat!("tandem-client ", env!("CARGO_PKG_VERSION")));
    properties.string("PROP_CONSUMEORDERLY", if settings.orderly { "true" } else { "false" });
    properties.string("PROP_CONSUMER_START_TIMESTAMP", &member.started_at_ms.to_string());
    properties.string("PROP_CONSUME_TYPE", settings.consume_type.name());
    properties.string("PROP_NAMESERVER_ADDR", &member.client.nameservers().join(";"));
    properties.string("PROP_THREADPOOL_CORE_SIZE", "0");
    properties.end();
    Object::begin(info.member("statusTable")).end();
    let mut subscriptions = Array::begin(info.member("subscriptionSet"));
    for subscription in &settings.subscriptions {
        subscription.data().write(subscriptions.item());
    }
    subscriptions.end();
    Object::begin(info.member("userConsumerInfo")).end();
    info.end();
}

fn write_queue(out: &mut Vec<u8>, shown: &Shown) {
    let mut queue = Object::begin(out);
    queue.int("cachedMsgCount", shown.count as i64);
    queue.int("cachedMsgMaxOffset", shown.last);
    queue.int("cachedMsgMinOffset", shown.first);
    queue.int("cachedMsgSizeInMiB", (shown.bytes >> 20) as i64);
    queue.int("commitOffset", shown.commit);
    queue.bool("droped", shown.dropped);
    queue.int("lastConsumeTimestamp", shown.done_at_ms);
    queue.int("lastLockTimestamp", 0);
    queue.int("lastPullTimestamp", shown.read_at_ms);
    queue.bool("locked", shown.locked);
    queue.int("transactionMsgCount", 0);
    queue.int("transactionMsgMaxOffset", 0);
    queue.int("transactionMsgMinOffset", 0);
    queue.int("tryUnlockTimes", 0);
    queue.end();
}

/// Appends the body of the answer to 221: where this consumer is in a topic.
pub(super) fn write_status(member: &Member, topic: &str, out: &mut Vec<u8>) {
    let mut status = Object::begin(out);
    let mut queues = Object::begin(status.member("messageQueueTable"));
    for queue in member.queues().iter().filter(|queue| queue.queue.topic == topic) {
        write_int(queues.member_with(|out| queue.queue.write(out)), queue.commit_offset());
    }
    queues.end();
    status.end();
}
