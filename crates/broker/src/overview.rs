//! The broker at a glance, for those who look often.

use message::{CommitLogOffset, Timestamp};
use transaction::{Filter, State as HalfState};

use crate::Broker;

impl Broker {
    /// When the oldest transaction was stored that producers are asked about; `None` when there is none. One that stands
    /// behind more than 10,000 that were set aside is not looked for.
    pub fn oldest_pending(&self) -> Option<Timestamp> {
        let pending = Filter { state: Some(HalfState::Pending), ..Filter::default() };
        let page = self.state.ledger.page(&pending, CommitLogOffset::ZERO, 1);
        page.halves.first().map(|half| half.stored_at())
    }

    /// Members of a consumer group that are connected.
    pub fn member_count(&self, group: &str) -> usize {
        self.consumers.get(group).map_or(0, |group| group.members.len())
    }
}
