//! What recorded requests say, in types.

use std::fmt::Display;

use protocol::batch;
use protocol::codes::RequestCode;
use protocol::header::{Header, Language};
use protocol::request::connections::ProducerGroupHeader;
use protocol::request::groups::{DeleteGroupHeader, GroupHeader, SubscriptionGroupConfig};
use protocol::request::heartbeat::{CheckClientConfig, ConsumeFromWhere, ConsumeType, HeartbeatData, MessageModel};
use protocol::request::kv::KvKey;
use protocol::request::lock::LockRequest;
use protocol::request::offsets::{Boundary, QueryConsumerOffset, QueueHeader, SearchOffset, UpdateConsumerOffset};
use protocol::request::pull::PullHeader;
use protocol::request::query::{KeyKind, QueryMessageHeader, ViewMessageHeader};
use protocol::request::relay::{ConsumeDirectlyHeader, RunningInfoHeader};
use protocol::request::reset::ResetOffsetHeader;
use protocol::request::route::{IdStyle, RouteHeader, TopicRouteData};
use protocol::request::send::SendHeader;
use protocol::request::send_back::SendBackHeader;
use protocol::request::session::{ConsumerGroupHeader, UnregisterHeader};
use protocol::request::stats::{ConsumeStatsHeader, ViewStatsHeader};
use protocol::request::topics::{CreateTopicHeader, PageHeader, TopicFilterType, TopicHeader};
use protocol::request::transaction::{CheckTransactionState, Decision, EndTransactionHeader, ResumeCheckHeader};
use protocol::request::{config, groups, register, topics};

use crate::fixtures::{all, request};

/// Reads everything there is to read in a request; `false` if nothing here reads its code.
pub fn read(header: &Header<'_>, body: &[u8]) -> Result<bool, String> {
    let fields = &header.fields;
    let Some(code) = RequestCode::from_code(header.code) else {
        return Ok(false);
    };
    match code {
        RequestCode::SendMessage
        | RequestCode::SendMessageV2
        | RequestCode::SendBatchMessage
        | RequestCode::SendReplyMessage
        | RequestCode::SendReplyMessageV2 => {
            let send = SendHeader::decode(code, fields).map_err(text)?;
            if send.batch {
                batch::messages(body).try_for_each(|message| message.map(|_| ())).map_err(text)?;
            }
        }
        RequestCode::PullMessage | RequestCode::LitePullMessage => drop(PullHeader::decode(fields).map_err(text)?),
        RequestCode::EndTransaction => drop(EndTransactionHeader::decode(fields).map_err(text)?),
        RequestCode::CheckTransactionState => drop(CheckTransactionState::decode(fields).map_err(text)?),
        RequestCode::ResumeCheckHalfMessage => drop(ResumeCheckHeader::decode(fields).map_err(text)?),
        RequestCode::QueryConsumerOffset => drop(QueryConsumerOffset::decode(fields).map_err(text)?),
        RequestCode::UpdateConsumerOffset => drop(UpdateConsumerOffset::decode(fields).map_err(text)?),
        RequestCode::SearchOffsetByTimestamp => drop(SearchOffset::decode(fields).map_err(text)?),
        RequestCode::GetMaxOffset | RequestCode::GetMinOffset | RequestCode::GetEarliestMsgStoreTime => {
            QueueHeader::decode(fields).map_err(text)?;
        }
        RequestCode::ConsumerSendMsgBack => drop(SendBackHeader::decode(fields).map_err(text)?),
        RequestCode::HeartBeat => drop(HeartbeatData::decode(body).map_err(text)?),
        RequestCode::CheckClientConfig => drop(CheckClientConfig::decode(body).map_err(text)?),
        RequestCode::UnregisterClient => drop(UnregisterHeader::decode(fields).map_err(text)?),
        RequestCode::GetConsumerListByGroup
        | RequestCode::NotifyConsumerIdsChanged
        | RequestCode::GetConsumerConnectionList => drop(ConsumerGroupHeader::decode(fields).map_err(text)?),
        RequestCode::LockBatchMq | RequestCode::UnlockBatchMq => drop(LockRequest::decode(body).map_err(text)?),
        RequestCode::UpdateAndCreateTopic => drop(CreateTopicHeader::decode(fields).map_err(text)?),
        RequestCode::UpdateAndCreateTopicList => drop(topics::decode_topic_list(body).map_err(text)?),
        RequestCode::GetAllTopicConfig => drop(PageHeader::decode_topics(fields).map_err(text)?),
        RequestCode::GetAllSubscriptionGroupConfig => drop(PageHeader::decode_groups(fields).map_err(text)?),
        RequestCode::UpdateBrokerConfig => drop(config::settings(std::str::from_utf8(body).map_err(text)?).count()),
        RequestCode::UpdateAndCreateSubscriptionGroup => drop(SubscriptionGroupConfig::decode(body).map_err(text)?),
        RequestCode::UpdateAndCreateSubscriptionGroupList => drop(groups::decode_group_list(body).map_err(text)?),
        RequestCode::DeleteSubscriptionGroup => drop(DeleteGroupHeader::decode(fields).map_err(text)?),
        RequestCode::GetSubscriptionGroupConfig | RequestCode::QueryTopicsByConsumer => {
            GroupHeader::decode(fields).map_err(text)?;
        }
        RequestCode::GetTopicStatsInfo
        | RequestCode::DeleteTopicInBroker
        | RequestCode::DeleteTopicInNamesrv
        | RequestCode::QueryTopicConsumeByWho
        | RequestCode::GetTopicConfig => drop(TopicHeader::decode(fields).map_err(text)?),
        RequestCode::RegisterTopicInNamesrv => {
            TopicHeader::decode(fields).map_err(text)?;
            TopicRouteData::decode(body).map_err(text)?;
        }
        RequestCode::GetProducerConnectionList => drop(ProducerGroupHeader::decode(fields).map_err(text)?),
        RequestCode::GetConsumeStats => drop(ConsumeStatsHeader::decode(fields).map_err(text)?.topics().count()),
        RequestCode::ViewBrokerStatsData => drop(ViewStatsHeader::decode(fields).map_err(text)?),
        RequestCode::QueryMessage => drop(QueryMessageHeader::decode(fields).map_err(text)?),
        RequestCode::ViewMessageById => drop(ViewMessageHeader::decode(fields).map_err(text)?),
        RequestCode::InvokeBrokerToResetOffset | RequestCode::ResetConsumerClientOffset => {
            ResetOffsetHeader::decode(fields).map_err(text)?;
        }
        RequestCode::GetConsumerRunningInfo => drop(RunningInfoHeader::decode(fields).map_err(text)?),
        RequestCode::ConsumeMessageDirectly => drop(ConsumeDirectlyHeader::decode(fields).map_err(text)?),
        RequestCode::GetKvConfig | RequestCode::DeleteKvConfig => drop(KvKey::decode(fields).map_err(text)?),
        RequestCode::GetRouteInfoByTopic => drop(RouteHeader::decode(fields).map_err(text)?),
        RequestCode::RegisterBroker => {
            let header = register::RegisterBrokerHeader::decode(fields).map_err(text)?;
            register::RegisterBrokerBody::decode(&header, body).map_err(text)?;
        }
        RequestCode::GetBrokerConfig
        | RequestCode::GetBrokerRuntimeInfo
        | RequestCode::GetBrokerClusterInfo
        | RequestCode::GetAllTopicListFromNameServer
        | RequestCode::GetAllProducerInfo => {}
        _ => return Ok(false),
    }
    Ok(true)
}

