package tandem.interop;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.client.producer.TransactionSendResult;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * A shop with two databases: orders are paid in one, the cart is emptied in the other, and a transactional message
 * keeps the two in step. The body of a message is the order's id.
 *
 * <p>The clients are as a user writes them: nothing is set but the name server's address.
 */
final class Shop {
    private static final String TOPIC = Kit.env("TOPIC", "PayOrderSuccessTopic");
    private static final String PRODUCER_GROUP = Kit.env("PRODUCER_GROUP", "testProducerGroup");
    private static final String CONSUMER_GROUP = Kit.env("GROUP", "testConsumerGroup");

    private Shop() {
    }

    /** Pays the order in the local transaction; at a check, believes the database. */
    private static final class Payment implements TransactionListener {
        private final Set<String> checked = ConcurrentHashMap.newKeySet();

        /** What happens after the order's row was inserted: the argument of sendMessageInTransaction says. */
        @Override
        public LocalTransactionState executeLocalTransaction(Message message, Object mode) {
            try (Connection db = ShopTables.orders()) {
                db.setAutoCommit(false);
                ShopTables.update(db, "INSERT INTO orders VALUES (?, ?)",
                    Kit.text(message), message.getTransactionId());
                switch ((String) mode) {
                    case "commit":
                        db.commit();
                        return LocalTransactionState.COMMIT_MESSAGE;
                    case "rollback":
                        db.rollback();
                        return LocalTransactionState.ROLLBACK_MESSAGE;
                    case "unknown":
                        db.commit();
                        return LocalTransactionState.UNKNOW;
                    case "halt":
                        db.commit();
                        Kit.emit("halting", "order", Kit.text(message), "transaction_id", message.getTransactionId());
                        Runtime.getRuntime().halt(0);
                        throw new AssertionError("unreachable");
                    case "throw":
                        db.rollback();
                        throw new IllegalStateException("the payment failed");
                    default:
                        throw new IllegalArgumentException("no such mode: " + mode);
                }
            } catch (SQLException e) {
                throw new IllegalStateException(e);
            }
        }

        @Override
        public LocalTransactionState checkLocalTransaction(MessageExt message) {
            try (Connection db = ShopTables.orders()) {
                boolean paid = ShopTables.paid(db, Kit.text(message));
                Kit.emit("checked", "order", Kit.text(message), "transaction_id", message.getTransactionId(),
                    "message_id", message.getMsgId(), "tag", message.getTags(), "keys", message.getKeys(),
                    "thread", Thread.currentThread().getName(), "paid", paid);
                checked.add(Kit.text(message));
                return paid ? LocalTransactionState.COMMIT_MESSAGE : LocalTransactionState.ROLLBACK_MESSAGE;
            } catch (SQLException e) {
                throw new IllegalStateException(e);
            }
        }
    }

    private static TransactionMQProducer producer(Payment payment, ExecutorService checks) throws MQClientException {
        TransactionMQProducer producer = new TransactionMQProducer(PRODUCER_GROUP);
        producer.setNamesrvAddr(Kit.NAMESRV);
        producer.setExecutorService(checks);
        producer.setTransactionListener(payment);
        producer.start();
        return producer;
    }

    /**
     * Sells orders whose modes follow the list MODE, on THREADS threads that rest PAUSE_MS between orders: COUNT of
     * them; or with UNTIL_TOLD=1 until a line is read, and then it stays to answer checks until another line is read.
     */
    static boolean sell() throws Exception {
        List<String> modes = Kit.list("MODE", "commit");
        boolean untilTold = Kit.env("UNTIL_TOLD", "0").equals("1");
        int threads = Kit.number("THREADS", 1);
        int pauseMs = Kit.number("PAUSE_MS", 0);
        Payment payment = new Payment();
        ExecutorService checks = Transactions.checkThreads();
        ExecutorService sellers = Executors.newFixedThreadPool(threads);
        Set<String> undecided = ConcurrentHashMap.newKeySet();
        AtomicInteger sold = new AtomicInteger();
        AtomicInteger refused = new AtomicInteger();
        AtomicInteger next = new AtomicInteger();
        AtomicBoolean closing = new AtomicBoolean();
        TransactionMQProducer producer = producer(payment, checks);
        try (Connection keptOpen = ShopTables.orders()) {
            for (int thread = 0; thread < threads; thread++) {
                sellers.execute(() -> {
                    while (!closing.get()) {
                        int index = next.getAndIncrement();
                        if (!untilTold && index >= Kit.COUNT) {
                            return;
                        }
                        String order = "order-" + Kit.RUN + "-" + ProcessHandle.current().pid() + "-" + index;
                        Message message = new Message(TOPIC, "TestTag", "TestKey", Kit.bytes(order));
                        String mode = Kit.nth(modes, index);
                        pause(pauseMs);
                        try {
                            TransactionSendResult result = producer.sendMessageInTransaction(message, mode);
                            sold.incrementAndGet();
                            if (result.getLocalTransactionState() == LocalTransactionState.UNKNOW) {
                                undecided.add(order);
                            }
                            if (!untilTold) {
                                Kit.emit("half-sent", "order", order, "mode", mode, "message_id", result.getMsgId(),
                                    "transaction_id", result.getTransactionId(),
                                    "state", result.getLocalTransactionState(), "status", result.getSendStatus());
                            }
                        } catch (MQClientException e) {
                            // The half was not accepted: no local transaction ran, the customer tries again.
                            if (refused.getAndIncrement() < 3) {
                                Kit.emit("refused", "order", order, "error", e);
                            }
                            pause(100);
                        }
                    }
                });
            }
            if (untilTold) {
                Kit.pause("selling");
                closing.set(true);
            }
            sellers.shutdown();
            boolean ok = sellers.awaitTermination(Kit.WAIT_MS, TimeUnit.MILLISECONDS);
            Kit.emit("sold", "sold", sold.get(), "refused", refused.get(), "undecided", undecided.size());
            if (untilTold) {
                Kit.pause("holding");
            } else {
                ok &= refused.get() == 0 && Kit.await(() -> payment.checked.containsAll(undecided));
            }
            Thread.sleep(Kit.LINGER_MS); // END_TRANSACTION is one-way: let the last ones leave
            return ok;
        } finally {
            producer.shutdown();
            checks.shutdown();
        }
    }

