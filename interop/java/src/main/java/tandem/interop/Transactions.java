package tandem.interop;

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.client.producer.TransactionSendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.RPCHook;

/** Transactional messages whose local transactions and check answers follow a script. */
final class Transactions {
    private Transactions() {
    }

    /** The thread pool users copy from the documentation. */
    static ExecutorService checkThreads() {
        AtomicInteger threads = new AtomicInteger();
        return new ThreadPoolExecutor(2, 5, 100, TimeUnit.SECONDS, new ArrayBlockingQueue<>(2000),
            task -> new Thread(task, "transaction-check-" + threads.incrementAndGet()));
    }

    static TransactionMQProducer producer(TransactionListener listener, RPCHook hook, ExecutorService checks)
        throws Exception {
        TransactionMQProducer producer = new TransactionMQProducer(Kit.PRODUCER_GROUP, hook);
        producer.setExecutorService(checks);
        producer.setTransactionListener(listener);
        return Kit.started(producer);
    }

    /**
     * The n-th message's local transaction does what the n-th of OUTCOMES says, the n-th check of each message is
     * answered with the n-th of CHECKS (the last one for ever).
     */
    static final class Script implements TransactionListener {
        private final List<String> outcomes = Kit.list("OUTCOMES", "commit");
        private final List<String> checks = Kit.list("CHECKS", "commit");
        private final Map<String, Integer> asked = new ConcurrentHashMap<>();

        /** True when the broker will have to ask about the message of this number. */
        boolean undecided(int index) {
            return Kit.env("LOSE_DECISIONS", "0").equals("1")
                || List.of("unknown", "null", "throw").contains(Kit.nth(outcomes, index));
        }

        /** True when this was asked about AWAIT_CHECKS times: so often that the last scripted answer was given. */
        boolean asked(String transaction) {
            return asked.getOrDefault(transaction, 0) >= Kit.number("AWAIT_CHECKS", checks.size());
        }

        int transactions() {
            return asked.size();
        }

        @Override
        public LocalTransactionState executeLocalTransaction(Message message, Object index) {
            Kit.emit("executing", "index", index, "transaction_id", message.getTransactionId());
            return play(Kit.nth(outcomes, (Integer) index));
        }

        @Override
        public LocalTransactionState checkLocalTransaction(MessageExt message) {
            int nth = asked.merge(message.getTransactionId(), 1, Integer::sum);
            String answer = checks.get(Math.min(nth, checks.size()) - 1);
            Kit.emit("checked", "index", message.getUserProperty("index"), "nth", nth, "answer", answer,
                "message_id", message.getMsgId(), "transaction_id", message.getTransactionId(),
                "half_offset", message.getQueueOffset(), "log_offset", message.getCommitLogOffset(),
                "topic", message.getTopic(), "queue", message.getQueueId(), "content", Inbox.content(message),
                "thread", Thread.currentThread().getName());
            return play(answer);
        }

        private static LocalTransactionState play(String step) {
            try {
                switch (step) {
                    case "commit":
                        return LocalTransactionState.COMMIT_MESSAGE;
                    case "rollback":
                        return LocalTransactionState.ROLLBACK_MESSAGE;
                    case "unknown":
                        return LocalTransactionState.UNKNOW;
                    case "null":
                        return null;
                    case "throw":
                        throw new IllegalStateException("the local transaction failed");
                    case "slow-commit":
                        Thread.sleep(Kit.number("SLOW_MS", 1000));
                        return LocalTransactionState.COMMIT_MESSAGE;
                    case "told-commit":
                        Kit.pause("deciding");
                        return LocalTransactionState.COMMIT_MESSAGE;
                    case "told-rollback":
                        Kit.pause("deciding");
                        return LocalTransactionState.ROLLBACK_MESSAGE;
                    case "silent":
                        Thread.sleep(3_600_000);
                        return LocalTransactionState.UNKNOW;
                    case "halt":
                        Runtime.getRuntime().halt(0);
                        throw new AssertionError("unreachable");
                    default:
                        throw new IllegalArgumentException("no such step: " + step);
                }
            } catch (InterruptedException | java.io.IOException e) {
                throw new IllegalStateException(e);
            }
        }
    }