fn text(error: impl Display) -> String {
    error.to_string()
}

#[test]
fn every_recorded_request_is_read_but_those_nothing_here_reads() {
    // Pop consumption, consume queue entries, and pop squeezed into a binary header.
    let unread = [200_050, 200_051, 400, 401, 321, 3442, 326];
    for fixture in all().iter().filter(|fixture| fixture.answer.is_none()) {
        fixture.with_header(|header, body| {
            let read = read(&header, body).unwrap_or_else(|error| panic!("{}: {error}", fixture.name()));
            assert_eq!(read, !unread.contains(&fixture.request), "{}", fixture.name());
        });
    }
}

#[test]
fn a_java_send_has_letters_and_a_go_send_has_names() {
    request("java-5.5.0-batch", 320).with_header(|header, body| {
        let send = SendHeader::decode(RequestCode::SendBatchMessage, &header.fields).unwrap();
        assert_eq!((send.producer_group, send.topic, send.default_topic), ("probe_producer", "c550", "TBW102"));
        assert_eq!((send.default_topic_queue_nums, send.queue_id, send.sys_flag, send.flag), (4, 0, 0, 0));
        assert_eq!((send.born_timestamp, send.reconsume_times), (1_795_216_208_070, 0));
        assert_eq!((send.unit_mode, send.batch, send.max_reconsume_times), (false, true, None));
        assert!(send.properties.ends_with("\u{2}WAIT\u{1}true\u{2}"));
        assert_eq!(send.broker_name, Some("broker-a"));
        let messages: Vec<_> = batch::messages(body).map(Result::unwrap).collect();
        assert_eq!(messages.len(), 2);
        for (number, message) in messages.iter().enumerate() {
            assert!(message.properties.contains("UNIQ_KEY\u{1}"), "{message:?}");
            assert!(message.body.ends_with(format!(" {number}").as_bytes()), "{message:?}");
        }
    });
    request("go-2.1.2-producer", 10).with_header(|header, body| {
        let send = SendHeader::decode(RequestCode::SendMessage, &header.fields).unwrap();
        assert_eq!((send.topic, send.queue_id, send.batch, send.broker_name), ("n_gor", 1, false, None));
        assert_eq!((send.max_reconsume_times, body), (Some(0), &b"go-remoting 0"[..]));
        assert!(send.properties.starts_with("TAGS\u{1}probe\u{2}"));
    });
    request("java-4.9.8-binary-producer", 310).with_header(|header, _| {
        let send = SendHeader::decode(RequestCode::SendMessageV2, &header.fields).unwrap();
        assert_eq!((send.topic, send.queue_id, send.broker_name), ("c498", 1, Some("broker-a")));
    });
}

