use std::fmt::Debug;
use std::pin::Pin;

use protocol::request::transaction::Decision;

use crate::message::Message;
use crate::message_view::MessageView;

/// Any error of a local transaction.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The local side of transactions: runs them, and knows afterwards what became of them.
///
/// ```
/// use tandem_client::{Decision, Message, MessageView, TransactionListener};
///
/// struct Orders;
///
/// impl TransactionListener for Orders {
///     async fn execute(&self, message: &Message) -> Result<Decision, Box<dyn std::error::Error + Send + Sync>> {
///         // INSERT INTO orders (id, message_id) ...; COMMIT
///         Ok(Decision::Commit)
///     }
///
///     async fn check(&self, message: &MessageView) -> Decision {
///         // SELECT 1 FROM orders WHERE message_id = ...
///         Decision::Commit
///     }
/// }
/// ```
pub trait TransactionListener: Send + Sync + 'static {
    /// Runs the local transaction of a message whose half is stored. The default leaves the outcome to the check, for
    /// producers that only use [`send_in_transaction`](super::TransactionProducer::send_in_transaction).
    fn execute(&self, message: &Message) -> impl Future<Output = Result<Decision, BoxError>> + Send {
        let _ = message;
        async { Ok(Decision::Unknown) }
    }

    /// Says what became of a transaction whose outcome did not reach the broker. It may be one of another process of the
    /// group, and it may still be running there: answer from what is in the database, and `Unknown` when that does not
    /// tell. A panic counts as `Unknown`.
    fn check(&self, message: &MessageView) -> impl Future<Output = Decision> + Send;
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A listener whose type is forgotten.
pub(super) trait DynListener: Send + Sync {
    fn execute_dyn<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Decision, BoxError>>;
    fn check_dyn<'a>(&'a self, message: &'a MessageView) -> BoxFuture<'a, Decision>;
}

impl<L: TransactionListener> DynListener for L {
    fn execute_dyn<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Decision, BoxError>> {
        Box::pin(self.execute(message))
    }

    fn check_dyn<'a>(&'a self, message: &'a MessageView) -> BoxFuture<'a, Decision> {
        Box::pin(self.check(message))
    }
}

impl Debug for dyn DynListener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TransactionListener")
    }
}

/// A check that is a closure.
pub(super) struct CheckFn<F>(pub(super) F);

impl<F, Fut> TransactionListener for CheckFn<F>
where
    F: Fn(MessageView) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Decision> + Send + 'static,
{
    fn check(&self, message: &MessageView) -> impl Future<Output = Decision> + Send {
        (self.0)(message.clone())
    }
}
