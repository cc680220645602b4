package tandem.interop;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** The ways to consume. All but {@code push} send their own messages first and ignore those of other runs. */
final class Consuming {
    private Consuming() {
    }

    /**
     * What GROUP has not consumed yet of this run: exactly COUNT different messages; with UNTIL_TOLD=1 whatever comes
     * until a line is read. Each message takes CONSUME_MS.
     */
    static boolean push() throws Exception {
        long consumeMs = Kit.number("CONSUME_MS", 0);
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = Inbox.consumer(Kit.GROUP, Kit.TOPIC, Kit.env("TAGS", "*"));
        consumer.registerMessageListener((MessageListenerConcurrently) (batch, context) -> {
            try {
                Thread.sleep(consumeMs);
            } catch (InterruptedException e) {
                return ConsumeConcurrentlyStatus.RECONSUME_LATER;
            }
            batch.stream().filter(Kit::ofThisRun).forEach(inbox::add);
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        Kit.emit("consuming", "group", Kit.GROUP);
        try {
            if (Kit.env("UNTIL_TOLD", "0").equals("1")) {
                Kit.pause("consuming");
                return true;
            }
            return inbox.awaitExactly(Kit.COUNT);
        } finally {
            consumer.shutdown();
        }
    }

    private static void sendAll(List<Message> messages) throws Exception {
        DefaultMQProducer producer = Kit.producer();
        try {
            for (Message message : messages) {
                Kit.sent(producer.send(message));
            }
        } finally {
            producer.shutdown();
        }
    }

    private static List<Message> messages() {
        List<Message> messages = new ArrayList<>();
        for (int i = 0; i < Kit.COUNT; i++) {
            messages.add(Kit.message(Kit.TOPIC, i));
        }
        return messages;
    }

    /** Two sequences, one queue each. The first delivery of all is refused once; the order must survive that. */
    static boolean orderly() throws Exception {
        DefaultMQProducer producer = Kit.producer();
        for (int i = 0; i < 2 * Kit.COUNT; i++) {
            Kit.sent(producer.send(Kit.message(Kit.TOPIC, i), (queues, message, sequence) ->
                queues.get((Integer) sequence % queues.size()), i % 2));
        }
        producer.shutdown();
        Inbox inbox = new Inbox();
        AtomicBoolean refused = new AtomicBoolean();
        DefaultMQPushConsumer consumer = Inbox.consumer(Kit.GROUP, Kit.TOPIC, "*");
        consumer.registerMessageListener((MessageListenerOrderly) (batch, context) -> {
            if (batch.stream().anyMatch(Kit::ofThisRun) && refused.compareAndSet(false, true)) {
                Kit.emit("refused", "message_id", batch.get(0).getMsgId());
                return ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
            }
            batch.stream().filter(Kit::ofThisRun).forEach(inbox::add);
            return ConsumeOrderlyStatus.SUCCESS;
        });
        consumer.start();
        try {
            boolean ok = inbox.awaitExactly(2 * Kit.COUNT) && refused.get();
            Map<Integer, Integer> last = new HashMap<>();
            for (MessageExt message : inbox.messages()) {
                int index = Integer.parseInt(message.getUserProperty("index"));
                Integer previous = last.put(index % 2, index);
                ok &= previous == null ? index < 2 : index == previous + 2;
            }
            return ok;
        } finally {
            consumer.shutdown();
        }
    }

    /** Two members of one broadcasting group get every message each. */
    static boolean broadcast() throws Exception {
        sendAll(messages());
        List<Inbox> inboxes = List.of(new Inbox(), new Inbox());
        List<DefaultMQPushConsumer> consumers = new ArrayList<>();
        try {
            for (Inbox inbox : inboxes) {
                DefaultMQPushConsumer consumer = Inbox.consumer(Kit.GROUP, Kit.TOPIC, "*");
                consumer.setInstanceName("member-" + consumers.size());
                broadcasting(consumer);
                consumers.add(consumer);
                inbox.collectWith(consumer);
            }
            boolean ok = true;
            for (Inbox inbox : inboxes) {
                ok &= inbox.awaitExactly(Kit.COUNT);
            }
            return ok;
        } finally {
            consumers.forEach(DefaultMQPushConsumer::shutdown);
        }
    }

    /** MessageModel moved to another package in 5.0. */
    @SuppressWarnings({"unchecked", "rawtypes"})
    private static void broadcasting(DefaultMQPushConsumer consumer) throws ReflectiveOperationException {
        Class<?> model = DefaultMQPushConsumer.class.getMethod("getMessageModel").getReturnType();
        DefaultMQPushConsumer.class.getMethod("setMessageModel", model)
            .invoke(consumer, Enum.valueOf((Class) model, "BROADCASTING"));
    }

    static boolean litePull() throws Exception {
        sendAll(messages());
        Inbox inbox = new Inbox();
        DefaultLitePullConsumer consumer = new DefaultLitePullConsumer(Kit.GROUP);
        Kit.quick(consumer);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(Kit.TOPIC, "*");
        consumer.start();
        try {
            long deadline = System.currentTimeMillis() + Kit.WAIT_MS;
            while (inbox.messages().size() < Kit.COUNT && System.currentTimeMillis() < deadline) {
                consumer.poll(1000).stream().filter(Kit::ofThisRun).forEach(inbox::add);
            }
            consumer.poll(Kit.LINGER_MS).stream().filter(Kit::ofThisRun).forEach(inbox::add);
            return inbox.messages().size() == Kit.COUNT && inbox.distinct() == Kit.COUNT;
        } finally {
            consumer.shutdown();
        }
    }

    /** Only subscribed tags arrive, also when another tag has the same hash ("Aa" and "BB" in Java). */
    static boolean tags() throws Exception {
        List<String> tags = List.of("Aa", "BB", "C", "D", "");
        List<Message> messages = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            Message message = Kit.message(Kit.TOPIC, i);
            message.setTags(tags.get(i % tags.size()));
            messages.add(message);
        }
        sendAll(messages);
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = inbox.collect(Kit.TOPIC, "Aa || C");
        try {
            boolean ok = inbox.awaitExactly(4);
            for (MessageExt message : inbox.messages()) {
                ok &= List.of("Aa", "C").contains(message.getTags());
            }
            return ok;
        } finally {
            consumer.shutdown();
        }
    }

    /** Each message fails until its two retries, at levels 1 and 2, are used up; then it waits in the dead letters. */
    static boolean retryDlq() throws Exception {
        sendAll(messages());
        Inbox tried = new Inbox();
        DefaultMQPushConsumer consumer = Inbox.consumer(Kit.GROUP, Kit.TOPIC, "*");
        consumer.setMaxReconsumeTimes(2);
        consumer.setConsumeMessageBatchMaxSize(1);
        consumer.registerMessageListener((MessageListenerConcurrently) (batch, context) -> {
            if (!Kit.ofThisRun(batch.get(0))) {
                return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            }
            tried.add(batch.get(0));
            context.setDelayLevelWhenNextConsume(batch.get(0).getReconsumeTimes() + 1);
            return ConsumeConcurrentlyStatus.RECONSUME_LATER;
        });
        consumer.start();
        Inbox dead = new Inbox();
        DefaultMQPushConsumer undertaker = null;
        try {
            boolean ok = Kit.await(() -> tried.messages().size() >= 3 * Kit.COUNT);
            Thread.sleep(2000); // the last send-back, or a delivery too many
            undertaker = Inbox.consumer("undertaker_" + Kit.GROUP, "%DLQ%" + Kit.GROUP, "*");
            dead.collectWith(undertaker);
            ok &= dead.awaitExactly(Kit.COUNT) && tried.messages().size() == 3 * Kit.COUNT;
            ok &= tried.messages().stream().allMatch(m -> m.getTopic().equals(Kit.TOPIC));
            for (MessageExt message : dead.messages()) {
                Kit.emit("dead", "message_id", message.getMsgId(), "topic", message.getTopic(),
                    "properties", message.getProperties());
            }
            return ok;
        } finally {
            consumer.shutdown();
            if (undertaker != null) {
                undertaker.shutdown();
            }
        }
    }
}
