//! Transactional messages: a message and a change somewhere else that both happen or neither does.

mod builder;
mod check;
mod error;
mod listener;

use std::borrow::Borrow;
use std::fmt::{Debug, Display};
use std::sync::Arc;
use std::time::Duration;

use protocol::codes::{RequestCode, ResponseCode};
use protocol::identifiers::OffsetMsgId;
use protocol::request::transaction::EndTransactionHeader;
use tokio::time::sleep;

use crate::backoff::Backoff;
use crate::error::{Error, Result};
use crate::frame::Request;
use crate::message::Message;
use crate::producer::{Producer, SendReceipt, SendStatus};

pub use builder::TransactionProducerBuilder;
pub use error::{TransactionError, TransactionReceipt};
pub use listener::TransactionListener;
pub use protocol::request::transaction::Decision;

use builder::Guard;
use listener::DynListener;

/// Attempts at telling a broker a decision, the first included. What it does not hear it asks for later.
pub const DECISION_ATTEMPTS_MAX: u32 = 4;

/// First and longest wait between two of these attempts.
const DECISION_RETRY_FIRST: Duration = Duration::from_millis(100);
const DECISION_RETRY_MAX: Duration = Duration::from_secs(1);

/// Sends messages whose delivery depends on a local transaction.
///
/// The message is stored as a *half* that nobody sees; then the local transaction runs; its outcome commits the message
/// or rolls it back. When the outcome does not reach the broker, because a process died or a network failed, the broker
/// asks any live producer of the group: the [check](TransactionProducerBuilder::on_check) answers from what is in the
/// database.
///
/// ```no_run
/// # async fn insert_order(_: u32, _: &str) -> std::io::Result<()> { Ok(()) }
/// # async fn order_exists(_: &str) -> bool { true }
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use tandem_client::{Decision, Message, TransactionProducer};
///
/// let producer = TransactionProducer::builder(["127.0.0.1:9876"])
///     .group("order-service")
///     .topics(["orders"])
///     .on_check(|message| async move {
///         if order_exists(&message.id()).await { Decision::Commit } else { Decision::Rollback }
///     })
///     .build()
///     .await?;
///
/// let message = Message::builder("orders").key("4711").body("{}").build()?;
/// let receipt = producer
///     .send_in_transaction(message, |transaction| async move {
///         insert_order(4711, &transaction.id).await?;
///         Ok::<_, std::io::Error>(Decision::Commit)
///     })
///     .await?;
/// println!("{} is {:?}", receipt.sent.message_id, receipt.decision);
/// # Ok(())
/// # }
/// ```
///
/// # What becomes of it
///
/// | the local transaction | the message |
/// |---|---|
/// | returns `Ok(Decision::Commit)` | committed: delivered once |
/// | returns `Ok(Decision::Rollback)` | rolled back: never delivered |
/// | returns `Ok(Decision::Unknown)` | undecided: the check decides |
/// | returns an error | rolled back: it has to mean that nothing was changed |
/// | panics, or its future is dropped | undecided: the check decides |
///
/// A commit whose outcome the database itself does not know, such as a connection lost during `COMMIT`, is
/// `Decision::Unknown`, not an error.
#[derive(Debug, Clone)]
pub struct TransactionProducer {
    producer: Producer,
    listener: Arc<dyn DynListener>,
    /// Ends the answering of checks with the last clone.
    _guard: Arc<Guard>,
}

/// A transaction that was begun: what a local transaction may want to write down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Its id, which is that of its message: what the check is asked about.
    pub id: String,
    /// The half, as it was stored.
    pub half: SendReceipt,
    commit_log_offset: i64,
    topic: String,
}

impl TransactionProducer {
    /// Begins a transactional producer for the cluster that these name servers know.
    pub fn builder<A: Into<String>>(nameservers: impl IntoIterator<Item = A>) -> TransactionProducerBuilder {
        TransactionProducerBuilder::new(nameservers)
    }

    /// Stores the message as a half, runs the local transaction, and tells the broker its outcome.
    ///
    /// The broker is waited for, and told again when it does not answer; an answer that never comes is no error, for the
    /// broker will ask ([`TransactionReceipt::unconfirmed`] tells). A delay level takes effect at the commit on Tandem;
    /// Apache RocketMQ loses halves with one.
    ///
    /// # Errors
    /// [`TransactionError::Send`] when the half was not stored: the local transaction did not run.
    /// [`TransactionError::Local`] with the local transaction's own error: the message is rolled back.
    /// [`TransactionError::Refused`] when the broker holds the opposite decision already: somebody decided otherwise.
    pub async fn send_in_transaction<F, Fut, E>(
        &self,
        message: impl Borrow<Message>,
        local: F,
    ) -> Result<TransactionReceipt, TransactionError<E>>
    where
        F: FnOnce(Transaction) -> Fut,
        Fut: Future<Output = Result<Decision, E>>,
        E: Debug + Display,
    {
        let transaction = self.begin(message).await.map_err(TransactionError::Send)?;
        match local(transaction.clone()).await {
            Ok(decision) => self.decide(&transaction, decision).await.map_err(TransactionError::from_decision),
            Err(error) => match self.tell(&transaction, Decision::Rollback, Some(&error.to_string())).await {
                Ok(receipt) => Err(TransactionError::Local { error, receipt: Box::new(receipt) }),
                Err(refused) => {
                    tracing::error!(
                        id = transaction.id,
                        "a local transaction failed whose message was committed: {error}"
                    );
                    Err(TransactionError::from_decision(refused))
                }
            },
        }
    }