#[test]
fn a_decision_is_read_from_every_client() {
    let ends: Vec<_> = all().into_iter().filter(|end| end.request == 37 && end.answer.is_none()).collect();
    for decision in [Decision::Commit, Decision::Rollback, Decision::Unknown] {
        let found = ends.iter().filter(|end| {
            end.with_header(|header, _| {
                let end = EndTransactionHeader::decode(&header.fields).unwrap();
                assert_eq!(end.producer_group, "probe_producer");
                assert_eq!(Some(end.msg_id), end.transaction_id);
                assert!(end.tran_state_table_offset >= 0 && end.commit_log_offset > 0);
                end.decision == decision
            })
        });
        assert!(found.count() > 0, "{decision:?}");
    }
    request("go-2.1.2-tx-check", 37).with_header(|header, _| {
        let end = EndTransactionHeader::decode(&header.fields).unwrap();
        assert_eq!((end.topic, end.broker_name), (None, None));
        assert_eq!((end.tran_state_table_offset, end.commit_log_offset), (657, 481_403));
        assert!(!end.from_transaction_check);
    });
}

#[test]
fn a_decision_that_is_none_is_refused_with_what_it_said() {
    let line = r#"{"code":37,"extFields":{"producerGroup":"g","tranStateTableOffset":"1","commitLogOffset":"2","msgId":"m","commitOrRollback":"5"}}"#;
    let bytes = [&(4 + line.len() as u32).to_be_bytes()[..], &(line.len() as u32).to_be_bytes(), line.as_bytes()];
    let bytes = bytes.concat();
    let frame = protocol::frame::scan(&bytes, 1000).unwrap().unwrap();
    let mut buffer = protocol::header::HeaderBuffer::new();
    let header = buffer.decode(&frame).unwrap();
    assert_eq!(
        EndTransactionHeader::decode(&header.fields).unwrap_err().to_string(),
        r#"header field "commitOrRollback" is "5"; send 8 (commit), 12 (rollback) or 0 (unknown)"#
    );
}

#[test]
fn a_pull_says_what_it_wants() {
    request("java-5.5.0-litepull", 361).with_header(|header, _| {
        let pull = PullHeader::decode(&header.fields).unwrap();
        assert_eq!((pull.topic, pull.queue_id, pull.queue_offset, pull.max_msg_nums), ("c550", 0, 0, 10));
        assert_eq!((pull.subscription, pull.expression_type), (Some("*"), Some("TAG")));
        assert_eq!((pull.max_msg_bytes, pull.suspend_timeout_ms), (Some(i32::MAX), 20_000));
        assert!(pull.may_suspend() && pull.has_subscription() && !pull.commits_offset());
    });
    request("go-2.1.2-push", 11).with_header(|header, _| {
        let pull = PullHeader::decode(&header.fields).unwrap();
        assert_eq!((pull.subscription, pull.max_msg_bytes, pull.sys_flag), (None, None, 2));
    });
}

#[test]
fn heartbeats_say_who_consumes_what() {
    request("go-2.1.2-push", 34).with_header(|header, body| {
        assert_eq!(header.language, Language::Go);
        let beat = HeartbeatData::decode(body).unwrap();
        assert_eq!(beat.client_id, "192.0.2.2@26547");
        assert!(beat.producer_groups.is_empty());
        let [consumer] = &beat.consumers[..] else { panic!("{beat:?}") };
        assert_eq!(consumer.group_name, "gor_cap");
        assert_eq!(consumer.consume_type, ConsumeType::ConsumePassively);
        assert_eq!(consumer.message_model, MessageModel::Clustering);
        assert_eq!(consumer.consume_from_where, ConsumeFromWhere::FirstOffset);
        let topics: Vec<_> = consumer.subscriptions.iter().map(|subscription| subscription.topic.as_str()).collect();
        assert_eq!(topics, ["n_gor", "%RETRY%gor_cap"]);
        assert_eq!(consumer.subscriptions[0].sub_version, 1_795_216_251_192_404_144);
    });
    let of_cpp = br#"{"clientID":"10.0.0.7@1","consumerDataSet":[{"consumeFromWhere":4,"consumeType":1,"groupName":"g",
        "messageModel":0,"subscriptionDataSet":[{"codeSet":["97"],"subString":"a","subVersion":"7","tagsSet":["a"],
        "topic":"t"}]}],"producerDataSet":null}"#;
    let beat = HeartbeatData::decode(of_cpp).unwrap();
    let consumer = &beat.consumers[0];
    assert_eq!(
        (consumer.consume_type, consumer.message_model),
        (ConsumeType::ConsumePassively, MessageModel::Broadcasting)
    );
    assert_eq!(consumer.consume_from_where, ConsumeFromWhere::FirstOffset);
    assert_eq!((&consumer.subscriptions[0].codes[..], consumer.subscriptions[0].sub_version), (&[97][..], 7));
    assert_eq!(consumer.subscriptions[0].expression_type, "TAG");
    let wrong = br#"{"clientID":"c","consumerDataSet":[{"groupName":"g","consumeType":9}]}"#;
    assert_eq!(
        HeartbeatData::decode(wrong).unwrap_err().to_string(),
        r#"body member "consumeType" is 9; send CONSUME_ACTIVELY, CONSUME_PASSIVELY or CONSUME_POP"#
    );
}

