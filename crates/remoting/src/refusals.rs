//! The code for each refusal of the broker.

use broker::io::Refusal;
use protocol::codes::{RequestCode, ResponseCode};

use crate::own;

/// What clients go by when the broker refuses a request with this code. No `_` arm: a new refusal needs an answer here
/// before it compiles.
pub(crate) fn code_of(refusal: &Refusal, request: i32) -> ResponseCode {
    match refusal {
        Refusal::MessageIllegal(_) => ResponseCode::MESSAGE_ILLEGAL,
        Refusal::InvalidParameter(_) => ResponseCode::INVALID_PARAMETER,
        Refusal::TopicNotFound(_) => ResponseCode::TOPIC_NOT_EXIST,
        Refusal::GroupNotFound(_) => ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST,
        Refusal::NoPermission(_) => ResponseCode::NO_PERMISSION,
        Refusal::NotOnline(_) => ResponseCode::CONSUMER_NOT_ONLINE,
        Refusal::SubscriptionMissing(_) => ResponseCode::SUBSCRIPTION_NOT_EXIST,
        Refusal::SubscriptionIllegal(_) => ResponseCode::SUBSCRIPTION_PARSE_FAILED,
        Refusal::Busy(_) => ResponseCode::SYSTEM_BUSY,
        Refusal::Unavailable(_) => ResponseCode::SERVICE_NOT_AVAILABLE,
        // Tools take "query not found" for an empty result, and a message that is missing by its id for an error.
        // Our own requests tell what is not there from what failed.
        Refusal::NotFound(_) if request == RequestCode::QueryMessage.code() || own::name(request).is_some() => {
            ResponseCode::QUERY_NOT_FOUND
        }
        Refusal::NotFound(_) => ResponseCode::SYSTEM_ERROR,
        Refusal::Conflict(_) if request == RequestCode::EndTransaction.code() => ResponseCode::ILLEGAL_OPERATION,
        Refusal::Conflict(_) => ResponseCode::SYSTEM_ERROR,
        Refusal::NotSupported(_) | Refusal::Failed(_) => ResponseCode::SYSTEM_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_that_contradicts_another_has_a_code_of_its_own() {
        let conflict = Refusal::Conflict("it was rolled back".into());
        assert_eq!(code_of(&conflict, 37), ResponseCode(604));
        assert_eq!(code_of(&conflict, 215), ResponseCode(1));
    }

    #[test]
    fn nothing_found_by_key_is_a_result_and_nothing_found_by_id_an_error() {
        let missing = Refusal::NotFound("nothing".into());
        assert_eq!(code_of(&missing, 12), ResponseCode(22));
        assert_eq!(code_of(&missing, own::SHOW_TRANSACTION), ResponseCode(22));
        for request in [33, 36, 37] {
            assert_eq!(code_of(&missing, request), ResponseCode(1));
        }
    }
}
