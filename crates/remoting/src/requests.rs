use broker::io::Answer;
use protocol::codes::RequestCode::{self, *};

use crate::caller::{Call, Caller, Fault};
use crate::desk::Desk;
use crate::door::Env;
use crate::handlers::{
    connections, consumer_offset, end_transaction, groups, heartbeat, key_values, lock, overview, pull, query,
    queue_bounds, register, relay, reset_offset, route, runtime, send, send_back, stats, status, topics, transactions,
};
use crate::own;

/// Reads a request and hands it to the broker, or answers it.
type Handle = fn(&mut Desk, &mut Env<'_>, &Call<'_>, &mut Vec<u8>) -> Result<(), Fault>;
/// Writes the broker's answer.
type Write = fn(&mut Desk, &mut Env<'_>, Caller, Answer, &mut Vec<u8>);

/// A request that is served.
#[derive(Clone, Copy)]
pub struct RequestKind {
    /// Its code.
    pub code: i32,
    /// What it does, in a line.
    pub about: &'static str,
    pub(crate) handle: Handle,
    pub(crate) answer: Write,
}

impl RequestKind {
    /// Its name: RocketMQ's, or ours for a request RocketMQ does not have.
    pub fn name(&self) -> &'static str {
        RequestCode::from_code(self.code).map(RequestCode::name).or(own::name(self.code)).unwrap_or("?")
    }
}

impl std::fmt::Debug for RequestKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.name(), self.code)
    }
}

const fn ours(code: i32, about: &'static str, handle: Handle, answer: Write) -> RequestKind {
    RequestKind { code, about, handle, answer }
}

const fn on(code: RequestCode, about: &'static str, handle: Handle, answer: Write) -> RequestKind {
    ours(code as i32, about, handle, answer)
}

/// A request that the door answers by itself.
const fn at_once(code: RequestCode, about: &'static str, handle: Handle) -> RequestKind {
    on(code, about, handle, never)
}

/// For requests that are not handed to the broker.
fn never(_: &mut Desk, _: &mut Env<'_>, caller: Caller, answer: Answer, _: &mut Vec<u8>) {
    unreachable!("{:?} is answered at the door, not by the broker with {answer:?}", caller.kind());
}