#[test]
fn other_requests_are_read_to_their_last_field() {
    request("java-5.5.0-retry-dlq", 36).with_header(|header, _| {
        let back = SendBackHeader::decode(&header.fields).unwrap();
        assert_eq!((back.offset, back.delay_level, back.max_reconsume_times), (1_547_265, 1, Some(2)));
        assert_eq!((back.group, back.origin_topic), ("probe_mwpmmniqf1q", Some("c550")));
        assert_eq!((back.broker_name, back.unit_mode), (Some("broker-a"), false));
    });
    request("java-5.5.0-query", 29).with_header(|header, _| {
        let search = SearchOffset::decode(&header.fields).unwrap();
        assert_eq!((search.topic, search.timestamp, search.boundary), ("c550", 1_795_216_329_998, Boundary::Lower));
    });
    request("java-5.5.0-query", 12).with_header(|header, _| {
        let query = QueryMessageHeader::decode(&header.fields).unwrap();
        assert_eq!((query.key, query.max_num, query.kind), ("mwplfwkcm7y0", 32, KeyKind::Key));
    });
    request("mqadmin-5.5.0-changes", 17).with_header(|header, _| {
        let topic = CreateTopicHeader::decode(&header.fields).unwrap();
        assert_eq!(
            (topic.topic, topic.read_queue_nums, topic.write_queue_nums, topic.perm),
            ("made_by_mqadmin", 3, 3, 6)
        );
        assert_eq!((topic.topic_filter_type, topic.order), (TopicFilterType::SingleTag, false));
        assert_eq!((topic.attributes, topic.force), (None, false));
    });
    request("mqadmin-5.5.0-groups", 222).with_header(|header, _| {
        let reset = ResetOffsetHeader::decode(&header.fields).unwrap();
        assert_eq!((reset.topic, reset.group, reset.timestamp), ("c550", "live550", 1_795_217_001_136));
        assert_eq!((reset.is_force, reset.queue_id, reset.offset), (true, None, None));
    });
    request("mqadmin-5.5.0-changes", 25).with_header(|_, body| {
        let body = std::str::from_utf8(body).unwrap();
        assert!(config::settings(body).eq([("transactionCheckMax", "15")]));
    });
    request("mqadmin-5.5.0-changes", 201).with_header(|header, _| {
        assert_eq!(PageHeader::decode_groups(&header.fields), Ok(PageHeader { first: 0, max: Some(2000) }));
    });
    request("java-5.5.0-orderly", 41).with_header(|_, body| {
        let lock = LockRequest::decode(body).unwrap();
        assert_eq!((lock.consumer_group.as_str(), lock.queues.len()), ("probe_mwpmnr7dfar", 1));
        assert_eq!((lock.queues[0].topic.as_str(), lock.queues[0].queue_id), ("c550", 1));
    });
}

#[test]
fn routes_are_standard_json_for_java_from_4_9_4_on_and_for_who_asks() {
    for (scenario, style) in [
        ("go-2.1.2-producer", IdStyle::Unquoted),
        ("java-4.9.8-litepull", IdStyle::Quoted),
        ("java-5.5.0-batch", IdStyle::Quoted),
        ("mqadmin-5.5.0-changes", IdStyle::Quoted),
    ] {
        request(scenario, 105).with_header(|header, _| {
            let route = RouteHeader::decode(&header.fields).unwrap();
            assert_eq!(IdStyle::for_client(header.version, route.accept_standard_json_only), style, "{scenario}");
        });
    }
    assert_eq!(IdStyle::for_client(399, false), IdStyle::Unquoted);
    assert_eq!(IdStyle::for_client(399, true), IdStyle::Quoted);
}
