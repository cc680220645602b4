use std::hint::black_box;

use protocol::request::config;
use protocol::request::connections::{ConsumerConnection, ProducerConnection};
use protocol::request::groups::{SubscriptionGroupConfig, SubscriptionGroupTable, decode_group_list};
use protocol::request::heartbeat::{CheckClientConfig, HeartbeatData};
use protocol::request::kv::KvTable;
use protocol::request::lock::{LockAnswer, LockRequest};
use protocol::request::reset::ResetOffsets;
use protocol::request::route::{ClusterInfo, IdStyle, TopicRouteData};
use protocol::request::session::ConsumerIdList;
use protocol::request::stats::{BrokerStatsData, ConsumeStats, TopicStats};
use protocol::request::topic_list::{GroupList, TopicList};
use protocol::request::topics::{TopicConfig, TopicTable, decode_topic_list, write_topic_list};
use protocol::{DataVersion, batch, json};

/// Reads the bytes as the body of every request and answer there is. What was read is the same after it was written.
pub fn body(data: &[u8]) {
    if let Ok(value) = json::parse(data) {
        let written = written(|out| value.write(out));
        assert_eq!(json::parse(&written).as_ref(), Ok(&value), "{}", String::from_utf8_lossy(&written));
    }
    macro_rules! same_when_written {
        ($($body:ty),*) => {$(
            if let Ok(read) = <$body>::decode(data) {
                let written = written(|out| read.write(out));
                let again = <$body>::decode(&written);
                let text = String::from_utf8_lossy(&written);
                assert_eq!(again.as_ref(), Ok(&read), "{} written as {text}", stringify!($body));
            }
        )*};
    }
    same_when_written!(
        ConsumerConnection,
        ProducerConnection,
        SubscriptionGroupConfig,
        SubscriptionGroupTable,
        HeartbeatData,
        KvTable,
        LockAnswer,
        LockRequest,
        ResetOffsets,
        ClusterInfo,
        ConsumerIdList,
        BrokerStatsData,
        ConsumeStats,
        TopicStats,
        GroupList,
        TopicList,
        TopicConfig,
        TopicTable,
        DataVersion
    );
    if let Ok(route) = TopicRouteData::decode(data) {
        // Ids without quotes are fastjson's own; with quotes they are JSON.
        for style in [IdStyle::Quoted, IdStyle::Unquoted] {
            let written = written(|out| route.write(out, style));
            assert_eq!(TopicRouteData::decode(&written).as_ref(), Ok(&route), "{}", String::from_utf8_lossy(&written));
        }
    }
    if let Ok(topics) = decode_topic_list(data) {
        let written = written(|out| write_topic_list(out, &topics));
        assert_eq!(decode_topic_list(&written).as_ref(), Ok(&topics));
    }
    drop(decode_group_list(data));
    drop(CheckClientConfig::decode(data));
    if let Ok(text) = std::str::from_utf8(data) {
        black_box(config::settings(text).count());
    }
    let mut len = 0;
    for message in batch::messages(data) {
        let Ok(message) = message else { return };
        len += batch::BATCH_MESSAGE_OVERHEAD + message.body.len() + message.properties.len();
        assert!(len <= data.len(), "messages of {len} bytes in {}", data.len());
    }
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}
