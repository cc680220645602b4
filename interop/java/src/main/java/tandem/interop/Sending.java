package tandem.interop;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.utils.MessageUtil;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageExt;

/** Everything an ordinary producer does. */
final class Sending {
    private Sending() {
    }

    /** COUNT messages, by turns synchronous, asynchronous and one-way; FIRST is the first one's number. */
    static boolean send() throws Exception {
        List<String> ways = Kit.list("WAYS", "sync,async,oneway");
        int first = Kit.number("FIRST", 0);
        DefaultMQProducer producer = Kit.producer();
        CountDownLatch answered = new CountDownLatch(Kit.COUNT);
        try {
            for (int i = first; i < first + Kit.COUNT; i++) {
                int index = i;
                Message message = Kit.message(Kit.TOPIC, index);
                switch (Kit.nth(ways, index)) {
                    case "oneway":
                        producer.sendOneway(message);
                        Kit.emit("sent", "index", index, "way", "oneway",
                            "message_id", message.getProperty("UNIQ_KEY"), "content", Inbox.content(message));
                        answered.countDown();
                        break;
                    case "async":
                        producer.send(message, new SendCallback() {
                            @Override
                            public void onSuccess(SendResult result) {
                                Kit.sent(result, "index", index, "way", "async",
                                    "content", Inbox.content(Kit.message(Kit.TOPIC, index)));
                                answered.countDown();
                            }

                            @Override
                            public void onException(Throwable e) {
                                Kit.emit("send-failed", "index", index, "error", e);
                            }
                        });
                        break;
                    default:
                        SendResult result = producer.send(message);
                        Kit.sent(result, "index", index, "way", "sync",
                            "content", Inbox.content(Kit.message(Kit.TOPIC, index)));
                        if (result.getSendStatus() == SendStatus.SEND_OK) {
                            answered.countDown();
                        }
                }
            }
            boolean ok = answered.await(Kit.WAIT_MS, TimeUnit.MILLISECONDS);
            Thread.sleep(Kit.LINGER_MS); // a one-way request leaves when the channel has time
            return ok;
        } finally {
            producer.shutdown();
        }
    }

    /** COUNT messages in one request: they land in one queue at consecutive offsets. */
    static boolean batch() throws Exception {
        DefaultMQProducer producer = Kit.producer();
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = null;
        try {
            List<Message> batch = new ArrayList<>();
            for (int i = 0; i < Kit.COUNT; i++) {
                batch.add(Kit.message(Kit.TOPIC, i));
            }
            SendResult result = producer.send(batch);
            Kit.sent(result);
            consumer = inbox.collect(Kit.TOPIC, "*");
            boolean ok = inbox.awaitExactly(Kit.COUNT);
            for (MessageExt message : inbox.messages()) {
                int index = Integer.parseInt(message.getUserProperty("index"));
                ok &= message.getQueueId() == result.getMessageQueue().getQueueId()
                    && message.getQueueOffset() == result.getQueueOffset() + index
                    && result.getMsgId().contains(message.getMsgId())
                    && Inbox.content(message).equals(Inbox.content(Kit.message(Kit.TOPIC, index)));
            }
            return ok;
        } finally {
            producer.shutdown();
            if (consumer != null) {
                consumer.shutdown();
            }
        }
    }

    /** Delay levels 1 (1 s), 2 (5 s) and 3 (10 s). */
    static boolean delay() throws Exception {
        long[] seconds = {1, 5, 10};
        List<Message> messages = new ArrayList<>();
        for (int i = 0; i < seconds.length; i++) {
            Message message = Kit.message(Kit.TOPIC, i);
            message.setDelayTimeLevel(i + 1);
            messages.add(message);
        }
        return deliveredAfter(messages, seconds);
    }

    /** Arbitrary delays, as {@code Message.setDelayTimeMs} asks for them (4.9 clients lack that method). */
    static boolean timer() throws Exception {
        long[] seconds = {2, 4, 7};
        List<Message> messages = new ArrayList<>();
        for (int i = 0; i < seconds.length; i++) {
            Message message = Kit.message(Kit.TOPIC, i);
            MessageAccessor.putProperty(message, "TIMER_DELAY_MS", String.valueOf(1000 * seconds[i]));
            messages.add(message);
        }
        return deliveredAfter(messages, seconds);
    }

    /** Consumes while it waits: a message that comes too early would be seen. */
    private static boolean deliveredAfter(List<Message> messages, long[] seconds) throws Exception {
        DefaultMQProducer producer = Kit.producer();
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = null;
        try {
            for (Message message : messages) {
                Kit.sent(producer.send(message));
            }
            consumer = inbox.collect(Kit.TOPIC, "*");
            boolean ok = inbox.awaitExactly(seconds.length);
            for (MessageExt message : inbox.messages()) {
                // Timers keep whole seconds and may be one early; the store time is that of the delivery.
                long wanted = 1000 * seconds[Integer.parseInt(message.getUserProperty("index"))];
                long waited = message.getStoreTimestamp() - message.getBornTimestamp();
                Kit.emit("delivered", "message_id", message.getMsgId(), "wanted_ms", wanted, "waited_ms", waited);
                ok &= waited >= wanted - 1000 && waited <= wanted + 2000;
            }
            return ok;
        } finally {
            producer.shutdown();
            if (consumer != null) {
                consumer.shutdown();
            }
        }
    }

    /** COUNT requests, each answered by a consumer through the reply topic. */
    static boolean requestReply() throws Exception {
        DefaultMQProducer producer = Kit.producer();
        Kit.sent(producer.send(Kit.message(Kit.TOPIC, 1_000_000))); // creates the topic, or the consumer waits for it
        Kit.announce(producer, Kit.TOPIC); // its next heartbeat is up to 30 s away, and replies need one
        DefaultMQPushConsumer consumer = Inbox.consumer(Kit.GROUP, Kit.TOPIC, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (batch, context) -> {
            for (MessageExt message : batch) {
                if (Kit.ofThisRun(message) && message.getProperty("CORRELATION_ID") != null) {
                    try {
                        producer.send(MessageUtil.createReplyMessage(message, Kit.bytes("re: " + Kit.text(message))));
                    } catch (Exception e) {
                        Kit.emit("reply-failed", "error", e);
                    }
                }
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        try {
            consumer.start();
            boolean ok = true;
            for (int i = 0; i < Kit.COUNT; i++) {
                Message request = Kit.message(Kit.TOPIC, i);
                Message reply = producer.request(request, Kit.WAIT_MS);
                Kit.emit("reply", "properties", reply.getProperties());
                ok &= Kit.text(reply).equals("re: " + Kit.text(Kit.message(Kit.TOPIC, i)));
            }
            return ok;
        } finally {
            consumer.shutdown();
            producer.shutdown();
        }
    }
}
