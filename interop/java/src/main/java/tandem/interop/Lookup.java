package tandem.interop;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.rocketmq.client.QueryResult;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Finding messages again, and looking into topics. */
final class Lookup {
    private static final String TRACE_TOPIC = "RMQ_SYS_TRACE_TOPIC";

    private Lookup() {
    }

    /** Finds each sent message by its two ids and by key; asks the queue for its bounds. */
    static boolean query() throws Exception {
        DefaultMQProducer producer = Kit.producer();
        try {
            boolean ok = true;
            for (int i = 0; i < Kit.COUNT; i++) {
                Message message = Kit.message(Kit.TOPIC, i);
                SendResult result = producer.send(message);
                Kit.sent(result);
                String byOffset = producer.viewMessage(Kit.TOPIC, result.getOffsetMsgId()).getMsgId();
                MessageExt byKey = find(producer, Kit.TOPIC, Kit.RUN + "-" + i);
                String byId = producer.viewMessage(Kit.TOPIC, result.getMsgId()).getMsgId();
                MessageQueue queue = result.getMessageQueue();
                long min = producer.minOffset(queue);
                long max = producer.maxOffset(queue);
                long atStart = producer.searchOffset(queue, byKey.getStoreTimestamp());
                long afterAll = producer.searchOffset(queue, System.currentTimeMillis() + 60_000);
                Kit.emit("found", "by_offset_id", byOffset, "by_id", byId, "by_key", byKey.getMsgId(), "min", min,
                    "max", max, "at_store_time", atStart, "in_a_minute", afterAll,
                    "earliest", producer.earliestMsgStoreTime(queue));
                ok &= byOffset.equals(result.getMsgId()) && byId.equals(byOffset)
                    && byKey.getMsgId().equals(byOffset) && atStart <= result.getQueueOffset() && afterAll == max
                    && min <= result.getQueueOffset() && max > result.getQueueOffset()
                    && producer.earliestMsgStoreTime(queue) <= byKey.getStoreTimestamp()
                    && Inbox.content(byKey).equals(Inbox.content(Kit.message(Kit.TOPIC, i)));
            }
            long now = System.currentTimeMillis();
            int shared = producer.queryMessage(Kit.TOPIC, "shared", 64, now - 600_000, now + 60_000)
                .getMessageList().size();
            Kit.emit("found-by-shared-key", "count", shared);
            return ok && shared >= Kit.COUNT;
        } finally {
            producer.shutdown();
        }
    }

    /** The index may be written behind the log: ask until it is there. */
    private static MessageExt find(DefaultMQProducer producer, String topic, String key) throws Exception {
        long now = System.currentTimeMillis();
        for (long deadline = now + 10_000; ; Thread.sleep(100)) {
            try {
                QueryResult found = producer.queryMessage(topic, key, 32, now - 60_000, now + 60_000);
                return found.getMessageList().get(0);
            } catch (MQClientException e) {
                if (System.currentTimeMillis() > deadline) {
                    throw e;
                }
            }
        }
    }

    /** A producer and a consumer with tracing on leave a Pub, a SubBefore and a SubAfter record for each message. */
    static boolean trace() throws Exception {
        DefaultMQProducer producer = Kit.started(new DefaultMQProducer(Kit.PRODUCER_GROUP, true, null));
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(Kit.GROUP, true, null);
        Inbox inbox = new Inbox();
        try {
            SendResult result = producer.send(Kit.message(Kit.TOPIC, 0));
            Kit.sent(result);
            Kit.quick(consumer);
            consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
            consumer.subscribe(Kit.TOPIC, "*");
            inbox.collectWith(consumer);
            boolean ok = inbox.awaitExactly(1);
            Set<String> kinds = new HashSet<>();
            long now = System.currentTimeMillis();
            for (long deadline = now + 20_000; kinds.size() < 3 && System.currentTimeMillis() < deadline;) {
                Thread.sleep(500);
                try {
                    QueryResult traces =
                        producer.queryMessage(TRACE_TOPIC, result.getMsgId(), 32, now - 60_000, now + 60_000);
                    for (MessageExt found : traces.getMessageList()) {
                        for (String record : Kit.text(found).split("\u0002")) {
                            if (kinds.add(record.split("\u0001")[0])) {
                                Kit.emit("trace", "record", record.replace('\u0001', '|'));
                            }
                        }
                    }
                } catch (MQClientException e) {
                    Kit.emit("trace-missing", "error", e.getErrorMessage());
                }
            }
            return ok && kinds.containsAll(List.of("Pub", "SubBefore", "SubAfter"));
        } finally {
            consumer.shutdown();
            producer.shutdown();
        }
    }

    /** Pulls everything of TOPIC as GROUP, the way mqadmin looks into a topic; what is refused is said, not thrown. */
    @SuppressWarnings("deprecation")
    static boolean browse() throws Exception {
        DefaultMQPullConsumer consumer = new DefaultMQPullConsumer(Kit.GROUP);
        Kit.quick(consumer);
        consumer.start();
        try {
            int found = 0;
            for (MessageQueue queue : consumer.fetchSubscribeMessageQueues(Kit.TOPIC)) {
                long offset = consumer.minOffset(queue);
                for (long end = consumer.maxOffset(queue); offset < end;) {
                    PullResult pulled = consumer.pull(queue, "*", offset, 32);
                    if (pulled.getMsgFoundList() == null || pulled.getMsgFoundList().isEmpty()) {
                        Kit.emit("browsed-none", "queue", queue.getQueueId(), "status", pulled.getPullStatus());
                        break;
                    }
                    for (MessageExt message : pulled.getMsgFoundList()) {
                        Inbox.describe("browsed", message);
                        found++;
                    }
                    offset = pulled.getNextBeginOffset();
                }
            }
            Kit.emit("browsed-all", "count", found);
        } catch (Exception e) {
            Kit.emit("unreadable", "error", e);
        } finally {
            consumer.shutdown();
        }
        return true;
    }
}
