package tandem.interop;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.zip.CRC32;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageClientExt;
import org.apache.rocketmq.common.message.MessageExt;

/** What arrived, in order of arrival. Thread-safe, because listeners run on many threads. */
final class Inbox {
    private final List<MessageExt> messages = new ArrayList<>();
    private final Set<String> ids = new HashSet<>();

    synchronized void add(MessageExt message) {
        describe("received", message);
        messages.add(message);
        ids.add(message.getMsgId());
        notifyAll();
    }

    /** Prints everything a program can see of a message. */
    static void describe(String event, MessageExt message) {
        Kit.emit(event, "message_id", message.getMsgId(),
            "offset_id", message instanceof MessageClientExt ? ((MessageClientExt) message).getOffsetMsgId() : "",
            "transaction_id", message.getTransactionId(), "topic", message.getTopic(), "queue", message.getQueueId(),
            "offset", message.getQueueOffset(), "log_offset", message.getCommitLogOffset(),
            "prepared_offset", message.getPreparedTransactionOffset(), "attempt", message.getReconsumeTimes() + 1,
            "sys_flag", message.getSysFlag(), "born_ms", message.getBornTimestamp(),
            "born_host", String.valueOf(message.getBornHost()).replaceFirst("^[^/]*/", ""),
            "store_ms", message.getStoreTimestamp(), "content", content(message));
    }

    /** What the sender put in and a receiver must find again, unchanged. */
    static Map<String, Object> content(Message message) {
        CRC32 crc = new CRC32();
        crc.update(message.getBody());
        String body = Kit.text(message);
        return Map.of("tag", String.valueOf(message.getTags()), "keys", String.valueOf(message.getKeys()),
            "flag", message.getFlag(), "index", String.valueOf(message.getUserProperty("index")),
            "text", String.valueOf(message.getUserProperty("text")),
            "body", body.length() > 80 ? body.substring(0, 80) : body,
            "body_size", message.getBody().length, "body_crc", crc.getValue());
    }

    /** Waits for {@code distinct} different messages, then for one too many; true if exactly those came. */
    boolean awaitExactly(int distinct) throws InterruptedException {
        Kit.await(() -> distinct() >= Math.max(distinct, 1));
        Thread.sleep(Kit.LINGER_MS);
        return distinct() == distinct;
    }

    synchronized int distinct() {
        return ids.size();
    }

    synchronized List<MessageExt> messages() {
        return new ArrayList<>(messages);
    }

    /** A consumer, not started yet, of everything the topic ever had. */
    static DefaultMQPushConsumer consumer(String group, String topic, String tags) throws Exception {
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
        Kit.quick(consumer);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        // Lets a running listener return before the offsets are stored, or the next member gets its message again.
        consumer.setAwaitTerminationMillisWhenShutdown(5000);
        consumer.subscribe(topic, tags);
        return consumer;
    }

    /** Starts collecting the messages of this run that GROUP gets from the topic. */
    DefaultMQPushConsumer collect(String topic, String tags) throws Exception {
        DefaultMQPushConsumer consumer = consumer(Kit.GROUP, topic, tags);
        collectWith(consumer);
        return consumer;
    }

    /** Registers a listener that collects the messages of this run, and starts the consumer. */
    void collectWith(DefaultMQPushConsumer consumer) throws Exception {
        consumer.registerMessageListener((MessageListenerConcurrently) (batch, context) -> {
            batch.stream().filter(Kit::ofThisRun).forEach(this::add);
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
    }
}
