package tandem.interop;

import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.hook.SendMessageContext;
import org.apache.rocketmq.client.hook.SendMessageHook;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * A producer and a consumer that are killed and stopped at any moment. What they do they write into the file JOURNAL
 * before they go on: kill -9 takes nothing that was written.
 *
 * <p>The example {@code under_faults} of the Rust client does the same, and their lines are the same.
 */
final class Rounds {
    /** "late": the local transaction leaves it to the check-back. "unknown": it has its row, but does not say so. */
    private static final List<String> INTENTS = List.of("commit", "commit", "commit", "commit", "commit", "rollback",
        "rollback", "rollback", "unknown-commit", "unknown-rollback", "late-commit", "late-rollback");

    private Rounds() {
    }

    private static final class Journal implements AutoCloseable {
        private final OutputStream file;

        Journal() throws IOException {
            file = new FileOutputStream(Kit.env("JOURNAL", "journal"), true);
        }

        /** One unbuffered write of one line. */
        void note(String event, Object... fields) {
            byte[] line = Kit.bytes(Kit.line(event, fields) + "\n");
            synchronized (file) {
                try {
                    file.write(line);
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            }
        }

        @Override
        public void close() throws IOException {
            file.close();
        }
    }

    /**
     * The database of a producer group, shared by its processes: a table in the folder ROWS whose key is the
     * transaction. A row is a symbolic link, which is created as a whole, and once.
     */
    private static final class Rows {
        private static final Path FOLDER = Path.of(Kit.env("ROWS", "rows"));

        /** Inserts the row unless there is one; returns the one that counts. */
        static String insert(String transaction, String outcome) throws IOException {
            try {
                Files.createSymbolicLink(FOLDER.resolve(transaction), Path.of(outcome));
                return outcome;
            } catch (FileAlreadyExistsException e) {
                return find(transaction);
            }
        }

        static String find(String transaction) throws IOException {
            try {
                return Files.readSymbolicLink(FOLDER.resolve(transaction)).toString();
            } catch (NoSuchFileException e) {
                return null;
            }
        }
    }

    private static String outcome(String intent) {
        return intent.endsWith("commit") ? "commit" : "rollback";
    }

    private static LocalTransactionState state(String outcome) {
        return outcome.equals("commit") ? LocalTransactionState.COMMIT_MESSAGE : LocalTransactionState.ROLLBACK_MESSAGE;
    }