    /**
     * COUNT transactions, one after another or on THREADS threads; then waits until every undecided one was asked about
     * as often as CHECKS is long. IMMUNITY_S, a list as well, sets the time a message wants before its first check.
     * With HOLD=1 it stays to answer checks until a line is read.
     */
    static boolean send() throws Exception {
        Script script = new Script();
        ExecutorService checks = checkThreads();
        TransactionMQProducer producer = producer(script, Faults.fromEnvironment(), checks);
        ExecutorService senders = Executors.newFixedThreadPool(Kit.number("THREADS", 1));
        Set<String> pending = ConcurrentHashMap.newKeySet();
        AtomicInteger failed = new AtomicInteger();
        int first = Kit.number("FIRST", 0);
        try {
            for (int i = first; i < first + Kit.COUNT; i++) {
                int index = i;
                senders.execute(() -> {
                    try {
                        TransactionSendResult result = sendOne(producer, index);
                        if (script.undecided(index)) {
                            pending.add(result.getTransactionId());
                        }
                    } catch (Exception e) {
                        Kit.emit("send-failed", "index", index, "error", e);
                        failed.incrementAndGet();
                    }
                });
            }
            senders.shutdown();
            boolean ok = senders.awaitTermination(Kit.WAIT_MS, TimeUnit.MILLISECONDS) && failed.get() == 0;
            ok &= Kit.await(() -> pending.stream().allMatch(script::asked));
            if (Kit.env("HOLD", "0").equals("1")) {
                Kit.pause("holding");
            }
            Thread.sleep(Kit.LINGER_MS); // END_TRANSACTION is one-way: let the last ones leave
            return ok;
        } finally {
            producer.shutdown();
            checks.shutdownNow();
        }
    }

    private static TransactionSendResult sendOne(TransactionMQProducer producer, int index) throws Exception {
        Message message = Kit.message(Kit.TOPIC, index);
        String immunity = Kit.nth(Kit.list("IMMUNITY_S", ""), index);
        if (!immunity.isEmpty()) {
            message.putUserProperty("CHECK_IMMUNITY_TIME_IN_SECONDS", immunity);
        }
        long before = System.currentTimeMillis();
        TransactionSendResult result = producer.sendMessageInTransaction(message, index);
        Kit.emit("half-sent", "index", index, "message_id", result.getMsgId(),
            "transaction_id", result.getTransactionId(), "unique_key", message.getProperty("UNIQ_KEY"),
            "message_transaction_id", message.getTransactionId(), "half_offset", result.getQueueOffset(),
            "queue", result.getMessageQueue().getQueueId(), "status", result.getSendStatus(),
            "state", result.getLocalTransactionState(), "before_ms", before,
            "host", Kit.env("WITH_HOST", "0").equals("1") ? localAddress(producer, result) : "",
            "content", Inbox.content(Kit.message(Kit.TOPIC, index)));
        return result;
    }

    /** The address the broker sees us under, asked of the broker itself over the same connection; "" if unknown. */
    private static String localAddress(TransactionMQProducer producer, TransactionSendResult result) throws Exception {
        Kit.announce(producer, Kit.TOPIC);
        byte[] body = Kit.ask(producer, result.getMessageQueue().getBrokerName(), 204,
            Map.of("producerGroup", Kit.PRODUCER_GROUP), null).getBody();
        String list = body == null ? "" : new String(body, "UTF-8");
        int at = list.indexOf("\"clientAddr\":\"");
        return at < 0 ? "" : list.substring(at + 14, list.indexOf('"', at + 14));
    }

    /** A member of the producer group that sends nothing and answers checks about COUNT different transactions. */
    static boolean answer() throws Exception {
        Script script = new Script();
        ExecutorService checks = checkThreads();
        TransactionMQProducer producer = producer(script, null, checks);
        try {
            Kit.announce(producer, Kit.TOPIC);
            if (Kit.env("UNTIL_TOLD", "0").equals("1")) {
                Kit.pause("answering");
                return true;
            }
            boolean ok = Kit.await(() -> script.transactions() >= Kit.COUNT);
            Thread.sleep(Kit.LINGER_MS); // END_TRANSACTION is one-way: let the last ones leave
            return ok;
        } finally {
            producer.shutdown();
            checks.shutdownNow();
        }
    }
}
