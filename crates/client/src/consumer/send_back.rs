//! Messages that shall come again later, or never: they go back to their broker.

use std::time::Duration;

use protocol::codes::RequestCode;
use protocol::request::send_back::SendBackHeader;
use tokio::time::sleep;

use super::member::Member;
use crate::backoff::Backoff;
use crate::error::Result;
use crate::frame::Request;
use crate::message_view::MessageView;

/// Attempts at sending a message back before it is tried again here.
const ATTEMPTS_MAX: u32 = 3;
/// First and longest wait between them.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(1);

/// The level that lets the broker choose: later with every attempt.
pub(super) const LEVEL_BY_ATTEMPTS: i32 = 0;
/// The level that makes a message a dead letter.
pub(super) const LEVEL_DEAD: i32 = -1;

impl Member {
    /// Sends a message back. Once that is done it is in the retry topic, or among the dead letters.
    pub(super) async fn send_back(&self, message: &MessageView, level: i32, max_reconsume_times: u32) -> Result<()> {
        let id = message.id();
        let header = SendBackHeader {
            offset: message.commit_log_offset(),
            group: &self.settings.group,
            delay_level: level,
            origin_msg_id: Some(&id),
            origin_topic: Some(message.topic()),
            unit_mode: false,
            max_reconsume_times: Some(i32::try_from(max_reconsume_times).unwrap_or(i32::MAX)),
            broker_name: Some(message.broker_name()),
        };
        let fields = header.fields();
        let request = Request::new(RequestCode::ConsumerSendMsgBack, &fields);
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
        let mut attempt = 1;
        loop {
            let asked = self.ask(message.broker_name(), &request, self.client.request_timeout()).await;
            match asked.and_then(|response| response.ok()) {
                Ok(_) => return Ok(()),
                Err(error) if attempt >= ATTEMPTS_MAX || !error.is_retryable() => return Err(error),
                Err(error) => {
                    attempt += 1;
                    sleep(backoff.next(error.retry_after())).await;
                }
            }
        }
    }
}
