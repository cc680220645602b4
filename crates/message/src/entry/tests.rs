use super::*;

fn offset(value: u64) -> CommitLogOffset {
    CommitLogOffset::new(value)
}

fn link() -> Place<'static> {
    Place::Link {
        topic: "orders",
        queue_id: 3,
        queue_offset: QueueOffset::new(17),
        record_at: offset(4711),
        record_len: 1234,
        tags_code: -5,
    }
}

fn every_kind() -> Vec<Entry<'static>> {
    let time = Timestamp::from_millis(3);
    let note = Note { half: offset(9), previous: offset(10), time, who: "ann", why: "the order was paid by hand" };
    let decision = Decision {
        half: offset(100),
        sequence: QueueOffset::new(5),
        previous: offset(101),
        time,
        outcome: Outcome::Commit,
        by: DecidedBy::Producer,
        who: "10.0.0.1@1",
        why: "",
        place: link(),
    };
    let carry = Place::Carry { queue_offset: QueueOffset::new(1), tags_code: 7, record: b"record bytes" };
    let later = Place::Later { deliver_at: Timestamp::from_millis(99) };
    let half = Half {
        sequence: QueueOffset::new(2),
        immunity_ms: Some(6000),
        delay: Delay::AfterMs(5000),
        group: "testProducerGroup",
        client: "10.0.0.1@1",
        record: b"record bytes",
    };
    vec![
        Entry::Messages(Messages { records: b"record bytes" }),
        Entry::Half(half),
        Entry::Half(Half { immunity_ms: None, delay: Delay::At(Timestamp::from_millis(7)), client: "", ..half }),
        Entry::Decision(decision),
        Entry::Decision(Decision { by: DecidedBy::CheckAnswer, place: carry, ..decision }),
        Entry::Decision(Decision { by: DecidedBy::Operator, place: later, ..decision }),
        Entry::Decision(Decision {
            outcome: Outcome::Rollback,
            by: DecidedBy::Exhausted,
            place: Place::Nowhere,
            ..decision
        }),
        Entry::Check(Check { half: offset(9), previous: offset(9), time, outcome: CheckOutcome::Unknown, client: "c" }),
        Entry::Check(Check { half: offset(9), previous: offset(9), time, outcome: CheckOutcome::Silent, client: "" }),
        Entry::SetAside(note),
        Entry::Resume(note),
        Entry::Scheduled(Scheduled {
            deliver_at: Timestamp::from_millis(1),
            sequence: QueueOffset::new(2),
            record: b"record bytes",
        }),
        Entry::Deliver(Deliver { source: offset(77), half: true, place: link() }),
        Entry::Offsets(vec![OffsetChange {
            group: "cart",
            topic: "orders",
            queues: vec![(0, QueueOffset::new(4)), (7, QueueOffset::new(1))],
        }]),
        Entry::Topic(TopicConfig {
            order: true,
            attributes: vec![("message.type".into(), "TRANSACTION".into())],
            ..TopicConfig::new("orders", 8)
        }),
        Entry::TopicDeleted { name: "orders" },
        Entry::Group(GroupConfig { consume_message_orderly: true, retry_max: 3, ..GroupConfig::new("cart") }),
        Entry::GroupDeleted { name: "cart", offsets: true },
        Entry::KeyValue { namespace: "ORDER_TOPIC_CONFIG", key: "orders", value: Some("tandem:8") },
        Entry::KeyValue { namespace: "ORDER_TOPIC_CONFIG", key: "orders", value: None },
        Entry::Carried(Carried { source: offset(8), record: b"record bytes" }),
    ]
}

fn encoded(entry: &Entry<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    entry.encode(&mut bytes);
    bytes
}

#[test]
fn every_entry_is_read_back_as_it_was_written() {
    for entry in every_kind() {
        let bytes = encoded(&entry);
        assert_eq!(Entry::decode(&bytes).as_ref(), Ok(&entry), "{entry:?}");
    }
}

#[test]
fn no_cut_and_no_flipped_byte_of_an_entry_makes_the_decoder_panic() {
    for entry in every_kind() {
        let good = encoded(&entry);
        for end in 0..good.len() {
            let _ = Entry::decode(&good[..end]);
        }
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bytes = good.clone();
                bytes[at] ^= 1 << bit;
                let _ = Entry::decode(&bytes);
            }
        }
    }
}

#[test]
fn an_entry_of_a_newer_version_is_refused_by_name() {
    assert_eq!(Entry::decode(&[200]), Err(crate::codec::CodecError::Unknown { field: "entry kind", value: 200 }));
}

/// Found by the fuzz target `sealed`: a start made room for a billion queues of one topic, and ended for want of memory.
#[test]
fn a_topic_with_more_queues_than_any_can_have_is_refused_before_room_is_made_for_them() {
    let topic = |queues| encoded(&Entry::Topic(TopicConfig::new("orders", queues)));
    assert!(Entry::decode(&topic(TopicConfig::QUEUES_MAX)).is_ok());
    let refused = Err(crate::codec::CodecError::Unknown { field: "read queues", value: 65_537 });
    assert_eq!(Entry::decode(&topic(TopicConfig::QUEUES_MAX + 1)), refused);
    // A group's retry topic is made with as many as the group says.
    let group = GroupConfig { retry_queues: TopicConfig::QUEUES_MAX + 1, ..GroupConfig::new("cart") };
    let refused = Err(crate::codec::CodecError::Unknown { field: "retry queues", value: 65_537 });
    assert_eq!(Entry::decode(&encoded(&Entry::Group(group))), refused);
}

#[test]
fn the_record_of_an_entry_is_the_tail_of_its_frame() {
    let bytes = encoded(&every_kind()[1]);
    let Ok(Entry::Half(half)) = Entry::decode(&bytes) else { panic!("a half") };
    let distance = record_distance(&bytes, half.record) as usize;
    assert_eq!(&bytes[distance - crate::batch::FRAME_LEN..], b"record bytes");
}

#[test]
fn a_delay_that_is_over_delivers_at_once() {
    let now = Timestamp::from_millis(1000);
    assert_eq!(Delay::None.deliver_at(now), None);
    assert_eq!(Delay::AfterMs(0).deliver_at(now), None);
    assert_eq!(Delay::AfterMs(5).deliver_at(now), Some(Timestamp::from_millis(1005)));
    assert_eq!(Delay::At(Timestamp::from_millis(999)).deliver_at(now), None);
    assert_eq!(Delay::At(Timestamp::from_millis(2000)).deliver_at(now), Some(Timestamp::from_millis(2000)));
}