/// All requests that are served, by code. Any other is answered with code 3.
pub const REQUESTS: &[RequestKind] = &[
    on(SendMessage, "send, long field names", send::handle, send::answer),
    on(PullMessage, "read a queue, waiting for messages if asked to", pull::handle, pull::answer),
    on(QueryMessage, "messages by key", query::by_key, query::answer),
    on(QueryConsumerOffset, "a group's offset in a queue", consumer_offset::query, consumer_offset::answer),
    on(UpdateConsumerOffset, "store a group's offset in a queue", consumer_offset::update, consumer_offset::answer),
    on(UpdateAndCreateTopic, "create or change a topic", topics::put, topics::answer),
    on(UpdateAndCreateTopicList, "create or change topics", topics::put_list, crate::handlers::several::answer),
    at_once(GetAllTopicConfig, "all topics", topics::all),
    at_once(UpdateBrokerConfig, "change settings: refused, with what to do instead", runtime::put_settings),
    at_once(GetBrokerConfig, "all settings", runtime::settings),
    at_once(GetBrokerRuntimeInfo, "a table of statistics", runtime::info),
    on(SearchOffsetByTimestamp, "the offset of a moment", queue_bounds::search, queue_bounds::answer),
    on(GetMaxOffset, "the offset the next message of a queue gets", queue_bounds::bounds, queue_bounds::answer),
    on(GetMinOffset, "the first offset a queue still has", queue_bounds::bounds, queue_bounds::answer),
    on(GetEarliestMsgStoreTime, "when its first message was stored", queue_bounds::bounds, queue_bounds::answer),
    on(ViewMessageById, "a message by its offset", query::by_offset, query::answer),
    on(HeartBeat, "who a client is, its groups and subscriptions", heartbeat::beat, heartbeat::answer),
    on(UnregisterClient, "a group of a client goes", heartbeat::unregister, heartbeat::answer),
    on(ConsumerSendMsgBack, "deliver a message again later", send_back::handle, send_back::answer),
    on(EndTransaction, "decide a transaction", end_transaction::handle, end_transaction::answer),
    on(GetConsumerListByGroup, "client ids of a consumer group", heartbeat::members, heartbeat::answer),
    on(LockBatchMq, "lock queues for orderly consumption", lock::lock, lock::answer),
    on(UnlockBatchMq, "give such locks up", lock::unlock, lock::answer),
    at_once(GetAllConsumerOffset, "all consumer offsets", consumer_offset::all),
    at_once(CheckClientConfig, "whether a filter expression is acceptable", heartbeat::check_config),
    on(PutKvConfig, "set a value in a namespace", key_values::put, key_values::answer),
    at_once(GetKvConfig, "a value in a namespace", key_values::get),
    on(DeleteKvConfig, "delete a value in a namespace", key_values::delete, key_values::answer),
    at_once(RegisterBroker, "another broker's address and topics", register::register),
    at_once(UnregisterBroker, "another broker goes", register::unregister),
    at_once(GetRouteInfoByTopic, "which brokers serve a topic", route::route),
    at_once(GetBrokerClusterInfo, "all brokers", route::clusters),
    on(UpdateAndCreateSubscriptionGroup, "create or change a consumer group", groups::put, groups::answer),
    at_once(GetAllSubscriptionGroupConfig, "all consumer groups", groups::all),
    on(GetTopicStatsInfo, "bounds of each queue of a topic", stats::topic, stats::topic_answer),
    at_once(GetConsumerConnectionList, "who is connected for a consumer group", connections::consumers),
    at_once(GetProducerConnectionList, "who is connected for a producer group", connections::producers),
    at_once(WipeWritePermOfBroker, "take a broker out of all routes for writing", route::wipe_write_perm),
    at_once(GetAllTopicListFromNameServer, "all topic names", route::topics),
    on(DeleteSubscriptionGroup, "delete a consumer group", groups::delete, groups::answer),
    on(GetConsumeStats, "where a group is in each queue", stats::consume, stats::consume_answer),
    on(DeleteTopicInBroker, "delete a topic", topics::delete, topics::answer),
    at_once(DeleteTopicInNamesrv, "forget a topic's route on other brokers", route::forget_topic),
    at_once(RegisterTopicInNamesrv, "set a topic's route on other brokers", route::add_route),
    at_once(GetKvListByNamespace, "all values of a namespace", key_values::list),
    on(
        InvokeBrokerToResetOffset,
        "let a group go on at a moment or offset",
        reset_offset::handle,
        reset_offset::answer,
    ),
    at_once(InvokeBrokerToGetConsumerStatus, "where the members of a group say they are", relay::status),
    at_once(GetTopicsByCluster, "topic names of a cluster", route::topics_of_cluster),
    on(
        UpdateAndCreateSubscriptionGroupList,
        "create or change consumer groups",
        groups::put_list,
        crate::handlers::several::answer,
    ),
    at_once(QueryTopicConsumeByWho, "groups that consume a topic", topics::consumed_by),
    on(QueryConsumeTimeSpan, "how far a group is, by time", stats::time_span, stats::consume_answer),
    at_once(GetSystemTopicListFromNs, "names of clusters and brokers", route::system_topics),
    at_once(GetSystemTopicListFromBroker, "topics the broker has of itself", topics::system),
    at_once(GetConsumerRunningInfo, "relayed to a consumer: what are you doing?", relay::running_info),
    on(
        ConsumeMessageDirectly,
        "relayed to a consumer: consume this now",
        relay::consume_directly,
        relay::message_found,
    ),
    on(SendMessageV2, "send, one-letter field names", send::handle, send::answer),
    at_once(GetUnitTopicList, "topics of units", route::unit_topics),
    at_once(GetHasUnitSubTopicList, "topics units subscribe to", route::unit_topics),
    at_once(GetHasUnitSubUnunitTopicList, "those of them that belong to no unit", route::unit_topics),
    on(CloneGroupOffset, "give a group the offsets of another", consumer_offset::clone, consumer_offset::answer),
    at_once(ViewBrokerStatsData, "one statistic by minute, hour and day", stats::view),
    at_once(GetBrokerConsumeStats, "where all groups are", stats::all_groups),
    at_once(UpdateNamesrvConfig, "change settings: refused, with what to do instead", runtime::put_settings),
    at_once(GetNamesrvConfig, "all settings", runtime::settings),
    on(SendBatchMessage, "send, usually a batch", send::handle, send::answer),
    on(QueryConsumeQueue, "entries of a queue", query::queue_entries, query::queue_entries_answer),
    at_once(QueryDataVersion, "whether another broker has to register again", register::data_version),
    on(ResumeCheckHalfMessage, "ask again about a half that was set aside", transactions::resume, transactions::answer),
    on(SendReplyMessage, "a reply to a request message, long field names", send::handle, send::answer),
    on(SendReplyMessageV2, "a reply to a request message, one-letter field names", send::handle, send::answer),
    at_once(AddWritePermOfBroker, "put a broker back into all routes for writing", route::add_write_perm),
    at_once(GetAllProducerInfo, "who is connected for each producer group", connections::all_producers),
    at_once(QueryTopicsByConsumer, "topics a group consumes", groups::topics),
    at_once(QuerySubscriptionByConsumer, "what a group subscribes to of a topic", groups::subscription),
    at_once(GetTopicConfig, "one topic", topics::get),
    at_once(GetSubscriptionGroupConfig, "one consumer group", groups::get),
    on(LitePullMessage, "as 11, from the lite pull consumer of 5.x", pull::handle, pull::answer),
    at_once(GetBrokerMemberGroup, "addresses of a broker and its replicas", register::member_group),
    at_once(BrokerHeartbeat, "another broker lives", register::heartbeat),
    ours(own::LIST_TRANSACTIONS, "undecided transactions", transactions::list, transactions::answer),
    ours(own::SHOW_TRANSACTION, "one transaction's whole life", transactions::show, transactions::answer),
    ours(own::RESOLVE_TRANSACTION, "settle a transaction by hand", transactions::resolve, transactions::answer),
    ours(own::BROKER_STATUS, "what the broker has and counted", status::handle, never),
    ours(own::WATCH_TRANSACTIONS, "what happens to transactions", transactions::watch, transactions::answer),
    ours(own::BROKER_OVERVIEW, "what each topic and group has counted", overview::handle, never),
];

/// Place of a code in [`REQUESTS`].
pub(crate) fn position(code: i32) -> Option<u8> {
    let found = REQUESTS.binary_search_by_key(&code, |kind| kind.code).ok()?;
    // The table is shorter than 256: see the test.
    Some(found as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_every_request_in_it_is_found() {
        assert!(REQUESTS.len() < 256);
        assert!(REQUESTS.is_sorted_by(|a, b| a.code < b.code), "{REQUESTS:?}");
        for kind in REQUESTS {
            let found = usize::from(position(kind.code).unwrap());
            assert_eq!(REQUESTS[found].code, kind.code);
            assert_ne!(kind.name(), "?", "{}", kind.code);
        }
        assert_eq!(position(3442), None);
    }
}
