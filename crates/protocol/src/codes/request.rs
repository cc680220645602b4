use std::fmt;

macro_rules! request_codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal $name:literal,)+) => {
        /// What is asked, one variant for each code that clients, tools and brokers of RocketMQ use.
        ///
        /// A code that is here is known, not necessarily served: an answer is due to any other as well
        /// ([`super::ResponseCode::REQUEST_CODE_NOT_SUPPORTED`]), for clients wait 3 to 30 s for silence.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum RequestCode {
            $($(#[$doc])* $variant = $code,)+
        }

        impl From<RequestCode> for i32 {
            fn from(code: RequestCode) -> Self {
                code.code()
            }
        }

        impl RequestCode {
            /// All codes known.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The code with this number; `None` if it is none that we know.
            pub fn from_code(code: i32) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// RocketMQ's name for the code.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

request_codes! {
    // producers and consumers
    /// Send with long field names; Go's single sends.
    SendMessage = 10 "SEND_MESSAGE",
    /// Read a queue from an offset, waiting if asked to.
    PullMessage = 11 "PULL_MESSAGE",
    /// Messages by key, from the index.
    QueryMessage = 12 "QUERY_MESSAGE",
    /// A group's offset in a queue.
    QueryConsumerOffset = 14 "QUERY_CONSUMER_OFFSET",
    /// Store a group's offset in a queue; one-way from Java, a request from Go.
    UpdateConsumerOffset = 15 "UPDATE_CONSUMER_OFFSET",
    /// The offset of a moment in a queue.
    SearchOffsetByTimestamp = 29 "SEARCH_OFFSET_BY_TIMESTAMP",
    /// The offset the next message of a queue will have.
    GetMaxOffset = 30 "GET_MAX_OFFSET",
    /// The first offset a queue still has.
    GetMinOffset = 31 "GET_MIN_OFFSET",
    /// When the first message a queue still has was stored.
    GetEarliestMsgStoreTime = 32 "GET_EARLIEST_MSG_STORETIME",
    /// One message by its commit-log offset.
    ViewMessageById = 33 "VIEW_MESSAGE_BY_ID",
    /// Who the client is, its groups and subscriptions.
    HeartBeat = 34 "HEART_BEAT",
    /// A producer or consumer group of a client goes.
    UnregisterClient = 35 "UNREGISTER_CLIENT",
    /// A message could not be consumed: deliver it again later.
    ConsumerSendMsgBack = 36 "CONSUMER_SEND_MSG_BACK",
    /// A decision about a half message; one-way from Java, a request from Go.
    EndTransaction = 37 "END_TRANSACTION",
    /// Client ids of a consumer group, for sharing out queues.
    GetConsumerListByGroup = 38 "GET_CONSUMER_LIST_BY_GROUP",
    /// Pushed to a producer: what became of this half message?
    CheckTransactionState = 39 "CHECK_TRANSACTION_STATE",
    /// Pushed to consumers: members of the group came or went.
    NotifyConsumerIdsChanged = 40 "NOTIFY_CONSUMER_IDS_CHANGED",
    /// Lock queues for one client of a group, for orderly consumption.
    LockBatchMq = 41 "LOCK_BATCH_MQ",
    /// Give such locks up.
    UnlockBatchMq = 42 "UNLOCK_BATCH_MQ",
    /// Is this filter expression acceptable?
    CheckClientConfig = 46 "CHECK_CLIENT_CONFIG",
    // topics and broker configuration
    /// Create or change a topic.
    UpdateAndCreateTopic = 17 "UPDATE_AND_CREATE_TOPIC",
    /// Create or change topics.
    UpdateAndCreateTopicList = 18 "UPDATE_AND_CREATE_TOPIC_LIST",
    /// All topics of a broker.
    GetAllTopicConfig = 21 "GET_ALL_TOPIC_CONFIG",
    /// Change settings; the body is properties text.
    UpdateBrokerConfig = 25 "UPDATE_BROKER_CONFIG",
    /// All settings as properties text.
    GetBrokerConfig = 26 "GET_BROKER_CONFIG",
    /// A table of statistics.
    GetBrokerRuntimeInfo = 28 "GET_BROKER_RUNTIME_INFO",
    /// All consumer offsets, for replicas.
    GetAllConsumerOffset = 43 "GET_ALL_CONSUMER_OFFSET",
    /// Progress of the delay levels, for replicas.
    GetAllDelayOffset = 45 "GET_ALL_DELAY_OFFSET",
    /// Progress of timers, for replicas.
    GetTimerCheckPoint = 60 "GET_TIMER_CHECK_POINT",
    /// Timers waiting, by topic.
    GetTimerMetrics = 61 "GET_TIMER_METRICS",
    // name server
    /// Set a value in a namespace.
    PutKvConfig = 100 "PUT_KV_CONFIG",
    /// A value in a namespace.
    GetKvConfig = 101 "GET_KV_CONFIG",
    /// Delete a value in a namespace.
    DeleteKvConfig = 102 "DELETE_KV_CONFIG",
    /// A broker's address and topics.
    RegisterBroker = 103 "REGISTER_BROKER",
    /// A broker goes.
    UnregisterBroker = 104 "UNREGISTER_BROKER",
    /// Which brokers serve a topic.
    GetRouteInfoByTopic = 105 "GET_ROUTEINFO_BY_TOPIC",
    /// All brokers.
    GetBrokerClusterInfo = 106 "GET_BROKER_CLUSTER_INFO",
    /// Take a broker out of all routes for writing.
    WipeWritePermOfBroker = 205 "WIPE_WRITE_PERM_OF_BROKER",
    /// All topic names.
    GetAllTopicListFromNameServer = 206 "GET_ALL_TOPIC_LIST_FROM_NAMESERVER",
    /// Forget a topic's route.
    DeleteTopicInNamesrv = 216 "DELETE_TOPIC_IN_NAMESRV",
    /// Set a topic's route.
    RegisterTopicInNamesrv = 217 "REGISTER_TOPIC_IN_NAMESRV",
    /// All values of a namespace.
    GetKvListByNamespace = 219 "GET_KVLIST_BY_NAMESPACE",
    /// Topic names of a cluster.
    GetTopicsByCluster = 224 "GET_TOPICS_BY_CLUSTER",
    /// Topic names that are clusters and brokers.
    GetSystemTopicListFromNs = 304 "GET_SYSTEM_TOPIC_LIST_FROM_NS",
    /// Topic names of units.
    GetUnitTopicList = 311 "GET_UNIT_TOPIC_LIST",
    /// Topic names with unit subscriptions.
    GetHasUnitSubTopicList = 312 "GET_HAS_UNIT_SUB_TOPIC_LIST",
    /// Topic names with unit subscriptions that are no unit topics.
    GetHasUnitSubUnunitTopicList = 313 "GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST",
    /// Change settings of the name server.
    UpdateNamesrvConfig = 318 "UPDATE_NAMESRV_CONFIG",
    /// Settings of the name server.
    GetNamesrvConfig = 319 "GET_NAMESRV_CONFIG",
    /// Are a broker's topics those it registered last?
    QueryDataVersion = 322 "QUERY_DATA_VERSION",
    /// Put a broker back into all routes for writing.
    AddWritePermOfBroker = 327 "ADD_WRITE_PERM_OF_BROKER",
    /// Addresses of a broker and its replicas.
    GetBrokerMemberGroup = 901 "GET_BROKER_MEMBER_GROUP",
    /// A broker lives.
    BrokerHeartbeat = 904 "BROKER_HEARTBEAT",
    // groups, statistics and tools
    /// Create or change a consumer group.
    UpdateAndCreateSubscriptionGroup = 200 "UPDATE_AND_CREATE_SUBSCRIPTIONGROUP",
    /// All consumer groups of a broker.
    GetAllSubscriptionGroupConfig = 201 "GET_ALL_SUBSCRIPTIONGROUP_CONFIG",
    /// First and next offset of each queue of a topic.
    GetTopicStatsInfo = 202 "GET_TOPIC_STATS_INFO",
    /// Who is connected for a consumer group, and its subscriptions.
    GetConsumerConnectionList = 203 "GET_CONSUMER_CONNECTION_LIST",
    /// Who is connected for a producer group.
    GetProducerConnectionList = 204 "GET_PRODUCER_CONNECTION_LIST",
    /// Delete a consumer group.
    DeleteSubscriptionGroup = 207 "DELETE_SUBSCRIPTIONGROUP",
    /// A group's offset in each queue.
    GetConsumeStats = 208 "GET_CONSUME_STATS",
    /// Delete a topic.
    DeleteTopicInBroker = 215 "DELETE_TOPIC_IN_BROKER",
    /// Pushed to consumers: go on at these offsets.
    ResetConsumerClientOffset = 220 "RESET_CONSUMER_CLIENT_OFFSET",
    /// Pushed to consumers: where are you?
    GetConsumerStatusFromClient = 221 "GET_CONSUMER_STATUS_FROM_CLIENT",
    /// Let a group go on at a moment or offset.
    InvokeBrokerToResetOffset = 222 "INVOKE_BROKER_TO_RESET_OFFSET",
    /// Where the members of a group are.
    InvokeBrokerToGetConsumerStatus = 223 "INVOKE_BROKER_TO_GET_CONSUMER_STATUS",
    /// Create or change consumer groups.
    UpdateAndCreateSubscriptionGroupList = 225 "UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST",
    /// Groups that consume a topic.
    QueryTopicConsumeByWho = 300 "QUERY_TOPIC_CONSUME_BY_WHO",
    /// Of filter servers, which are gone.
    RegisterFilterServer = 301 "REGISTER_FILTER_SERVER",
    /// Oldest, newest and next message of a group in each queue, by time.
    QueryConsumeTimeSpan = 303 "QUERY_CONSUME_TIME_SPAN",
    /// Topic names that a broker has of itself.
    GetSystemTopicListFromBroker = 305 "GET_SYSTEM_TOPIC_LIST_FROM_BROKER",
    /// Delete queue files without messages.
    CleanExpiredConsumeQueue = 306 "CLEAN_EXPIRED_CONSUMEQUEUE",
    /// Relayed to a consumer: what are you doing?
    GetConsumerRunningInfo = 307 "GET_CONSUMER_RUNNING_INFO",
    /// Offsets of groups compared.
    QueryCorrectionOffset = 308 "QUERY_CORRECTION_OFFSET",
    /// Relayed to a consumer: consume this message now.
    ConsumeMessageDirectly = 309 "CONSUME_MESSAGE_DIRECTLY",
    /// Give a group the offsets of another.
    CloneGroupOffset = 314 "CLONE_GROUP_OFFSET",
    /// One statistic by minute, hour and day.
    ViewBrokerStatsData = 315 "VIEW_BROKER_STATS_DATA",
    /// Delete what topics that are gone left behind.
    CleanUnusedTopic = 316 "CLEAN_UNUSED_TOPIC",
    /// Offsets of all groups.
    GetBrokerConsumeStats = 317 "GET_BROKER_CONSUME_STATS",
    /// Entries of a consume queue.
    QueryConsumeQueue = 321 "QUERY_CONSUME_QUEUE",
    /// Ask again about a half message that was set aside.
    ResumeCheckHalfMessage = 323 "RESUME_CHECK_HALF_MESSAGE",
    /// Who is connected for each producer group.
    GetAllProducerInfo = 328 "GET_ALL_PRODUCER_INFO",
    /// Delete commit-log files past their time.
    DeleteExpiredCommitLog = 329 "DELETE_EXPIRED_COMMITLOG",
    /// Topics a group consumes.
    QueryTopicsByConsumer = 343 "QUERY_TOPICS_BY_CONSUMER",
    /// A group's subscription of a topic.
    QuerySubscriptionByConsumer = 345 "QUERY_SUBSCRIPTION_BY_CONSUMER",
    /// One topic.
    GetTopicConfig = 351 "GET_TOPIC_CONFIG",
    /// One consumer group.
    GetSubscriptionGroupConfig = 352 "GET_SUBSCRIPTIONGROUP_CONFIG",
    /// Forbid a group a topic.
    UpdateAndGetGroupForbidden = 353 "UPDATE_AND_GET_GROUP_FORBIDDEN",
    /// State of the replicas.
    GetBrokerHaStatus = 907 "GET_BROKER_HA_STATUS",
    /// Terms of the replicated log.
    GetBrokerEpochCache = 1007 "GET_BROKER_EPOCH_CACHE",
    /// Limit reading of cold data.
    UpdateColdDataFlowCtrConfig = 2001 "UPDATE_COLD_DATA_FLOW_CTR_CONFIG",
    /// Lift that limit.
    RemoveColdDataFlowCtrConfig = 2002 "REMOVE_COLD_DATA_FLOW_CTR_CONFIG",
    /// State of that limit.
    GetColdDataFlowCtrInfo = 2003 "GET_COLD_DATA_FLOW_CTR_INFO",
    /// How the commit log is read.
    SetCommitLogReadMode = 2004 "SET_COMMITLOG_READ_MODE",
    /// Create a user.
    AuthCreateUser = 3001 "AUTH_CREATE_USER",
    /// Change a user.
    AuthUpdateUser = 3002 "AUTH_UPDATE_USER",
    /// Delete a user.
    AuthDeleteUser = 3003 "AUTH_DELETE_USER",
    /// One user.
    AuthGetUser = 3004 "AUTH_GET_USER",
    /// All users.
    AuthListUser = 3005 "AUTH_LIST_USER",
    /// Create an access rule.
    AuthCreateAcl = 3006 "AUTH_CREATE_ACL",
    /// Change an access rule.
    AuthUpdateAcl = 3007 "AUTH_UPDATE_ACL",
    /// Delete an access rule.
    AuthDeleteAcl = 3008 "AUTH_DELETE_ACL",
    /// One access rule.
    AuthGetAcl = 3009 "AUTH_GET_ACL",
    /// All access rules.
    AuthListAcl = 3010 "AUTH_LIST_ACL",
    // sends in all their forms
    /// Send with one-letter field names; what Java and C++ use.
    SendMessageV2 = 310 "SEND_MESSAGE_V2",
    /// Send, usually a batch; whether it is one is told by its field `m`.
    SendBatchMessage = 320 "SEND_BATCH_MESSAGE",
    /// A reply to a request message, long field names.
    SendReplyMessage = 324 "SEND_REPLY_MESSAGE",
    /// A reply to a request message, one-letter field names.
    SendReplyMessageV2 = 325 "SEND_REPLY_MESSAGE_V2",
    /// Pushed to a producer: the reply to its request message.
    PushReplyMessageToClient = 326 "PUSH_REPLY_MESSAGE_TO_CLIENT",
    /// As 11; what the 5.x lite pull consumer sends.
    LitePullMessage = 361 "LITE_PULL_MESSAGE",
    /// Take a delayed message back.
    RecallMessage = 370 "RECALL_MESSAGE",
    // pop consumption
    /// Queues of a client, shared out by the broker.
    QueryAssignment = 400 "QUERY_ASSIGNMENT",
    /// Pull or pop, for a group and topic.
    SetMessageRequestMode = 401 "SET_MESSAGE_REQUEST_MODE",
    /// Take messages of any queue.
    PopMessage = 200050 "POP_MESSAGE",
    /// One popped message is done.
    AckMessage = 200051 "ACK_MESSAGE",
    /// Look at messages without taking them.
    PeekMessage = 200052 "PEEK_MESSAGE",
    /// Give a popped message more time.
    ChangeMessageInvisibleTime = 200053 "CHANGE_MESSAGE_INVISIBLETIME",
    /// Wait until there is something to pop.
    Notification = 200054 "NOTIFICATION",
    /// How many wait to pop.
    PollingInfo = 200055 "POLLING_INFO",
    /// Many popped messages are done.
    BatchAckMessage = 200151 "BATCH_ACK_MESSAGE",
}

impl RequestCode {
    /// The number in the header.
    pub fn code(self) -> i32 {
        self as i32
    }
}

impl fmt::Display for RequestCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_found_by_its_number() {
        for &code in RequestCode::ALL {
            assert_eq!(RequestCode::from_code(code.code()), Some(code));
        }
        assert_eq!(RequestCode::from_code(3442), None);
        assert_eq!(RequestCode::EndTransaction.to_string(), "END_TRANSACTION (37)");
    }
}