    private static void pause(long ms) {
        try {
            Thread.sleep(ms);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Another process of the producer group that sells nothing and answers checks about COUNT different orders. */
    static boolean answer() throws Exception {
        Payment payment = new Payment();
        ExecutorService checks = Transactions.checkThreads();
        TransactionMQProducer producer = producer(payment, checks);
        try (Connection keptOpen = ShopTables.orders()) {
            Kit.announce(producer, TOPIC);
            boolean ok = Kit.await(() -> payment.checked.size() >= Kit.COUNT);
            Thread.sleep(Kit.LINGER_MS); // END_TRANSACTION is one-way: let the last ones leave
            return ok;
        } finally {
            producer.shutdown();
            checks.shutdown();
        }
    }

    /** Clears the cart of each paid order that arrives, until a line is read. */
    static boolean cart() throws Exception {
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(CONSUMER_GROUP);
        consumer.setNamesrvAddr(Kit.NAMESRV);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(TOPIC, "TestTag");
        consumer.registerMessageListener((MessageListenerConcurrently) (batch, context) -> {
            try (Connection db = ShopTables.cart()) {
                for (MessageExt message : batch) {
                    ShopTables.delivered(db, Kit.text(message));
                    Kit.emit("delivered", "order", Kit.text(message), "message_id", message.getMsgId(),
                        "transaction_id", message.getTransactionId(), "tag", message.getTags(),
                        "keys", message.getKeys(), "queue", message.getQueueId(), "offset", message.getQueueOffset(),
                        "attempt", message.getReconsumeTimes() + 1);
                }
                return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            } catch (SQLException e) {
                Kit.emit("cart-failed", "error", e);
                return ConsumeConcurrentlyStatus.RECONSUME_LATER;
            }
        });
        try (Connection keptOpen = ShopTables.cart()) {
            consumer.start();
            Kit.pause("consuming");
            return true;
        } finally {
            consumer.shutdown();
        }
    }

    /**
     * Compares the two tables until they agree, at most WAIT_S, and once more LINGER_S later: orders without cart entry
     * (lost), entries without order (unpaid), repeated deliveries (a difference with STRICT=1 only).
     */
    static boolean verdict() throws Exception {
        try (Connection orders = ShopTables.orders(); Connection cart = ShopTables.cart()) {
            long deadline = System.currentTimeMillis() + Kit.WAIT_MS;
            while (!difference(orders, cart).isEmpty() && System.currentTimeMillis() < deadline) {
                Thread.sleep(200);
            }
            Thread.sleep(Kit.LINGER_MS);
            Map<String, Integer> paid = ShopTables.rows(orders, "orders");
            Map<String, Integer> cleared = ShopTables.rows(cart, "cart");
            Set<String> lost = without(paid, cleared);
            Set<String> unpaid = without(cleared, paid);
            Set<String> repeated =
                cleared.keySet().stream().filter(id -> cleared.get(id) > 1).collect(Collectors.toSet());
            Kit.emit("verdict", "orders", paid.size(), "cart", cleared.size(), "lost", lost.size(),
                "unpaid", unpaid.size(), "repeated", repeated.size(), "lost_orders", some(lost),
                "unpaid_orders", some(unpaid), "repeated_orders", some(repeated));
            return lost.isEmpty() && unpaid.isEmpty()
                && (repeated.isEmpty() || !Kit.env("STRICT", "0").equals("1"));
        }
    }

    private static List<String> some(Set<String> orders) {
        return orders.stream().limit(5).collect(Collectors.toList());
    }

    private static Set<String> difference(Connection orders, Connection cart) throws SQLException {
        Map<String, Integer> paid = ShopTables.rows(orders, "orders");
        Map<String, Integer> cleared = ShopTables.rows(cart, "cart");
        Set<String> difference = without(paid, cleared);
        difference.addAll(without(cleared, paid));
        return difference;
    }

    private static Set<String> without(Map<String, Integer> some, Map<String, Integer> others) {
        return some.keySet().stream().filter(id -> !others.containsKey(id)).collect(Collectors.toSet());
    }
}
