use std::net::SocketAddr;

use broker::io::{Batch, End, EndOutcome, Request, Resolution, Resolve, Send, SendBack};
use message::Timestamp;

/// A request that owns what it says, so that it can travel.
#[derive(Clone, Debug)]
pub(super) enum Parcel {
    Send(Letter),
    SendBatch { head: Letter, parts: Vec<(i32, String, Vec<u8>)> },
    End { group: String, half: i64, sequence: i64, unique_key: String, outcome: EndOutcome, from_check: bool },
    SendBack { group: String, offset: i64, delay_level: i32, origin_id: String },
    Resolve { id: String, resolution: Resolution, who: String, why: String, dry_run: bool },
}

/// A message to store.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    group: String,
    topic: String,
    default_topic: String,
    default_queues: u32,
    queue: i32,
    born_timestamp: Timestamp,
    born_host: SocketAddr,
    flag: i32,
    properties: String,
    body: Vec<u8>,
}

impl Letter {
    fn of(send: &Send<'_>) -> Self {
        Letter {
            group: send.group.to_owned(),
            topic: send.topic.to_owned(),
            default_topic: send.default_topic.to_owned(),
            default_queues: send.default_queues,
            queue: send.queue,
            born_timestamp: send.born_timestamp,
            born_host: send.born_host,
            flag: send.flag,
            properties: send.properties.to_owned(),
            body: send.body.to_owned(),
        }
    }

    fn send(&self) -> Send<'_> {
        Send {
            group: &self.group,
            topic: &self.topic,
            default_topic: &self.default_topic,
            default_queues: self.default_queues,
            queue: self.queue,
            sys_flag: 0,
            born_timestamp: self.born_timestamp,
            born_host: self.born_host,
            flag: self.flag,
            properties: &self.properties,
            reconsume_times: 0,
            max_reconsume_times: None,
            body: &self.body,
        }
    }
}

impl Parcel {
    /// What a request says. `None` for those that always arrive at once: reads, and what tells how far a queue is
    /// consumed, of which the oracle must know in which order the broker has heard it.
    pub fn of(request: &Request<'_>) -> Option<Self> {
        Some(match request {
            Request::Send(send) => Parcel::Send(Letter::of(send)),
            Request::SendBatch(batch) => {
                let part = |(flag, text, body): &(i32, &str, &[u8])| (*flag, (*text).to_owned(), (*body).to_owned());
                Parcel::SendBatch { head: Letter::of(&batch.head), parts: batch.parts.iter().map(part).collect() }
            }
            Request::End(end) => Parcel::End {
                group: end.group.to_owned(),
                half: end.half,
                sequence: end.sequence,
                unique_key: end.unique_key.to_owned(),
                outcome: end.outcome,
                from_check: end.from_check,
            },
            Request::SendBack(back) => Parcel::SendBack {
                group: back.group.to_owned(),
                offset: back.offset,
                delay_level: back.delay_level,
                origin_id: back.origin_id.to_owned(),
            },
            Request::Resolve(resolve) => Parcel::Resolve {
                id: resolve.id.to_owned(),
                resolution: resolve.resolution,
                who: resolve.who.to_owned(),
                why: resolve.why.to_owned(),
                dry_run: resolve.dry_run,
            },
            _ => return None,
        })
    }

    /// Hands the request over.
    pub fn with<T>(&self, taker: impl FnOnce(Request<'_>) -> T) -> T {
        match self {
            Parcel::Send(letter) => taker(Request::Send(letter.send())),
            Parcel::SendBatch { head, parts } => {
                let parts = parts.iter().map(|(flag, text, body)| (*flag, text.as_str(), body.as_slice())).collect();
                taker(Request::SendBatch(Batch { head: head.send(), parts }))
            }
            Parcel::End { group, half, sequence, unique_key, outcome, from_check } => taker(Request::End(End {
                group,
                half: *half,
                sequence: *sequence,
                unique_key,
                outcome: *outcome,
                from_check: *from_check,
                remark: "",
            })),
            Parcel::SendBack { group, offset, delay_level, origin_id } => taker(Request::SendBack(SendBack {
                group,
                offset: *offset,
                delay_level: *delay_level,
                origin_id,
                max_reconsume_times: None,
            })),
            Parcel::Resolve { id, resolution, who, why, dry_run } => {
                taker(Request::Resolve(Resolve { id, resolution: *resolution, who, why, dry_run: *dry_run }))
            }
        }
    }
}