    /// As [`TransactionProducer::send_in_transaction`], with [`TransactionListener::execute`] as the local transaction.
    ///
    /// # Errors
    /// The same.
    pub async fn send(
        &self,
        message: impl Borrow<Message>,
    ) -> Result<TransactionReceipt, TransactionError<Box<dyn std::error::Error + Send + Sync>>> {
        let message = message.borrow();
        self.send_in_transaction(message, |_| self.listener.execute_dyn(message)).await
    }

    /// Stores the message as a half and leaves the rest to the caller, who ends it with
    /// [`TransactionProducer::decide`]. What is never decided is asked about.
    ///
    /// # Errors
    /// When the half was not stored, or not safely: it is rolled back then.
    pub async fn begin(&self, message: impl Borrow<Message>) -> Result<Transaction> {
        let message = message.borrow();
        let (half, response) = self.producer.send_half(message).await?;
        let offset_id = OffsetMsgId::decode(&half.offset_message_id);
        let commit_log_offset =
            offset_id.map_err(|error| Error::protocol(response.address(), error))?.commit_log_offset;
        let id = half.transaction_id.clone().unwrap_or_else(|| half.message_id.clone());
        let transaction = Transaction { id, half, commit_log_offset, topic: message.topic().to_owned() };
        if transaction.half.status != SendStatus::Stored {
            // Nothing has happened yet, so nothing is lost by giving up; going on might lose the message.
            if let Err(error) = self.tell(&transaction, Decision::Rollback, response.remark()).await {
                tracing::warn!(id = transaction.id, "a half that was not stored safely is not rolled back: {error}");
            }
            return Err(response.refusal());
        }
        Ok(transaction)
    }

    /// Tells the broker what became of a transaction.
    ///
    /// # Errors
    /// [`TransactionError::Refused`] when the broker holds the opposite decision already.
    pub async fn decide(
        &self,
        transaction: &Transaction,
        decision: Decision,
    ) -> Result<TransactionReceipt, TransactionError> {
        self.tell(transaction, decision, None).await
    }

    /// Sends a message that depends on nothing.
    pub fn producer(&self) -> &Producer {
        &self.producer
    }

    /// Says goodbye to the brokers and closes the connections, for all clones. Transactions under way stay undecided, and
    /// checks are answered by others of the group.
    pub async fn shutdown(&self) {
        self.producer.shutdown().await;
    }

    async fn tell(
        &self,
        transaction: &Transaction,
        decision: Decision,
        remark: Option<&str>,
    ) -> Result<TransactionReceipt, TransactionError> {
        let receipt = |unconfirmed| TransactionReceipt { sent: transaction.half.clone(), decision, unconfirmed };
        let header = EndTransactionHeader {
            producer_group: self.producer.group(),
            tran_state_table_offset: transaction.half.queue_offset,
            commit_log_offset: transaction.commit_log_offset,
            decision,
            from_transaction_check: false,
            msg_id: &transaction.half.message_id,
            transaction_id: Some(&transaction.id),
            topic: Some(&transaction.topic),
            broker_name: Some(&transaction.half.queue.broker_name),
        };
        let fields = header.fields();
        let client = self.producer.client();
        let broker = &transaction.half.queue.broker_name;
        if decision == Decision::Unknown {
            // Brokers do not answer it: there is nothing to confirm.
            let told = async {
                let connection = client.broker_connection(&client.broker_address(broker)?).await?;
                connection.tell(&Request::new(RequestCode::EndTransaction, &fields)).await
            };
            return Ok(receipt(told.await.err()));
        }
        if let Some(remark) = remark {
            tracing::debug!(id = transaction.id, ?decision, "local transaction: {remark}");
        }
        let mut backoff = Backoff::new(DECISION_RETRY_FIRST, DECISION_RETRY_MAX);
        let mut attempt = 1;
        loop {
            let answered = async {
                let address = client.broker_address(broker)?;
                self.producer.ask_broker(&address, RequestCode::EndTransaction.code(), &fields).await?.ok()
            };
            let error = match answered.await {
                Ok(_) => return Ok(receipt(None)),
                Err(error) if error.code() == Some(ResponseCode::ILLEGAL_OPERATION) => {
                    return Err(TransactionError::Refused {
                        decision,
                        sent: Box::new(transaction.half.clone()),
                        error,
                    });
                }
                Err(error) => error,
            };
            if attempt >= DECISION_ATTEMPTS_MAX || !error.is_retryable() {
                tracing::warn!(id = transaction.id, ?decision, "decision is left to the check: {error}");
                return Ok(receipt(Some(error)));
            }
            attempt += 1;
            client.refresh_route(&transaction.topic).await;
            sleep(backoff.next(error.retry_after())).await;
        }
    }
}