    private static void sleep(long ms) {
        try {
            Thread.sleep(ms);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** The local transaction, the check-back, and what tells that a half is sent again. */
    private static final class Bookkeeper implements TransactionListener, SendMessageHook {
        private final Journal journal;
        private final Map<String, Integer> asked = new ConcurrentHashMap<>();
        private final Map<String, Integer> attempts = new ConcurrentHashMap<>();

        Bookkeeper(Journal journal) {
            this.journal = journal;
        }

        @Override
        public LocalTransactionState executeLocalTransaction(Message message, Object argument) {
            String transaction = message.getKeys();
            String intent = message.getUserProperty("intent");
            attempts.remove(transaction);
            journal.note("stored", "tx", transaction);
            sleep(ThreadLocalRandom.current().nextInt(50));
            LocalTransactionState said = LocalTransactionState.UNKNOW;
            try {
                if (!intent.startsWith("late-")) {
                    String row = Rows.insert(transaction, outcome(intent));
                    said = intent.startsWith("unknown-") ? said : state(row);
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            journal.note("said", "tx", transaction, "answer", word(said));
            return said;
        }

        /** Believes its row. Without one: unknown when asked first, for somebody may be at it; then it settles it. */
        @Override
        public LocalTransactionState checkLocalTransaction(MessageExt message) {
            String transaction = message.getKeys();
            String intent = message.getUserProperty("intent");
            LocalTransactionState answer = LocalTransactionState.UNKNOW;
            try {
                String row = Rows.find(transaction);
                if (row == null && asked.merge(transaction, 1, Integer::sum) > 1) {
                    row = Rows.insert(transaction, intent.startsWith("late-") ? outcome(intent) : "rollback");
                }
                answer = row == null ? answer : state(row);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            journal.note("checked", "tx", transaction, "answer", word(answer));
            return answer;
        }

        private static String word(LocalTransactionState state) {
            switch (state) {
                case COMMIT_MESSAGE:
                    return "commit";
                case ROLLBACK_MESSAGE:
                    return "rollback";
                default:
                    return "unknown";
            }
        }

        @Override
        public String hookName() {
            return "attempts";
        }

        @Override
        public void sendMessageBefore(SendMessageContext context) {
            String transaction = context.getMessage().getKeys();
            if (attempts.merge(transaction, 1, Integer::sum) > 1) {
                journal.note("again", "tx", transaction);
            }
        }

        @Override
        public void sendMessageAfter(SendMessageContext context) {
        }
    }

    /**
     * Transactions named INSTANCE-0, INSTANCE-1 and so on, on THREADS threads that rest about PAUSE_MS between them,
     * until a line is read; then it stays to answer checks until another line is read.
     */
    static boolean produce() throws Exception {
        String instance = Kit.env("INSTANCE", "java");
        int pauseMs = Kit.number("PAUSE_MS", 100);
        ExecutorService checks = Transactions.checkThreads();
        ExecutorService threads = Executors.newCachedThreadPool();
        AtomicBoolean closing = new AtomicBoolean();
        AtomicInteger next = new AtomicInteger();
        try (Journal journal = new Journal()) {
            Bookkeeper bookkeeper = new Bookkeeper(journal);
            TransactionMQProducer producer = new TransactionMQProducer(Kit.PRODUCER_GROUP);
            Kit.quick(producer);
            producer.setExecutorService(checks);
            producer.setTransactionListener(bookkeeper);
            producer.getDefaultMQProducerImpl().registerSendMessageHook(bookkeeper);
            producer.start();
            try {
                for (int thread = 0; thread < Kit.number("THREADS", 4); thread++) {
                    threads.execute(() -> {
                        while (!closing.get()) {
                            transact(producer, journal, instance + "-" + next.getAndIncrement());
                            sleep(ThreadLocalRandom.current().nextInt(2 * pauseMs));
                        }
                    });
                }
                Kit.pause("producing");
                closing.set(true);
                threads.shutdown();
                boolean ok = threads.awaitTermination(Kit.WAIT_MS, TimeUnit.MILLISECONDS);
                Kit.pause("holding");
                return ok;
            } finally {
                producer.shutdown();
                checks.shutdown();
            }
        }
    }

    private static void transact(TransactionMQProducer producer, Journal journal, String transaction) {
        String intent = INTENTS.get(ThreadLocalRandom.current().nextInt(INTENTS.size()));
        Message message = new Message(Kit.TOPIC, "rounds", transaction, Kit.bytes(transaction + " " + intent));
        message.putUserProperty("intent", intent);
        journal.note("begun", "tx", transaction, "intent", intent);
        try {
            producer.sendMessageInTransaction(message, null);
        } catch (MQClientException | RuntimeException e) {
            journal.note("failed", "tx", transaction, "error", String.valueOf(e.getMessage()).split("\n")[0]);
            sleep(100);
        }
    }

    /** Writes down every message until a line is read. */
    static boolean consume() throws Exception {
        try (Journal journal = new Journal()) {
            DefaultMQPushConsumer consumer = Inbox.consumer(Kit.GROUP, Kit.TOPIC, "*");
            consumer.registerMessageListener((MessageListenerConcurrently) (batch, context) -> {
                for (MessageExt message : batch) {
                    journal.note("delivered", "tx", message.getKeys(), "body", Kit.text(message),
                        "intent", message.getUserProperty("intent"), "id", message.getMsgId(),
                        "queue", message.getQueueId(), "offset", message.getQueueOffset(),
                        "attempt", message.getReconsumeTimes() + 1);
                }
                return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            });
            consumer.start();
            try {
                Kit.pause("consuming");
                return true;
            } finally {
                consumer.shutdown();
            }
        }
    }
}
